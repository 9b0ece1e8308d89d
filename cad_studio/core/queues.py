"""Queues of samples to annotate: their records, and what an order of them may look at."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ranked:
    """A sample, or a pair, as an order puts it forward.

    Attributes:
        row: The sample; of a pair, the first.
        other: The second of a pair, or None.
        score: What it was ranked by; the higher, the earlier.
        why: Why this one, as a sentence.
    """

    row: int
    other: int | None
    score: float
    why: str


@dataclass(frozen=True)
class Item:
    """A place in a queue.

    Attributes:
        position: Its place, from 0; it never moves.
    """

    queue_id: int
    position: int
    row: int
    other: int | None
    score: float
    why: str


@dataclass(frozen=True)
class Queue:
    """A list of items that fills itself by an order.

    Attributes:
        order_name: A registered order.
        settings: What the order was asked with: `features`, `split`, `selection`, `seed`.
        overlap: How many annotators see each item.
        is_complete: Whether nothing will ever be added.
    """

    id: int
    dataset_id: int
    order_name: str
    title: str
    settings: dict[str, Any]
    overlap: int
    is_complete: bool
    created_by: str
    created_at: str


@dataclass(frozen=True)
class Selection:
    """A list of rows that somebody or something chose, with its reasons.

    Attributes:
        source: Where it comes from: `filter`, `cell`, `lasso`, `suspects`, `rows`.
        rows: In the order to go through them.
        reasons: A sentence per row, or None.
    """

    id: int
    dataset_id: int
    title: str
    source: str
    rows: list[int]
    reasons: list[str] | None
    created_by: str
    created_at: str
