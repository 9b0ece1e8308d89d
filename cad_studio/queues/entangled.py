"""The closest pairs whose best labels differ although both could be either."""

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.queues import Ranked
from cad_studio.queues._base import ORDERS, Situation
from cad_studio.queues._belief import neighbours, two_best


class MostEntangled:
    """Neighbours with a shared candidate and different best labels, by falling cosine.

    The best label is what propagation believes, never a true label. A sample comes in one pair
    at a time, as a decision on it changes what its other pairs look like.
    """

    title = "Most entangled pairs"
    says = "The closest pairs that are taken to be of different classes and share a candidate."
    needs_graph = True
    again = False
    needs_rows = False

    def rank(self, situation: Situation, limit: int) -> list[Ranked]:
        """The closest first."""
        index, cosine = neighbours(situation)
        best = two_best(situation)[0][:, 0]
        left = np.repeat(np.arange(len(index)), index.shape[1])
        right, close = index.ravel(), cosine.ravel()
        kept = (right >= 0) & (left != right)
        low, high = np.minimum(left, right)[kept], np.maximum(left, right)[kept]
        _, first = np.unique(low * len(index) + high, return_index=True)
        low, high, close = low[first], high[first], close[kept][first]
        apart = (best[low] != best[high]) & (best[low] >= 0) & (best[high] >= 0)
        return closest_apart(situation, low[apart], high[apart], close[apart], limit)


def closest_apart(
    situation: Situation,
    low: NDArray[np.integer],
    high: NDArray[np.integer],
    close: NDArray[np.floating],
    limit: int,
) -> list[Ranked]:
    """Pairs that are taken to be of different classes, the closest first, each sample in one.

    Args:
        situation: What is known.
        low: int (M,). The smaller row of each pair.
        high: int (M,). The larger one.
        close: float (M,). Their cosines.
        limit: At most so many.
    """
    is_open, sizes = situation.is_open, situation.candidates.sizes()
    kept = is_open[low] & is_open[high] & ((sizes[low] > 1) | (sizes[high] > 1))
    shared = situation.candidates.shared(low, high)
    kept &= shared > 0
    low, high, close, shared = low[kept], high[kept], close[kept], shared[kept]
    used: set[int] = set()
    found: list[Ranked] = []
    for at in np.argsort(-close, kind="stable"):
        a, b = int(low[at]), int(high[at])
        if a in used or b in used:
            continue
        used |= {a, b}
        found.append(
            Ranked(
                a, b, float(close[at]),
                f"Cosine {close[at]:.3f}, {shared[at]} shared candidate"
                f"{'s' * int(shared[at] != 1)}, and their neighbours pull them apart.",
            )
        )  # fmt: skip
        if len(found) == limit:
            break
    return found


ORDERS.register("entangled")(MostEntangled())
