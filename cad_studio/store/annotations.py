"""The annotation log of each dataset, and the state kept beside it so that nothing is replayed.

An action and the state that follows from it are one transaction: both are on the disk when it
returns, or neither is. The log itself is append-only, which the database enforces.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import sqlalchemy as sql
from numpy.typing import NDArray

from cad_studio.core.annotation import Action, Book, ClassMap, RowState
from cad_studio.core.errors import RecordNotFoundError
from cad_studio.store.annotation_writer import LogWriter, action_of, states_of
from cad_studio.store.database import Database, now
from cad_studio.store.tables import (
    ANNOTATION_ACTION,
    ANNOTATION_BOOK,
    ANNOTATION_ROW,
    ANNOTATION_STATEMENT,
    ANNOTATION_TOUCH,
    DATASET,
)

_ACTIONS_AT_ONCE = 20_000


class Annotations:
    """The logs of one project."""

    def __init__(self, database: Database) -> None:
        """Read and write through `database`."""
        self._database = database

    def find(self, dataset_id: int) -> Book | None:
        """The log of a dataset, or None where nothing was ever done."""
        return self._database.remembered(("book", dataset_id), lambda: self._find(dataset_id))

    def _find(self, dataset_id: int) -> Book | None:
        with self._database.read() as connection:
            return _book(connection, dataset_id)

    def books(self) -> list[Book]:
        """All logs, those of removed datasets too, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(sql.select(ANNOTATION_BOOK).order_by(ANNOTATION_BOOK.c.id))
            return [Book(**row._mapping) for row in rows]

    @contextmanager
    def writing(self, dataset_id: int) -> Iterator[LogWriter]:
        """One transaction over the log of a dataset; others wait for its end.

        Raises:
            RecordNotFoundError: The dataset was removed.
        """
        with self._database.write() as connection:
            book = _book(connection, dataset_id)
            if book is None:
                book = _new_book(connection, dataset_id)
            yield LogWriter(connection, book)

    def actions(
        self, book_id: int, after: int = 0, limit: int | None = None, newest: bool = False
    ) -> list[Action]:
        """Actions of a log by rising number, or the newest first.

        Args:
            book_id: The log.
            after: Only those with a higher number; with `newest`, only lower ones, 0 for all.
            limit: At most so many.
            newest: From the end.
        """
        table = ANNOTATION_ACTION
        query = sql.select(table).where(table.c.book_id == book_id)
        if newest:
            query = query.order_by(table.c.number.desc())
            query = query.where(table.c.number < after) if after else query
        else:
            query = query.where(table.c.number > after).order_by(table.c.number)
        with self._database.read() as connection:
            return [action_of(row) for row in connection.execute(query.limit(limit))]

    def all_actions(self, book_id: int) -> Iterator[Action]:
        """The whole log in order, read in parts."""
        after = 0
        while part := self.actions(book_id, after, _ACTIONS_AT_ONCE):
            yield from part
            after = part[-1].number

    def actions_on(self, book_id: int, row: int) -> list[Action]:
        """Everything done to one sample, oldest first."""
        table, touch = ANNOTATION_ACTION, ANNOTATION_TOUCH
        query = (
            sql.select(table)
            .join(
                touch,
                (touch.c.book_id == table.c.book_id) & (touch.c.number == table.c.number),
            )
            .where(touch.c.book_id == book_id, touch.c.row == row)
            .order_by(table.c.number)
        )
        with self._database.read() as connection:
            return [action_of(action) for action in connection.execute(query)]

    def comments_on(self, book_id: int, rows: list[int]) -> dict[int, list[Action]]:
        """The comments on some samples, oldest first; samples without any are left out."""

        def read(some: list[int]) -> dict[int, list[Action]]:
            found: dict[int, list[Action]] = {}
            names = ANNOTATION_ACTION.columns.keys()
            with self._database.read() as connection:
                asked = {"book": book_id, "rows": some}
                for row, *columns in connection.execute(_COMMENTS, asked):
                    action = Action(**dict(zip(names, columns, strict=True)))
                    found.setdefault(row, []).append(action)
            return found

        return self._database.remembered_rows(("comments", book_id), rows, read)

    def next_steps(
        self, book: Book, who: str, kinds: list[str]
    ) -> tuple[Action | None, Action | None]:
        """What an annotator would undo and redo next."""
        with self._database.read() as connection:
            log = LogWriter(connection, book)
            return log.last_undoable(who, kinds), log.last_undone(who)

    def effective(
        self, book_id: int, after: int = 0
    ) -> tuple[NDArray[np.int64], list[bytes | None]]:
        """The sets that follow from the log, in the classes as imported.

        Args:
            book_id: The log.
            after: Only samples whose last action has a higher number.

        Returns:
            int64 (M,) rows, and for each the bytes of its packed set; None where no statement
            stands, so that the imported set holds.
        """
        with self._database.read() as connection:
            found = connection.exec_driver_sql(
                "SELECT row, sets FROM annotation_row WHERE book_id = ? AND last > ?",
                (book_id, after),
            ).fetchall()
        rows = np.fromiter((row[0] for row in found), np.int64, len(found))
        return rows, [row[1] for row in found]

    def states(self, book_id: int, rows: list[int] | None = None) -> dict[int, RowState]:
        """What holds for some samples, or for all that were touched."""

        def read(some: list[int] | None) -> dict[int, RowState]:
            with self._database.read() as connection:
                return states_of(connection, book_id, some)

        if rows is None:
            return read(None)
        return self._database.remembered_rows(("states", book_id), rows, read)

    def statements(self, book_id: int) -> list[tuple[int, str, list[int]]]:
        """Row, annotator and set of every statement that stands, by row and name."""
        table = ANNOTATION_STATEMENT
        with self._database.read() as connection:
            found = connection.execute(
                sql.select(table.c.row, table.c.who, table.c.classes)
                .where(table.c.book_id == book_id)
                .order_by(table.c.row, table.c.who)
            )
            return [(row.row, row.who, json.loads(row.classes)) for row in found]

    def tagged(self, book_id: int) -> list[tuple[int, list[str]]]:
        """Row and tags, sorted, of every sample that has any, by row."""
        table = ANNOTATION_ROW
        with self._database.read() as connection:
            found = connection.execute(
                sql.select(table.c.row, table.c.tags)
                .where(table.c.book_id == book_id, table.c.tags != "[]")
                .order_by(table.c.row)
            )
            return [(row.row, json.loads(row.tags)) for row in found]

    def marked(self, book_id: int, column: str) -> list[int]:
        """Rows where `flagged`, `differ` or `contradict` holds, ascending."""
        table = ANNOTATION_ROW
        with self._database.read() as connection:
            found = connection.scalars(
                sql.select(table.c.row)
                .where(table.c.book_id == book_id, table.c[column] == 1)
                .order_by(table.c.row)
            )
            return list(found)

    def counts(self, book_id: int) -> dict[str, Any]:
        """How much was done: `changed`, `flagged`, `contradict`, and actions by annotator."""
        row, action = ANNOTATION_ROW, ANNOTATION_ACTION
        with self._database.read() as connection:
            found = connection.execute(
                sql.select(
                    sql.func.count(row.c.sets),
                    sql.func.coalesce(sql.func.sum(row.c.flagged), 0),
                    sql.func.coalesce(sql.func.sum(row.c.contradict), 0),
                ).where(row.c.book_id == book_id)
            ).one()
            by_person = connection.execute(
                sql.select(action.c.who, sql.func.count(), sql.func.sum(action.c.seconds))
                .where(action.c.book_id == book_id)
                .group_by(action.c.who)
                .order_by(action.c.who)
            ).all()
        return {
            "changed": found[0],
            "flagged": found[1],
            "contradict": found[2],
            "people": [
                {"who": who, "actions": n, "seconds": None if spent is None else round(spent, 1)}
                for who, n, spent in by_person
            ],
        }


# Asked at every card, and building them takes longer than the answer.
_COMMENTS = (
    sql.select(ANNOTATION_TOUCH.c.row, ANNOTATION_ACTION)
    .join(
        ANNOTATION_TOUCH,
        (ANNOTATION_TOUCH.c.book_id == ANNOTATION_ACTION.c.book_id)
        & (ANNOTATION_TOUCH.c.number == ANNOTATION_ACTION.c.number),
    )
    .where(
        ANNOTATION_TOUCH.c.book_id == sql.bindparam("book"),
        ANNOTATION_TOUCH.c.row.in_(sql.bindparam("rows", expanding=True)),
        ANNOTATION_ACTION.c.kind == "comment",
    )
    .order_by(ANNOTATION_ACTION.c.number)
)
_BOOK = sql.select(ANNOTATION_BOOK).where(ANNOTATION_BOOK.c.dataset_id == sql.bindparam("dataset"))


def _book(connection: sql.Connection, dataset_id: int) -> Book | None:
    row = connection.execute(_BOOK, {"dataset": dataset_id}).first()
    return None if row is None else Book(**row._mapping)


def _new_book(connection: sql.Connection, dataset_id: int) -> Book:
    name = connection.scalar(sql.select(DATASET.c.name).where(DATASET.c.id == dataset_id))
    if name is None:
        raise RecordNotFoundError(
            "The dataset was removed meanwhile, so this was not saved. What was saved before is "
            "kept: python -m cad_studio annotate history --removed."
        )
    connection.execute(
        sql.insert(ANNOTATION_BOOK).values(
            dataset_id=dataset_id, dataset_name=name, head=0, digest="",
            classes=ClassMap().to_json(), created_at=now(),
        )
    )  # fmt: skip
    book = _book(connection, dataset_id)
    assert book is not None
    return book
