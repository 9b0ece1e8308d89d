"""The annotation log, the state that follows from it, selections, queues and leases."""

from typing import Any

import sqlalchemy as sql
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "annotation_book",
        sql.Column("id", sql.Integer, primary_key=True),
        # The log outlives its dataset.
        sql.Column("dataset_id", sql.Integer, sql.ForeignKey("dataset.id", ondelete="SET NULL")),
        sql.Column("dataset_name", sql.Text, nullable=False),
        sql.Column("head", sql.Integer, nullable=False),
        sql.Column("digest", sql.Text, nullable=False),
        sql.Column("classes", sql.JSON, nullable=False),
        sql.Column("created_at", sql.Text, nullable=False),
        sql.UniqueConstraint("dataset_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "annotation_action",
        sql.Column("id", sql.Integer, primary_key=True),
        sql.Column("book_id", sql.Integer, sql.ForeignKey("annotation_book.id"), nullable=False),
        sql.Column("number", sql.Integer, nullable=False),
        sql.Column("who", sql.Text, nullable=False),
        sql.Column("window", sql.Text, nullable=False),
        sql.Column("at", sql.Text, nullable=False),
        sql.Column("kind", sql.Text, nullable=False),
        sql.Column("details", sql.JSON, nullable=False),
        sql.Column("changes", sql.JSON, nullable=False),
        sql.Column("why", sql.Text, nullable=False),
        sql.Column("version", sql.Text, nullable=False),
        sql.Column("seconds", sql.Float),
        sql.Column("key", sql.Text, nullable=False),
        sql.Column("queue_id", sql.Integer),
        sql.Column("position", sql.Integer),
        sql.Column("reverses", sql.Integer),
        sql.Column("digest", sql.Text, nullable=False),
        sql.UniqueConstraint("book_id", "number"),
        sql.UniqueConstraint("book_id", "key"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "annotation_action_who", "annotation_action", ["book_id", "who", "number", "seconds"]
    )
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER annotation_action_no_{event.lower()} BEFORE {event} "
            "ON annotation_action BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"
        )
    _keyed("annotation_touch", ["row", "number"], [])
    _keyed(
        "annotation_row",
        ["row"],
        [
            sql.Column("decided", sql.Text),
            sql.Column("sets", sql.LargeBinary),
            sql.Column("n_statements", sql.Integer, nullable=False),
            sql.Column("differ", sql.Integer, nullable=False),
            sql.Column("contradict", sql.Integer, nullable=False),
            sql.Column("flagged", sql.Integer, nullable=False),
            sql.Column("last", sql.Integer, nullable=False),
            sql.Column("last_window", sql.Text, nullable=False),
            sql.Column("last_who", sql.Text, nullable=False),
        ],
    )
    op.create_index("annotation_row_last", "annotation_row", ["book_id", "last"])
    op.create_table(
        "annotation_statement",
        sql.Column("book_id", sql.Integer, primary_key=True),
        sql.Column("row", sql.Integer, primary_key=True),
        sql.Column("who", sql.Text, primary_key=True),
        sql.Column("classes", sql.Text, nullable=False),
        sql.Column("number", sql.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    _keyed(
        "annotation_undone",
        ["number"],
        [sql.Column("who", sql.Text, nullable=False), sql.Column("can_redo", sql.Integer)],
    )
    op.create_table(
        "annotation_selection",
        sql.Column("id", sql.Integer, primary_key=True),
        sql.Column(
            "dataset_id",
            sql.Integer,
            sql.ForeignKey("dataset.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sql.Column("title", sql.Text, nullable=False),
        sql.Column("source", sql.Text, nullable=False),
        sql.Column("rows", sql.JSON, nullable=False),
        sql.Column("reasons", sql.JSON(none_as_null=True)),
        sql.Column("created_by", sql.Text, nullable=False),
        sql.Column("created_at", sql.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "annotation_queue",
        sql.Column("id", sql.Integer, primary_key=True),
        sql.Column(
            "dataset_id",
            sql.Integer,
            sql.ForeignKey("dataset.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sql.Column("order_name", sql.Text, nullable=False),
        sql.Column("title", sql.Text, nullable=False),
        sql.Column("settings", sql.JSON, nullable=False),
        sql.Column("overlap", sql.Integer, nullable=False),
        sql.Column("is_complete", sql.Integer, nullable=False),
        sql.Column("created_by", sql.Text, nullable=False),
        sql.Column("created_at", sql.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "annotation_item",
        _queue(),
        sql.Column("position", sql.Integer, primary_key=True),
        sql.Column("row", sql.Integer, nullable=False),
        sql.Column("other", sql.Integer),
        sql.Column("score", sql.Float, nullable=False),
        sql.Column("why", sql.Text, nullable=False),
    )
    op.create_table(
        "annotation_lease",
        _queue(),
        sql.Column("position", sql.Integer, primary_key=True),
        sql.Column("who", sql.Text, primary_key=True),
        sql.Column("status", sql.Text, nullable=False),
        sql.Column("until", sql.Float, nullable=False),
        sql.CheckConstraint("status IN ('leased', 'done', 'passed')"),
    )


def downgrade() -> None:
    for table in (
        "annotation_lease", "annotation_item", "annotation_queue", "annotation_selection",
        "annotation_undone", "annotation_statement", "annotation_row", "annotation_touch",
        "annotation_action", "annotation_book",
    ):  # fmt: skip
        op.drop_table(table)


def _queue() -> sql.Column[Any]:
    return sql.Column(
        "queue_id",
        sql.Integer,
        sql.ForeignKey("annotation_queue.id", ondelete="CASCADE"),
        primary_key=True,
    )


def _keyed(name: str, keys: list[str], columns: list[sql.Column[Any]]) -> None:
    """A table without row ids, keyed by the book and whole numbers."""
    op.create_table(
        name,
        *(sql.Column(key, sql.Integer, primary_key=True) for key in ("book_id", *keys)),
        *columns,
        sqlite_with_rowid=False,
    )
