"""Samples whose most believed class is believed the least."""

import numpy as np

from cad_studio.core.queues import Ranked
from cad_studio.queues._base import ORDERS, Situation
from cad_studio.queues._belief import ambiguous, dense_belief, two_best


class LeastCertain:
    """By one minus the highest belief."""

    title = "Least certain"
    says = "Samples whose neighbours cannot tell which candidate it is."
    needs_graph = True
    again = False
    needs_rows = False

    def rank(self, situation: Situation, limit: int) -> list[Ranked]:
        """The least believed first."""
        best, weight = two_best(dense_belief(situation))
        score = np.where(ambiguous(situation), 1.0 - weight[:, 0], -1.0)
        chosen = np.argsort(-score, kind="stable")[:limit]
        names = situation.class_names
        return [
            Ranked(
                int(row),
                None,
                float(score[row]),
                f"Its neighbours lean to {names[best[row, 0]]} with {weight[row, 0]:.0%} and to "
                f"{names[best[row, 1]]} with {weight[row, 1]:.0%}.",
            )
            for row in chosen
            if score[row] >= 0
        ]


ORDERS.register("least-certain")(LeastCertain())
