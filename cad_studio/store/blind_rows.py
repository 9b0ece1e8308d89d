"""Which samples an annotator must see as they were imported, because an answer is still awaited."""

from collections.abc import Sequence
from functools import cache

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
    asked = {"blind_dataset": dataset_id, "blind_who": who}
    if connection.execute(_several().limit(1), asked).first() is None:
        return frozenset()
    if rows is None:
        return frozenset(connection.scalars(_query(False), asked))
    parts = (rows[at : at + _ROWS_AT_ONCE] for at in range(0, len(rows), _ROWS_AT_ONCE))
    found = (connection.scalars(_query(True), {**asked, "blind_rows": part}) for part in parts)
    return frozenset(row for each in found for row in each)


def blind_rows_query() -> sql.CompoundSelect[int]:
    """The query behind `blind_rows` for all rows, to be part of another.

    It asks for `blind_dataset` and `blind_who`.
    """
    return _query(False)


@cache
def _query(of_some: bool) -> sql.CompoundSelect[int]:
    """Built once: it is asked at every card, and building it takes longer than its answer."""
    queue, item = ANNOTATION_QUEUE, ANNOTATION_ITEM
    parts = []
    for column in (item.c.row, item.c.other):
        query = (
            sql.select(column)
            .join(queue, queue.c.id == item.c.queue_id)
            .where(queue.c.id.in_(_several()), column.is_not(None), _is_open(column))
        )
        rows: sql.BindParameter[int] = sql.bindparam("blind_rows", expanding=True)
        parts.append(query.where(column.in_(rows)) if of_some else query)
    return sql.union(*parts)


@cache
def _several() -> sql.Select[int]:
    """The queues of a dataset that show each item to several annotators."""
    queue = ANNOTATION_QUEUE
    return sql.select(queue.c.id).where(
        queue.c.dataset_id == sql.bindparam("blind_dataset"),
        queue.c.overlap > 1,
        queue.c.order_name.not_in(OPEN_ORDERS),
    )


def _is_open(row: sql.ColumnElement[int]) -> sql.ColumnElement[bool]:
    """Whether neither this annotator nor enough of them have answered a sample of a queue."""
    said, action = ANNOTATION_STATEMENT, ANNOTATION_ACTION
    book = (
        sql.select(ANNOTATION_BOOK.c.id)
        .where(ANNOTATION_BOOK.c.dataset_id == sql.bindparam("blind_dataset"))
        .scalar_subquery()
    )
    answers = (
        sql.select(sql.func.count())
        .select_from(said)
        .join(action, (action.c.book_id == said.c.book_id) & (action.c.number == said.c.number))
        .where(said.c.book_id == book, said.c.row == row, action.c.kind.not_in(NO_ANSWER))
    )
    own = answers.where(said.c.who == sql.bindparam("blind_who")).scalar_subquery()
    return (own == 0) & (answers.scalar_subquery() < ANNOTATION_QUEUE.c.overlap)
