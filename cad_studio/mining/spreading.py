"""From features and candidate sets to a first confidence, or one in the middle of a run."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Silent
from cad_studio.mining.neighbours import faiss_neighbours
from cad_studio.mining.propagation import N_NEIGHBOURS, propagate

Rows = NDArray[np.int64]
Find = Callable[..., tuple[NDArray[np.int64], NDArray[Any]]]
"""`faiss_neighbours`, or `exact_neighbours`, which gives the same without the package."""


def propagated(
    features: NDArray[np.float32],
    candidates: PartialLabels,
    balance: float | None = None,
    find: Find = faiss_neighbours,
    start: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Belief spread over the candidates among neighbours, float32 (N, C); see `propagate`.

    Args:
        features: float32 (N, D). Unit length.
        candidates: N sets.
        balance: As `propagate`.
        find: Searches the neighbours.
        start: float32 (N, C), what is believed already, or None.

    Raises:
        SettingError: There are fewer than two samples.
    """
    if len(features) < 2:
        raise SettingError("A start by propagation needs 2 training samples or more.")
    own = np.arange(len(features))
    index, cosine = find(features, features, N_NEIGHBOURS, own, Silent())
    spread = propagate(index, cosine, candidates, balance=balance, start=start)
    return np.asarray(spread.todense(), np.float32)


def refreshing(
    graphed: Callable[[Rows], NDArray[np.float32]],
    candidates: PartialLabels,
    balance: float | None = None,
    find: Find = faiss_neighbours,
) -> Callable[[Rows, NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]:
    """What repeats the propagation from a run's own belief and features, as `Outside.refresh`.

    Args:
        graphed: Gives the features of the neighbour graph of some rows, float32 (M, D), unit
            length.
        candidates: N_all sets.
        balance: As `propagate`.
        find: Searches the neighbours.
    """

    def refresh(
        rows: Rows, own: NDArray[np.float32], belief: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        both = np.hstack([own, graphed(rows)])
        both /= np.float32(np.sqrt(2.0))
        return propagated(both, candidates.take(rows), balance, find, belief)

    return refresh
