"""Ambiguous samples in no order, to compare the other orders with."""

import numpy as np

from cad_studio.core.queues import Ranked
from cad_studio.queues._base import ORDERS, Situation
from cad_studio.queues._belief import ambiguous


class RandomOrder:
    """By chance."""

    title = "Random"
    says = "Ambiguous samples in no order, to compare the other queues with."
    needs_graph = False
    again = False
    needs_rows = False

    def rank(self, situation: Situation, limit: int) -> list[Ranked]:
        """A random few; the same seed shuffles all samples the same way."""
        place = np.random.default_rng(situation.seed).permutation(len(situation.is_open))
        rows = np.flatnonzero(ambiguous(situation))
        chosen = rows[np.argsort(place[rows])][:limit]
        sizes = situation.candidates.sizes()
        return [
            Ranked(int(row), None, 0.0, f"Drawn by chance; it has {sizes[row]} candidates.")
            for row in chosen
        ]


ORDERS.register("random")(RandomOrder())
