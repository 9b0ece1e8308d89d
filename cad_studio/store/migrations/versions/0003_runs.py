"""Training runs and the figures of their epochs."""

import sqlalchemy as sql
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "run",
        sql.Column("id", sql.Integer, primary_key=True),
        sql.Column(
            "dataset_id",
            sql.Integer,
            sql.ForeignKey("dataset.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sql.Column("version_hash", sql.Text, nullable=False),
        sql.Column("candidates", sql.Text, nullable=False),
        sql.Column("name", sql.Text, nullable=False),
        sql.Column("note", sql.Text, nullable=False),
        sql.Column("method", sql.Text, nullable=False),
        sql.Column("backbone", sql.Text, nullable=False),
        sql.Column("features", sql.Text, nullable=False),
        sql.Column("config", sql.JSON, nullable=False),
        sql.Column("settings", sql.JSON, nullable=False),
        sql.Column("environment", sql.JSON, nullable=False),
        sql.Column("job_id", sql.Integer, sql.ForeignKey("job.id", ondelete="SET NULL")),
        sql.Column("best_epoch", sql.Integer),
        sql.Column("created_at", sql.Text, nullable=False),
        sql.Column("finished_at", sql.Text),
        sql.Column("removed_at", sql.Text),
        # A number is never given out twice: a run's folder carries it.
        sqlite_autoincrement=True,
    )
    op.create_table(
        "run_epoch",
        sql.Column(
            "run_id",
            sql.Integer,
            sql.ForeignKey("run.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sql.Column("epoch", sql.Integer, primary_key=True),
        sql.Column("report", sql.JSON, nullable=False),
    )
    op.create_index("run_dataset", "run", ["dataset_id"])


def downgrade() -> None:
    op.drop_table("run_epoch")
    op.drop_table("run")
