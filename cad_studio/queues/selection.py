"""A stored list: a filter, a matrix cell, a lasso, or rows named in a link."""

from cad_studio.core.queues import Ranked
from cad_studio.queues._base import ORDERS, Situation
from cad_studio.queues._listed import listed


class Selected:
    """In the order of the list."""

    title = "A selection"
    says = "The samples of a filter, a matrix cell, a lasso or a link, in their order."
    needs_graph = False
    again = True
    needs_rows = True

    def rank(self, situation: Situation, limit: int) -> list[Ranked]:
        """The next rows of the list."""
        return listed(situation, situation.rows, "In the selection.", limit)


ORDERS.register("selection")(Selected())
