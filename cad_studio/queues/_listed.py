"""A list that was made elsewhere, as a queue."""

from cad_studio.core.queues import Ranked
from cad_studio.queues._base import Situation


def listed(
    situation: Situation, rows: list[int] | None, otherwise: str, limit: int
) -> list[Ranked]:
    """The open rows of a list in its order, with the reasons that came with it.

    Args:
        situation: What is known; its reasons belong to the list.
        rows: The list.
        otherwise: The reason where none came with it.
        limit: At most so many.
    """
    rows = rows or []
    reasons = situation.reasons or [otherwise] * len(rows)
    return [
        Ranked(row, None, float(len(rows) - at), reasons[at])
        for at, row in enumerate(rows)
        if situation.is_open[row]
    ][:limit]
