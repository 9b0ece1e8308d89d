"""Selections, queues and their items, and who has which item in hand."""

from dataclasses import asdict
from functools import cache
from typing import Any

import sqlalchemy as sql

from cad_studio.core.errors import RecordNotFoundError
from cad_studio.core.queues import Item, Queue, Ranked, Selection
from cad_studio.store.blind_rows import OPEN_ORDERS, blind_rows, blind_rows_query
from cad_studio.store.database import Database, inserted, now
from cad_studio.store.tables import (
    ANNOTATION_BOOK,
    ANNOTATION_ITEM,
    ANNOTATION_LEASE,
    ANNOTATION_QUEUE,
    ANNOTATION_SELECTION,
    ANNOTATION_STATEMENT,
)


class AnnotationQueues:
    """The queues of one project."""

    def __init__(self, database: Database) -> None:
        """Read and write through `database`."""
        self._database = database

    def add_selection(self, columns: dict[str, Any]) -> Selection:
        """Keep a list of rows.

        Args:
            columns: Every column of the table but `id` and `created_at`.
        """
        with self._database.write() as connection:
            selection_id = inserted(
                connection, sql.insert(ANNOTATION_SELECTION).values(**columns, created_at=now())
            )
        return self.selection(selection_id)

    def selection(self, selection_id: int) -> Selection:
        """One list of rows.

        Raises:
            RecordNotFoundError: There is none of this id.
        """
        table = ANNOTATION_SELECTION
        with self._database.read() as connection:
            row = connection.execute(sql.select(table).where(table.c.id == selection_id)).first()
        if row is None:
            raise RecordNotFoundError(
                f"Selection {selection_id} is not in this project. Make the selection again."
            )
        return Selection(**row._mapping)

    def selections(self, dataset_id: int) -> list[Selection]:
        """All lists of rows of a dataset, newest first."""
        table = ANNOTATION_SELECTION
        with self._database.read() as connection:
            rows = connection.execute(
                sql.select(table)
                .where(table.c.dataset_id == dataset_id)
                .order_by(table.c.id.desc())
            )
            return [Selection(**row._mapping) for row in rows]

    def add(self, columns: dict[str, Any]) -> Queue:
        """Add a queue without items.

        Args:
            columns: Every column of the table but `id`, `is_complete` and `created_at`.
        """
        with self._database.write() as connection:
            queue_id = inserted(
                connection,
                sql.insert(ANNOTATION_QUEUE).values(**columns, is_complete=0, created_at=now()),
            )
        return self.get(queue_id)

    def get(self, queue_id: int) -> Queue:
        """One queue.

        Raises:
            RecordNotFoundError: There is none of this id.
        """
        found = self._database.remembered(("queue", queue_id), lambda: self._find(queue_id))
        if found is None:
            raise RecordNotFoundError(
                f"Queue {queue_id} is not in this project. Open one on the Annotate page."
            )
        return found

    def _find(self, queue_id: int) -> Queue | None:
        with self._database.read() as connection:
            row = connection.execute(_QUEUE, {"queue": queue_id}).first()
        if row is None:
            return None
        return Queue(**{**row._mapping, "is_complete": bool(row.is_complete)})

    def of(self, dataset_id: int) -> list[Queue]:
        """All queues of a dataset, newest first."""
        table = ANNOTATION_QUEUE
        query = sql.select(table.c.id).where(table.c.dataset_id == dataset_id)
        with self._database.read() as connection:
            ids = list(connection.scalars(query.order_by(table.c.id.desc())))
        return [self.get(queue_id) for queue_id in ids]

    def change(self, queue_id: int, **columns: Any) -> None:
        """Set columns of a queue."""
        table = ANNOTATION_QUEUE
        with self._database.write() as connection:
            connection.execute(sql.update(table).where(table.c.id == queue_id).values(**columns))

    def extend(
        self, queue_id: int, items: list[Ranked], is_complete: bool, renews: bool = False
    ) -> int:
        """Put items behind those that are there; what is in the queue already is left out.

        Args:
            queue_id: The queue.
            items: In order.
            is_complete: Whether nothing will ever follow.
            renews: Whether items that nobody has ever been handed are taken out first. What was
                handed out keeps its place.

        Returns:
            How many were added.
        """
        table = ANNOTATION_ITEM
        with self._database.write() as connection:
            if renews:
                connection.execute(
                    sql.delete(table).where(table.c.queue_id == queue_id, ~_was_handed())
                )
            found = connection.execute(
                sql.select(table.c.row, table.c.other, table.c.position).where(
                    table.c.queue_id == queue_id
                )
            ).all()
            known = {(each.row, each.other) for each in found}
            fresh = [item for item in items if (item.row, item.other) not in known]
            first = max((each.position for each in found), default=-1) + 1
            values = [
                {"queue_id": queue_id, "position": first + at, **asdict(item)}
                for at, item in enumerate(fresh)
            ]
            if values:
                connection.execute(sql.insert(table), values)
            connection.execute(
                sql.update(ANNOTATION_QUEUE)
                .where(ANNOTATION_QUEUE.c.id == queue_id)
                .values(is_complete=int(is_complete))
            )
        return len(fresh)

    def rows_of(self, queue_id: int, only_handed: bool = False) -> list[int]:
        """Every row that is in a queue, alone or in a pair; or of items ever handed to anyone."""
        table = ANNOTATION_ITEM
        query = sql.select(table.c.row, table.c.other).where(table.c.queue_id == queue_id)
        if only_handed:
            query = query.where(_was_handed())
        with self._database.read() as connection:
            found = connection.execute(query).all()
        return sorted({row for each in found for row in each if row is not None})

    def take(
        self, queue: Queue, who: str, count: int, at: float, seconds: float, again: bool
    ) -> list[Item]:
        """Items for an annotator, who has them in hand until they are done or the time is up.

        What the annotator already has in hand comes first. An item goes to at most `overlap`
        annotators at a time or ever. A queue of answers leaves out those that are hidden from
        this annotator.

        Args:
            queue: The queue.
            who: The annotator.
            count: At most so many.
            at: The time now, in seconds.
            seconds: How long they stay in hand. A time further off was set by a clock that has
                gone back since, and does not hold.
            again: Whether samples somebody has decided meanwhile are handed out all the same.
        """
        asked = {
            "queue": queue.id, "who": who, "overlap": queue.overlap, "at": at, "end": at + seconds,
            "count": count, "dataset": queue.dataset_id,
            "blind_dataset": queue.dataset_id, "blind_who": who,
        }  # fmt: skip
        with self._database.write() as connection:
            rows = connection.execute(
                _free_items(again, queue.order_name in OPEN_ORDERS), asked
            ).all()
            if rows:
                leases = [{**asked, "position": row.position} for row in rows]
                connection.execute(_NO_LEASE, leases)
                connection.execute(_NEW_LEASE, leases)
        return [Item(**row._mapping) for row in rows]

    def item(self, queue_id: int, position: int) -> Item:
        """One item.

        Raises:
            RecordNotFoundError: The queue has none at this place.
        """
        table = ANNOTATION_ITEM
        with self._database.read() as connection:
            row = connection.execute(
                sql.select(table).filter_by(queue_id=queue_id, position=position)
            ).first()
        if row is None:
            raise RecordNotFoundError(f"Queue {queue_id} has no item {position}.")
        return Item(**row._mapping)

    def blind_rows(
        self, dataset_id: int, who: str, rows: list[int] | None = None
    ) -> frozenset[int]:
        """Samples whose answers by others are hidden from an annotator; see `blind_rows`."""

        def read(some: list[int] | None) -> frozenset[int]:
            with self._database.read() as connection:
                return blind_rows(connection, dataset_id, who, some)

        key = ("blind rows", dataset_id, who)
        if rows is None:
            return self._database.remembered((*key, "all"), lambda: read(None))
        return frozenset(
            self._database.remembered_rows(key, rows, lambda some: dict.fromkeys(read(some), True))
        )

    def release(self, queue_id: int, who: str) -> None:
        """Give back what an annotator has in hand and has not done."""
        table = ANNOTATION_LEASE
        with self._database.write() as connection:
            connection.execute(
                sql.delete(table).filter_by(queue_id=queue_id, who=who, status="leased")
            )

    def progress(self, queue_id: int, who: str, at: float) -> dict[str, int]:
        """Of a queue: `items` so far, `done` and `passed` by anyone, `mine` done, `in_hand`."""
        asked = {"queue": queue_id, "who": who, "at": at}
        with self._database.read() as connection:
            n_items = connection.scalar(_N_ITEMS, asked)
            found = connection.execute(_progress(), asked).one()
        names = ("done", "passed", "mine", "in_hand")
        return {"items": int(n_items or 0), **dict(zip(names, map(int, found), strict=True))}


def _if(condition: sql.ColumnElement[bool], value: Any) -> sql.ColumnElement[Any]:
    return sql.case((condition, value), else_=None)


def _was_handed() -> sql.ColumnElement[bool]:
    """Whether an item is or was in anybody's hand."""
    item, lease = ANNOTATION_ITEM, ANNOTATION_LEASE
    return sql.exists().where(
        lease.c.queue_id == item.c.queue_id, lease.c.position == item.c.position
    )


# These are asked at every item of every annotator, and building them takes longer than answers.
_QUEUE = sql.select(ANNOTATION_QUEUE).where(ANNOTATION_QUEUE.c.id == sql.bindparam("queue"))
_N_ITEMS = (
    sql.select(sql.func.count())
    .select_from(ANNOTATION_ITEM)
    .where(ANNOTATION_ITEM.c.queue_id == sql.bindparam("queue"))
)
_NO_LEASE = sql.delete(ANNOTATION_LEASE).where(
    ANNOTATION_LEASE.c.queue_id == sql.bindparam("queue"),
    ANNOTATION_LEASE.c.position == sql.bindparam("position"),
    ANNOTATION_LEASE.c.who == sql.bindparam("who"),
)
_NEW_LEASE = sql.insert(ANNOTATION_LEASE).values(
    queue_id=sql.bindparam("queue"), position=sql.bindparam("position"), who=sql.bindparam("who"),
    status="leased", until=sql.bindparam("end"),
)  # fmt: skip


@cache
def _progress() -> sql.Select[int, int, int, int]:
    """Counts of the leases of `queue`: done, passed, done by `who`, in hand after `at`."""
    lease = ANNOTATION_LEASE
    who: sql.BindParameter[str] = sql.bindparam("who")
    at: sql.BindParameter[float] = sql.bindparam("at")
    in_hand = (lease.c.status == "leased") & (lease.c.until > at)
    return sql.select(
        sql.func.count(sql.distinct(_if(lease.c.status == "done", lease.c.position))),
        sql.func.count(sql.distinct(_if(lease.c.status == "passed", lease.c.position))),
        sql.func.count(_if((lease.c.status == "done") & (lease.c.who == who), 1)),
        sql.func.count(_if(in_hand, lease.c.position)),
    ).where(lease.c.queue_id == sql.bindparam("queue"))


@cache
def _free_items(again: bool, is_of_answers: bool) -> sql.Select[Any]:
    """Up to `count` items of `queue` that `who` may have in hand at `at`, those in hand first."""
    item, lease = ANNOTATION_ITEM, ANNOTATION_LEASE
    who: sql.BindParameter[str] = sql.bindparam("who")
    here = lease.c.queue_id == item.c.queue_id, lease.c.position == item.c.position
    in_hand = (lease.c.status == "leased") & lease.c.until.between(
        sql.bindparam("at"), sql.bindparam("end")
    )
    others = (
        sql.select(sql.func.count())
        .where(*here, lease.c.who != who, (lease.c.status == "done") | in_hand)
        .scalar_subquery()
    )
    ended = sql.exists().where(*here, lease.c.who == who, lease.c.status != "leased")
    mine = sql.exists().where(*here, lease.c.who == who, lease.c.status == "leased")
    query = sql.select(item).where(
        item.c.queue_id == sql.bindparam("queue"), ~ended, others < sql.bindparam("overlap")
    )
    if not again:
        query = query.where(mine | ~_is_settled())
    if is_of_answers:
        hidden = blind_rows_query()
        query = query.where(
            item.c.row.not_in(hidden), item.c.other.is_(None) | item.c.other.not_in(hidden)
        )
    return query.order_by(sql.desc(mine), item.c.position).limit(sql.bindparam("count"))


def _is_settled() -> sql.ColumnElement[bool]:
    """Whether all samples of an item have been decided by `who` or by `overlap` annotators."""
    item = ANNOTATION_ITEM

    def settled(row: sql.ColumnElement[int]) -> sql.ColumnElement[bool]:
        said = ANNOTATION_STATEMENT
        here = (
            said.c.book_id
            == sql.select(ANNOTATION_BOOK.c.id)
            .where(ANNOTATION_BOOK.c.dataset_id == sql.bindparam("dataset"))
            .scalar_subquery(),
            said.c.row == row,
        )
        number = sql.select(sql.func.count()).where(*here).scalar_subquery()
        return sql.exists().where(*here, said.c.who == sql.bindparam("who")) | (
            number >= sql.bindparam("overlap")
        )

    return settled(item.c.row) & (item.c.other.is_(None) | settled(item.c.other))
