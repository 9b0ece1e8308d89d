"""Samples that votes, or votes and a classifier, leave most open, good annotators counting more."""

import numpy as np

from cad_studio.core.queues import Ranked
from cad_studio.queues._base import ORDERS, Situation
from cad_studio.queues._belief import ambiguous


class LeastAgreed:
    """By one minus the highest confidence of the consensus among the candidates.

    Attributes:
        voices: Who is heard, as words for the annotator.
    """

    title = "Least agreed"
    says = "Samples that the votes leave most open, each annotator weighed by how good they are."
    voices = "The votes give"
    needs_graph = False
    again = False
    needs_rows = False

    def rank(self, situation: Situation, limit: int) -> list[Ranked]:
        """The least agreed first; samples without votes are left out."""
        consensus = situation.consensus
        if consensus is None:
            return []
        held = np.where(situation.candidates.dense(), consensus, 0.0)
        total = held.sum(axis=1)
        best = np.divide(held.max(axis=1), total, out=np.zeros(len(held)), where=total > 0)
        score = np.where(ambiguous(situation) & (total > 0), 1.0 - best, -1.0)
        chosen = np.argsort(-score, kind="stable")[:limit]
        # No class is named: that would be a suggestion, which an annotator asks for.
        return [
            Ranked(
                int(row), None, float(score[row]),
                f"{self.voices} its likeliest class {best[row]:.0%}, with each annotator weighed "
                "by how often they are right.",
            )
            for row in chosen
            if score[row] >= 0
        ]  # fmt: skip


class LeastAgreedByAll(LeastAgreed):
    """The same where a classifier of the images is heard too (CROWDLAB)."""

    title = "Least agreed, with the images"
    says = "Samples that the votes and a classifier of the images together leave most open."
    voices = "The votes and a classifier of the images give"


ORDERS.register("consensus")(LeastAgreed())
ORDERS.register("crowdlab")(LeastAgreedByAll())
