"""Samples whose most believed class is believed the least, by the live belief."""

import numpy as np

from cad_studio.core.queues import Ranked
from cad_studio.queues._base import ORDERS, Situation
from cad_studio.queues._belief import ambiguous, two_best


class LeastCertain:
    """By one minus the highest belief."""

    title = "Least certain"
    says = "Samples of which the live belief tells least which candidate it is."
    needs_graph = True
    again = False
    needs_rows = False

    def rank(self, situation: Situation, limit: int) -> list[Ranked]:
        """The least believed first."""
        _, weight = two_best(situation)
        score = np.where(ambiguous(situation), 1.0 - weight[:, 0], -1.0)
        chosen = np.argsort(-score, kind="stable")[:limit]
        # No class is named: that would be a suggestion, which an annotator asks for.
        return [
            Ranked(
                int(row),
                None,
                float(score[row]),
                f"Its likeliest class is believed with {weight[row, 0]:.0%}, the next with "
                f"{weight[row, 1]:.0%}.",
            )
            for row in chosen
            if score[row] >= 0
        ]


ORDERS.register("least-certain")(LeastCertain())
