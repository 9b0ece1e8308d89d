"""Samples about which annotators, or imported votes, say different things."""

from cad_studio.core.queues import Ranked
from cad_studio.queues._base import ORDERS, Situation
from cad_studio.queues._listed import listed


class Disagreement:
    """Contradictions first, then the other differences."""

    title = "Disagreement"
    says = "Samples about which annotators or imported votes differ; contradictions first."
    needs_graph = False
    again = True
    needs_rows = False

    def rank(self, situation: Situation, limit: int) -> list[Ranked]:
        """In the order in which the differences are given."""
        return listed(situation, situation.disputed, "Annotators differ about this sample.", limit)


ORDERS.register("disagreement")(Disagreement())
