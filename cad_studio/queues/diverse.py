"""Samples far from each other and from all that was seen: the greedy k-centre of the features.

After Sener and Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach",
ICLR 2018, https://openreview.net/forum?id=H1aIuk-RW: the centres are chosen greedily.
Of very many samples a random subset is looked at, so that a filling stays within a second or so.
"""

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.queues import Ranked
from cad_studio.queues._base import ORDERS, Situation
from cad_studio.queues._belief import ambiguous

MOST_OPEN = 20_000
MOST_CENTRES = 1_000
_FARTHEST = 2.0
"""One minus the least cosine there is."""


class Diverse:
    """By the distance to the nearest sample that was seen or chosen before."""

    title = "Most different"
    says = "Samples that are far, in the features, from each other and from all answered before."
    needs_graph = True
    again = False
    needs_rows = False

    def rank(self, situation: Situation, limit: int) -> list[Ranked]:
        """The farthest first."""
        assert situation.features is not None
        generator = np.random.default_rng(situation.seed)
        rows = _some(np.flatnonzero(ambiguous(situation)), MOST_OPEN, generator)
        if not len(rows):
            return []
        seen = (
            np.zeros(0, np.int64) if situation.is_seen is None else situation.is_seen.nonzero()[0]
        )
        own = np.ascontiguousarray(situation.features[rows])
        centres = situation.features[_some(seen, MOST_CENTRES, generator)]
        distance = np.full(len(rows), _FARTHEST, np.float32)
        if len(centres):
            distance = _to_nearest(own, centres)
        else:
            # Nothing is known yet: begin in the middle, not with an odd one.
            distance[np.argmax(own @ own.mean(axis=0))] = np.inf
        found = []
        for _ in range(min(limit, len(rows))):
            at = int(distance.argmax())
            far = min(float(distance[at]), _FARTHEST)
            found.append(Ranked(int(rows[at]), None, far, _why(far)))
            distance = np.minimum(distance, 1.0 - own @ own[at])
            distance[at] = -np.inf
        return found


def _why(far: float) -> str:
    if far == _FARTHEST:
        return "The first of its kind: nothing has been answered yet."
    return f"The most similar of the samples before it has a cosine of {1.0 - far:.2f}."


def _some(rows: NDArray[np.int64], count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """At most so many rows, ascending."""
    if len(rows) <= count:
        return rows
    return np.sort(generator.choice(rows, count, replace=False))


def _to_nearest(own: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.float32]:
    """One minus the highest cosine with any centre, float32 (M,)."""
    found = np.empty(len(own), np.float32)
    for start in range(0, len(own), 4096):
        found[start : start + 4096] = 1.0 - (own[start : start + 4096] @ centres.T).max(axis=1)
    return found


ORDERS.register("diverse")(Diverse())
