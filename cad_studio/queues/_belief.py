"""What is known of all samples, for the orders that need it: belief, neighbours, what is open."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.candidate_graph import best_places
from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.queues._base import Situation

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def neighbours(situation: Situation) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The neighbours of every sample and their cosines, int64 and float32 (N, K)."""
    assert situation.index is not None
    assert situation.cosine is not None
    return situation.index, situation.cosine


def sets_of(belief: "csr_array") -> PartialLabels:
    """The sets that a belief is over: its stored entries."""
    rows = np.repeat(np.arange(belief.shape[0]), np.diff(belief.indptr))
    return PartialLabels.from_coordinates(rows, belief.indices, *belief.shape)


def ambiguous(situation: Situation) -> NDArray[np.bool_]:
    """Open samples with more than one candidate, bool (N,)."""
    return situation.is_open & (situation.candidates.sizes() > 1)


def two_best(situation: Situation) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The two most believed candidates of each sample, int64 and float32 (N, 2).

    The lower class comes first at a tie; a class of -1 is believed with 0: there is no other.
    """
    belief = situation.belief
    assert belief is not None
    counts = np.diff(belief.indptr)
    labels = np.full((len(counts), 2), UNKNOWN, np.int64)
    weights = np.zeros((len(counts), 2), np.float32)
    values = belief.data.copy()
    for place in range(2):
        rows, best = best_places(values, belief.indptr)
        kept = counts[rows] > place
        rows, best = rows[kept], best[kept]
        labels[rows, place], weights[rows, place] = belief.indices[best], values[best]
        values[best] = -1.0
    return labels, weights
