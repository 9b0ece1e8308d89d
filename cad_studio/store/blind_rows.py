"""Which samples an annotator must see as they were imported, because an answer is still awaited."""

from collections.abc import Sequence

import sqlalchemy as sql

from cad_studio.store.tables import (
    ANNOTATION_ACTION,
    ANNOTATION_BOOK,
    ANNOTATION_ITEM,
    ANNOTATION_QUEUE,
    ANNOTATION_STATEMENT,
)

NO_ANSWER = ("toggle",)
"""Kinds of actions that make a statement and leave the question open."""

OPEN_ORDERS = ("disagreement",)
"""Queues of what annotators have answered already: there, the answers are the question."""

_ROWS_AT_ONCE = 500


def blind_rows(
    connection: sql.Connection, dataset_id: int, who: str, rows: Sequence[int] | None = None
) -> frozenset[int]:
    """Samples whose answers by others are hidden from an annotator.

    These are the samples of queues that show each item to several annotators, until this one has
    answered, or as many have answered as the queue asks for.

    Args:
        connection: Of an open transaction.
        dataset_id: The dataset.
        who: The annotator; an empty name has never answered anything.
        rows: Only these; None for all.
    """
    if connection.execute(_several(dataset_id).limit(1)).first() is None:
        return frozenset()
    parts: list[Sequence[int] | None] = [None]
    if rows is not None:
        parts = [rows[at : at + _ROWS_AT_ONCE] for at in range(0, len(rows), _ROWS_AT_ONCE)]
    found = (connection.scalars(blind_rows_query(dataset_id, who, part)) for part in parts)
    return frozenset(row for each in found for row in each)


def blind_rows_query(
    dataset_id: int, who: str, rows: Sequence[int] | None = None
) -> sql.CompoundSelect[int]:
    """The query behind `blind_rows`, to be part of another; few `rows`, or None for all."""
    queue, item = ANNOTATION_QUEUE, ANNOTATION_ITEM
    parts = []
    for column in (item.c.row, item.c.other):
        query = (
            sql.select(column)
            .join(queue, queue.c.id == item.c.queue_id)
            .where(
                queue.c.id.in_(_several(dataset_id)),
                column.is_not(None),
                _is_open(dataset_id, who, column),
            )
        )
        parts.append(query if rows is None else query.where(column.in_(rows)))
    return sql.union(*parts)


def _several(dataset_id: int) -> sql.Select[int]:
    """The queues of a dataset that show each item to several annotators."""
    queue = ANNOTATION_QUEUE
    return sql.select(queue.c.id).where(
        queue.c.dataset_id == dataset_id,
        queue.c.overlap > 1,
        queue.c.order_name.not_in(OPEN_ORDERS),
    )


def _is_open(dataset_id: int, who: str, row: sql.ColumnElement[int]) -> sql.ColumnElement[bool]:
    """Whether neither this annotator nor enough of them have answered a sample of a queue."""
    said, action = ANNOTATION_STATEMENT, ANNOTATION_ACTION
    book = (
        sql.select(ANNOTATION_BOOK.c.id)
        .where(ANNOTATION_BOOK.c.dataset_id == dataset_id)
        .scalar_subquery()
    )
    answers = (
        sql.select(sql.func.count())
        .select_from(said)
        .join(action, (action.c.book_id == said.c.book_id) & (action.c.number == said.c.number))
        .where(said.c.book_id == book, said.c.row == row, action.c.kind.not_in(NO_ANSWER))
    )
    own = answers.where(said.c.who == who).scalar_subquery()
    return (own == 0) & (answers.scalar_subquery() < ANNOTATION_QUEUE.c.overlap)
