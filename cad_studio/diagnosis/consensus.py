"""What several annotators together say of each sample, and how good each of them is.

A. P. Dawid and A. M. Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM
Algorithm", Journal of the Royal Statistical Society C 28(1), 1979, https://doi.org/10.2307/2346806.
Each annotator has a confusion matrix of their own: how likely they say l where the class is c. EM
goes back and forth between the matrices (their equation 2.3) with the class shares (2.4), and the
classes (2.5), from the shares of the votes on. With a pseudo-count for every cell an annotator who
has seen little is not taken to be never wrong; with 0 it is the paper's estimate.

The package crowd-kit has the same estimate without pseudo-counts; it is not used, as it brings
packages for texts along and takes seconds to import. The results agree (`tests/diagnosis`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import SettingError

PSEUDO_COUNT = 0.1
"""Votes added to each cell of every confusion matrix; small beside what annotators give."""

MOST_ROUNDS = 200
_ENOUGH = 1e-6
_LEVEL = 0.95
_MOST_CELLS = 400_000_000


@dataclass(frozen=True)
class Consensus:
    """What Dawid-Skene makes of votes.

    Attributes:
        confidence: float32 (N, C). Of samples with votes rows sum to 1, others are 0.
        confusion: float64 (A, C, C). Of each annotator how likely (true class, class said) is.
        class_shares: float64 (C,), sum 1.
        rounds: Of EM.
    """

    confidence: NDArray[np.float32]
    confusion: NDArray[np.float64]
    class_shares: NDArray[np.float64]
    rounds: int


@dataclass(frozen=True)
class Quality:
    """How good an annotator is, measured by the consensus of all.

    Attributes:
        n_votes: Votes on samples that others voted on too.
        accuracy: Expected share of them that are right; None without any.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    n_votes: int
    accuracy: float | None
    low: float | None
    high: float | None


def dawid_skene(
    sample: NDArray[np.integer],
    annotator: NDArray[np.integer],
    label: NDArray[np.integer],
    n_samples: int,
    n_annotators: int,
    n_classes: int,
    pseudo_count: float = PSEUDO_COUNT,
) -> Consensus:
    """Estimate the classes of samples and the confusion of annotators from votes.

    Args:
        sample: integers (M,), 0 to N - 1.
        annotator: integers (M,), 0 to A - 1.
        label: integers (M,), 0 to C - 1.
        n_samples: N.
        n_annotators: A.
        n_classes: C.
        pseudo_count: Votes added to each cell of a confusion matrix, 0 or more.

    Raises:
        SettingError: Too much to be held at once.
    """
    from scipy import sparse

    if not len(sample):
        return Consensus(
            np.zeros((n_samples, n_classes), np.float32),
            np.full((n_annotators, n_classes, n_classes), 1.0 / n_classes),
            np.full(n_classes, 1.0 / n_classes), 0,
        )  # fmt: skip
    voted, row = np.unique(sample, return_inverse=True)
    if n_annotators * n_classes**2 > _MOST_CELLS:
        raise _too_large(len(voted), n_classes)
    require_size(len(voted), n_classes)
    # A column for each annotator and label: what was said is then one sparse matrix.
    said = annotator.astype(np.int64) * n_classes + label
    votes = sparse.csr_array(
        (np.ones(len(row)), (row, said)), shape=(len(voted), n_annotators * n_classes)
    )
    belief = np.zeros((len(voted), n_classes))
    np.add.at(belief, (row, label), 1.0)
    belief /= belief.sum(axis=1, keepdims=True)
    for rounds in range(1, MOST_ROUNDS + 1):  # noqa: B007  # told when it is over
        confusion, shares = _matrices(votes, belief, n_annotators, pseudo_count)
        # (A, C true, C said) to (A and said, true)
        flat = confusion.transpose(0, 2, 1).reshape(-1, n_classes)
        logs = votes @ _log(flat) + _log(shares)
        logs -= logs.max(axis=1, keepdims=True)
        later = np.exp(logs)
        later /= later.sum(axis=1, keepdims=True)
        change = float(np.abs(later - belief).max())
        belief = later
        if change < _ENOUGH:
            break
    confusion, shares = _matrices(votes, belief, n_annotators, pseudo_count)
    confidence = np.zeros((n_samples, n_classes), np.float32)
    confidence[voted] = belief
    return Consensus(confidence, confusion, shares, rounds)


def require_size(n_voted: int, n_classes: int) -> None:
    """Refuse a consensus that is too large to be held.

    Raises:
        SettingError: Of so many samples with votes and classes it is.
    """
    if n_voted * n_classes > _MOST_CELLS:
        raise _too_large(n_voted, n_classes)


def _too_large(n_voted: int, n_classes: int) -> SettingError:
    return SettingError(
        f"The consensus on {n_voted:,} samples of {n_classes:,} classes is too large to be worked "
        "out at once."
    )


def vote_shares(
    sample: NDArray[np.integer],
    label: NDArray[np.integer],
    weight: NDArray[np.floating] | None,
    n_samples: int,
    n_classes: int,
) -> NDArray[np.float32]:
    """Which share of its votes each class got, where it is not known who gave them.

    Returns:
        float32 (N, C); rows of samples without votes are 0.
    """
    out = np.zeros((n_samples, n_classes))
    np.add.at(out, (sample, label), 1.0 if weight is None else np.asarray(weight, np.float64))
    total = out.sum(axis=1, keepdims=True)
    return np.divide(out, total, out=out, where=total > 0).astype(np.float32)


def qualities(
    sample: NDArray[np.integer],
    annotator: NDArray[np.integer],
    label: NDArray[np.integer],
    confidence: NDArray[np.floating],
    n_annotators: int,
) -> list[Quality]:
    """How good each annotator is by the consensus, with its uncertainty.

    The interval is that of a Beta distribution with Jeffreys' prior over the expected numbers of
    right and wrong votes; it takes the consensus as it is. Samples with one vote are left out, as
    there the consensus only repeats it.
    """
    # scipy.stats has the same under another name and takes a second to import.
    from scipy.special import betaincinv

    counts = np.bincount(sample, minlength=len(confidence))
    shared = counts[sample] > 1
    right = np.bincount(
        annotator[shared], confidence[sample[shared], label[shared]], minlength=n_annotators
    )
    n_votes = np.bincount(annotator[shared], minlength=n_annotators)
    found = []
    for good, n in zip(right.tolist(), n_votes.tolist(), strict=True):
        if not n:
            found.append(Quality(0, None, None, None))
            continue
        good = min(good, float(n))
        tail = (1.0 - _LEVEL) / 2.0
        low, high = betaincinv(good + 0.5, n - good + 0.5, [tail, 1.0 - tail])
        found.append(Quality(n, good / n, float(low), float(high)))
    return found


def _matrices(votes, belief: NDArray[np.float64], n_annotators: int, pseudo_count: float):  # type: ignore[no-untyped-def]
    """Confusion matrices (A, C, C), true class by class said, and the shares of the classes."""
    n_classes = belief.shape[1]
    counts = (votes.T @ belief).reshape(n_annotators, n_classes, n_classes)  # said, true
    counts = counts.transpose(0, 2, 1) + pseudo_count
    total = counts.sum(axis=2, keepdims=True)
    confusion = np.divide(counts, total, out=np.full_like(counts, 1.0 / n_classes), where=total > 0)
    return confusion, belief.mean(axis=0)


def _log(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(np.maximum(values, 1e-300))
