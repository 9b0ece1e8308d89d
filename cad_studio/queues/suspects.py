"""What the diagnosis suspects: a stored list of rows, each with its reason."""

from cad_studio.core.queues import Ranked
from cad_studio.queues._base import ORDERS, Situation
from cad_studio.queues._listed import listed


class Suspects:
    """In the order of the diagnosis, with its reasons."""

    title = "Suspects of the diagnosis"
    says = "Samples whose set a diagnosis suspects to be wrong, with its reasons."
    needs_graph = False
    again = True
    needs_rows = True

    def rank(self, situation: Situation, limit: int) -> list[Ranked]:
        """The most suspect first."""
        return listed(situation, situation.rows, "Suspected by the diagnosis.", limit)


ORDERS.register("suspects")(Suspects())
