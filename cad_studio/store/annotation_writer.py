"""What can be done to an annotation log inside one transaction."""

import json
from dataclasses import replace
from typing import Any

import sqlalchemy as sql
from sqlalchemy.dialects.sqlite import insert

from cad_studio.core.annotation import (
    Action,
    Book,
    Change,
    RowState,
    Statement,
    packed_set,
)
from cad_studio.core.queues import Item
from cad_studio.store.blind_rows import blind_rows
from cad_studio.store.tables import (
    ANNOTATION_ACTION,
    ANNOTATION_BOOK,
    ANNOTATION_ITEM,
    ANNOTATION_LEASE,
    ANNOTATION_QUEUE,
    ANNOTATION_ROW,
    ANNOTATION_STATEMENT,
    ANNOTATION_TOUCH,
    ANNOTATION_UNDONE,
    DATASET,
)


class LogWriter:
    """The log of one dataset, held by this transaction.

    Attributes:
        book: Its row, as of the last action written.
        class_names: The dataset's classes now.
    """

    def __init__(self, connection: sql.Connection, book: Book) -> None:
        """Write through an open transaction."""
        self._connection = connection
        self._states: dict[int, RowState] = {}
        self.book = book
        own = sql.select(DATASET.c.class_names).where(DATASET.c.id == book.dataset_id)
        self.class_names: list[str] = connection.execute(own).scalar_one()

    def load(self, rows: list[int]) -> None:
        """Read the state of samples before they are asked for one by one."""
        missing = [row for row in rows if row not in self._states]
        self._states.update(dict.fromkeys(missing, RowState()))
        self._states.update(states_of(self._connection, self.book.id, missing))

    def state(self, row: int) -> RowState:
        """Everything that was said of a sample."""
        if row not in self._states:
            self.load([row])
        return self._states[row]

    def blind_rows(self, who: str, rows: list[int]) -> frozenset[int]:
        """Those of some samples whose answers by others are hidden from an annotator."""
        assert self.book.dataset_id is not None
        return blind_rows(self._connection, self.book.dataset_id, who, rows)

    def by_key(self, key: str) -> Action | None:
        """The action a client has sent before under a key."""
        return self._one(ANNOTATION_ACTION.c.key == key)

    def by_number(self, number: int) -> Action | None:
        """One action."""
        return self._one(ANNOTATION_ACTION.c.number == number)

    def last_undoable(self, who: str, kinds: list[str]) -> Action | None:
        """The next action an annotator would undo."""
        table, undone = ANNOTATION_ACTION, ANNOTATION_UNDONE
        is_undone = sql.exists().where(
            undone.c.book_id == table.c.book_id, undone.c.number == table.c.number
        )
        row = self._connection.execute(
            sql.select(table)
            .where(
                table.c.book_id == self.book.id, table.c.who == who, table.c.kind.in_(kinds),
                ~is_undone,
            )
            .order_by(table.c.number.desc())
            .limit(1)
        ).first()  # fmt: skip
        return None if row is None else action_of(row)

    def last_undone(self, who: str) -> Action | None:
        """The next action an annotator would redo."""
        undone = ANNOTATION_UNDONE
        number = self._connection.scalar(
            sql.select(sql.func.min(undone.c.number)).where(
                undone.c.book_id == self.book.id, undone.c.who == who, undone.c.can_redo == 1
            )
        )
        return None if number is None else self.by_number(number)

    def mark_undone(self, action: Action) -> None:
        """An action is undone; it can be redone until its annotator does something else."""
        self._connection.execute(
            sql.insert(ANNOTATION_UNDONE).values(
                book_id=self.book.id, number=action.number, who=action.who, can_redo=1
            )
        )

    def mark_redone(self, action: Action) -> None:
        """An undone action holds again."""
        undone = ANNOTATION_UNDONE
        self._connection.execute(
            sql.delete(undone).where(
                undone.c.book_id == self.book.id, undone.c.number == action.number
            )
        )

    def forget_redo(self, who: str) -> None:
        """What an annotator has undone stays undone."""
        undone = ANNOTATION_UNDONE
        self._connection.execute(
            sql.update(undone)
            .where(undone.c.book_id == self.book.id, undone.c.who == who, undone.c.can_redo == 1)
            .values(can_redo=0)
        )

    def append(
        self,
        columns: dict[str, Any],
        changes: list[Change],
        touched: list[int],
    ) -> Action:
        """Write an action, and the state that follows from its changes.

        Args:
            columns: Every column but `id` and `book_id`; its number must be the next.
            changes: What it does to samples.
            touched: Every row it is about.
        """
        assert columns["number"] == self.book.head + 1
        self._connection.execute(
            sql.insert(ANNOTATION_ACTION).values(book_id=self.book.id, **columns)
        )
        if touched:
            keys = [
                {"book_id": self.book.id, "row": row, "number": columns["number"]}
                for row in sorted(set(touched))
            ]
            self._connection.execute(sql.insert(ANNOTATION_TOUCH), keys)
        for change in changes:
            state = self.state(change.row)
            self._states[change.row] = state.with_change(
                change, columns["who"], columns["number"], columns["window"]
            )
        self._save_states({change.row for change in changes})
        self._save_statements(changes, columns["who"])
        self.book = replace(self.book, head=columns["number"], digest=columns["digest"])
        self._connection.execute(
            sql.update(ANNOTATION_BOOK)
            .where(ANNOTATION_BOOK.c.id == self.book.id)
            .values(head=self.book.head, digest=self.book.digest)
        )
        found = self.by_number(columns["number"])
        assert found is not None
        return found

    def rebuild(
        self,
        states: dict[int, RowState],
        digest: str,
        classes: dict[str, Any],
    ) -> None:
        """Put the state beside the log in place of what was there.

        Args:
            states: Of every sample that was touched.
            digest: Of the last action.
            classes: JSON form of the class map.
        """
        for table in (ANNOTATION_ROW, ANNOTATION_STATEMENT):
            self._connection.execute(sql.delete(table).where(table.c.book_id == self.book.id))
        self._states = dict(states)
        self._save_states(set(states))
        said = [
            {
                "book_id": self.book.id, "row": row, "who": who,
                "classes": json.dumps(list(statement.classes)), "number": statement.number,
            }
            for row, state in states.items()
            for who, statement in state.statements.items()
        ]  # fmt: skip
        if said:
            self._connection.execute(sql.insert(ANNOTATION_STATEMENT), said)
        self._connection.execute(
            sql.update(ANNOTATION_BOOK)
            .where(ANNOTATION_BOOK.c.id == self.book.id)
            .values(digest=digest, classes=classes)
        )

    def set_classes(self, names: list[str], classes: dict[str, Any]) -> None:
        """Give the classes other names, or merge and remove some; descriptions go with them."""
        own = DATASET.c.id == self.book.dataset_id
        told = self._connection.execute(
            sql.select(DATASET.c.class_descriptions).where(own)
        ).scalar_one()
        described = {
            name: told[old]
            for old, name in zip(self.class_names, names, strict=True)
            if old in told
        }
        self._connection.execute(
            sql.update(DATASET).where(own).values(class_names=names, class_descriptions=described)
        )
        self._connection.execute(
            sql.update(ANNOTATION_BOOK)
            .where(ANNOTATION_BOOK.c.id == self.book.id)
            .values(classes=classes)
        )
        self.book, self.class_names = replace(self.book, classes=classes), names

    def item_of(self, queue_id: int, position: int) -> Item | None:
        """An item of a queue of this dataset, or None."""
        item, queue = ANNOTATION_ITEM, ANNOTATION_QUEUE
        row = self._connection.execute(
            sql.select(item)
            .join(queue, queue.c.id == item.c.queue_id)
            .where(
                item.c.queue_id == queue_id,
                item.c.position == position,
                queue.c.dataset_id == self.book.dataset_id,
            )
        ).first()
        return None if row is None else Item(**row._mapping)

    def is_held(self, queue_id: int, position: int, who: str, at: float) -> bool:
        """Whether an item is an annotator's: in hand, answered before, or still to be had.

        Args:
            queue_id: The queue.
            position: The item.
            who: The annotator.
            at: The time now, in seconds.
        """
        lease = ANNOTATION_LEASE
        held = self._connection.execute(
            sql.select(lease.c.who, lease.c.status, lease.c.until).where(
                lease.c.queue_id == queue_id, lease.c.position == position
            )
        ).all()
        active = {each.who for each in held if each.status == "done" or each.until > at}
        own = [each for each in held if each.who == who]
        if who in active or any(each.status == "passed" for each in own):
            return True
        overlap = self._connection.scalar(
            sql.select(ANNOTATION_QUEUE.c.overlap).where(ANNOTATION_QUEUE.c.id == queue_id)
        )
        return len(active) < int(overlap or 0)

    def mark_item(self, queue_id: int, position: int, who: str, status: str, until: float) -> None:
        """Say how far an annotator is with an item of a queue."""
        self._connection.execute(
            insert(ANNOTATION_LEASE)
            .values(queue_id=queue_id, position=position, who=who, status=status, until=until)
            .on_conflict_do_update(
                index_elements=["queue_id", "position", "who"],
                set_={"status": status, "until": until},
            )
        )

    def _save_states(self, rows: set[int]) -> None:
        width = -(-len(self.class_names) // 8)
        values = []
        for row in sorted(rows):
            state = self._states[row]
            counted = state.counted()
            sets = packed_set(state.effective(()), width) if counted else None
            decided = None if state.decided is None else json.dumps(state.decided.to_json())
            values.append({
                "book_id": self.book.id, "row": row, "decided": decided, "sets": sets,
                "n_statements": len(state.statements),
                "differ": int(len({said.classes for said in counted}) > 1),
                "contradict": int(state.contradicts()), "flagged": int(state.flagged),
                "last": state.last, "last_window": state.last_window, "last_who": state.last_who,
            })  # fmt: skip
        if values:
            self._connection.execute(insert(ANNOTATION_ROW).prefix_with("OR REPLACE"), values)

    def _save_statements(self, changes: list[Change], who: str) -> None:
        said = ANNOTATION_STATEMENT
        gone, kept = [], []
        for row in sorted({change.row for change in changes if change.about == "mine"}):
            statement: Statement | None = self._states[row].statements.get(who)
            keys = {"book_id": self.book.id, "row": row, "who": who}
            if statement is None:
                gone.append({f"_{name}": value for name, value in keys.items()})
            else:
                classes = json.dumps(list(statement.classes))
                kept.append({**keys, "classes": classes, "number": statement.number})
        if gone:
            self._connection.execute(
                sql.delete(said).where(
                    said.c.book_id == sql.bindparam("_book_id"),
                    said.c.row == sql.bindparam("_row"),
                    said.c.who == sql.bindparam("_who"),
                ),
                gone,
            )
        if kept:
            self._connection.execute(insert(said).prefix_with("OR REPLACE"), kept)

    def _one(self, condition: sql.ColumnElement[bool]) -> Action | None:
        row = self._connection.execute(
            sql.select(ANNOTATION_ACTION).where(
                ANNOTATION_ACTION.c.book_id == self.book.id, condition
            )
        ).first()
        return None if row is None else action_of(row)


def states_of(
    connection: sql.Connection, book_id: int, rows: list[int] | None
) -> dict[int, RowState]:
    """What holds for some samples, or for all; samples nothing was done to are left out."""
    found: dict[int, RowState] = {}
    parts = [None] if rows is None else [rows[at : at + 500] for at in range(0, len(rows), 500)]
    for part in parts:
        states, said = ANNOTATION_ROW, ANNOTATION_STATEMENT
        of_row = sql.select(states).where(states.c.book_id == book_id)
        of_said = sql.select(said).where(said.c.book_id == book_id)
        if part is not None:
            of_row, of_said = (
                of_row.where(states.c.row.in_(part)),
                of_said.where(said.c.row.in_(part)),
            )
        statements: dict[int, dict[str, Statement]] = {}
        for each in connection.execute(of_said):
            classes = tuple(json.loads(each.classes))
            statements.setdefault(each.row, {})[each.who] = Statement(classes, each.number)
        for each in connection.execute(of_row):
            decided = None if each.decided is None else json.loads(each.decided)
            found[each.row] = RowState(
                statements.get(each.row, {}), Statement.from_json(decided), bool(each.flagged),
                each.last, each.last_window, each.last_who,
            )  # fmt: skip
    return found


def action_of(row: sql.Row[Any]) -> Action:
    """A row of the log as a record."""
    return Action(**row._mapping)
