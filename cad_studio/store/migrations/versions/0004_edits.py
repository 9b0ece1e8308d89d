"""Class-specific edits, the models and texts they are made with, and what models say of them."""

from typing import Any

import sqlalchemy as sql
from alembic import op

revision = "0004"
down_revision = "0003"


def _dataset() -> sql.Column[Any]:
    parent = sql.ForeignKey("dataset.id", ondelete="CASCADE")
    return sql.Column("dataset_id", sql.Integer, parent, nullable=False)


def upgrade() -> None:
    op.create_table(
        "edit_model",
        sql.Column("id", sql.Integer, primary_key=True),
        _dataset(),
        sql.Column("version_hash", sql.Text, nullable=False),
        sql.Column("candidates", sql.Text, nullable=False),
        sql.Column("belief", sql.Text, nullable=False),
        sql.Column("config", sql.JSON, nullable=False),
        sql.Column("reports", sql.JSON, nullable=False),
        sql.Column("job_id", sql.Integer, sql.ForeignKey("job.id", ondelete="SET NULL")),
        sql.Column("created_at", sql.Text, nullable=False),
        sql.Column("finished_at", sql.Text),
        # A number is never given out twice: a folder carries it. So below.
        sqlite_autoincrement=True,
    )
    op.create_table(
        "prompt_table",
        sql.Column("id", sql.Integer, primary_key=True),
        _dataset(),
        sql.Column("number", sql.Integer, nullable=False),
        sql.Column("template", sql.Text, nullable=False),
        sql.Column("descriptions", sql.JSON, nullable=False),
        sql.Column("created_at", sql.Text, nullable=False),
        sql.UniqueConstraint("dataset_id", "number"),
    )
    op.create_table(
        "edit_set",
        sql.Column("id", sql.Integer, primary_key=True),
        _dataset(),
        sql.Column("editor", sql.Text, nullable=False),
        sql.Column("key", sql.Text, nullable=False),
        sql.Column("settings", sql.JSON, nullable=False),
        sql.Column("shape", sql.JSON),
        sql.Column("file", sql.Text, nullable=False),
        sql.Column("created_at", sql.Text, nullable=False),
        sql.UniqueConstraint("dataset_id", "key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "edit",
        sql.Column("id", sql.Integer, primary_key=True),
        sql.Column(
            "set_id", sql.Integer, sql.ForeignKey("edit_set.id", ondelete="CASCADE"), nullable=False
        ),
        sql.Column("row", sql.Integer, nullable=False),
        sql.Column("label", sql.Integer, nullable=False),
        sql.Column("bond", sql.BigInteger, nullable=False),
        sql.Column("place", sql.BigInteger, nullable=False),
        sql.Column("length", sql.Integer, nullable=False),
        sql.Column("similarity", sql.Float, nullable=False),
        # Doubles are refused by the database itself.
        sql.UniqueConstraint("set_id", "row", "label", "bond"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "edit_evidence",
        sql.Column(
            "edit_id",
            sql.Integer,
            sql.ForeignKey("edit.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sql.Column("judge", sql.Text, primary_key=True),
        sql.Column("before", sql.Float, nullable=False),
        sql.Column("after", sql.Float, nullable=False),
        sql.Column("top_before", sql.Integer, nullable=False),
        sql.Column("top_after", sql.Integer, nullable=False),
    )


def downgrade() -> None:
    for table in ("edit_evidence", "edit", "edit_set", "prompt_table", "edit_model"):
        op.drop_table(table)
