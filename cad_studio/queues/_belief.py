"""What is known of all samples, for the orders that need it: belief, neighbours, what is open."""

import numpy as np
from numpy.typing import NDArray

from cad_studio.queues._base import Situation


def dense_belief(situation: Situation) -> NDArray[np.float32]:
    """Belief of every sample, float32 (N, C); 0 outside the candidates."""
    assert situation.belief is not None
    return situation.belief.toarray()


def neighbours(situation: Situation) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The neighbours of every sample and their cosines, int64 and float32 (N, K)."""
    assert situation.index is not None
    assert situation.cosine is not None
    return situation.index, situation.cosine


def ambiguous(situation: Situation) -> NDArray[np.bool_]:
    """Open samples with more than one candidate, bool (N,)."""
    return situation.is_open & (situation.candidates.sizes() > 1)


def two_best(belief: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The two most believed classes of each sample, int64 and float32 (N, 2)."""
    top = np.argsort(-belief, axis=1, kind="stable")[:, :2]
    return top, np.take_along_axis(belief, top, axis=1)
