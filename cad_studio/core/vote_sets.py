"""Candidate sets from votes: the classes that enough of a sample's votes are for."""

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import Votes
from cad_studio.core.errors import SettingError
from cad_studio.core.partial_labels import PartialLabels

VOTES_AS = ("counts", "shares", "annotators")
"""What a matrix of votes can hold: for each class how many, or which part; or who chose what."""

ANY_VOTE = 0.0
"""The share at which a single vote is enough."""

# Three of ten votes are a share of 0.3, whatever the last bit of the division says.
_TOLERANCE = 1e-6


def check_threshold(share: float) -> float:
    """A share of a sample's votes, 0 to 1.

    Raises:
        SettingError: It is something else.
    """
    if not 0.0 <= share <= 1.0:
        raise SettingError(
            f"The vote threshold is {share}; expected a share of a sample's votes, from 0 (any "
            "vote is enough) to 1 (all of them)."
        )
    return float(share)


def sets_of_votes(
    votes: Votes, n_samples: int, n_classes: int, share: float = ANY_VOTE
) -> tuple[PartialLabels, NDArray[np.int64]]:
    """The classes that at least a share of each sample's votes are for.

    Where votes are spread so thin that no class reaches the share, those with the most votes are
    kept, so that nobody's votes end in an empty set.

    Args:
        votes: M votes for N samples over C classes.
        n_samples: N.
        n_classes: C.
        share: Of the sample's votes, 0 to 1; 0 takes every class with a vote.

    Returns:
        The sets, empty for samples without votes; and the rows where no class reached the share,
        ascending, int64 (M,).

    Raises:
        SettingError: The share is not from 0 to 1.
    """
    check_threshold(share)
    sample, label, weight = vote_totals(votes, n_classes)
    total = np.bincount(sample, weight, minlength=n_samples)
    most = np.zeros(n_samples)
    np.maximum.at(most, sample, weight)
    is_enough = weight >= (share - _TOLERANCE) * total[sample]
    has_any = np.zeros(n_samples, bool)
    has_any[sample[is_enough]] = True
    kept = is_enough | (~has_any[sample] & (weight >= most[sample] - _TOLERANCE))
    sets = PartialLabels.from_coordinates(sample[kept], label[kept], n_samples, n_classes)
    return sets, np.flatnonzero((total > 0) & ~has_any)


def vote_totals(
    votes: Votes, n_classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """How much each sample got for each class it got something for, by sample and class.

    Returns:
        Sample int64 (M,), class int64 (M,), and votes for it, float64 (M,), above 0.
    """
    code = votes.sample.astype(np.int64) * n_classes + votes.label
    cells, place = np.unique(code, return_inverse=True)
    weight = None if votes.weight is None else np.asarray(votes.weight, np.float64)
    totals = np.bincount(place, weight, minlength=len(cells)).astype(np.float64)
    sample, label = np.divmod(cells, n_classes)
    kept = totals > 0
    return sample[kept], label[kept], totals[kept]
