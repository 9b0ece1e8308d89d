"""The first tables: datasets and their versions, features, pairs, jobs."""

import sqlalchemy as sql
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "dataset",
        sql.Column("id", sql.Integer, primary_key=True),
        sql.Column("name", sql.Text, nullable=False, unique=True),
        sql.Column("kind", sql.Text, nullable=False),
        sql.Column("n_samples", sql.Integer, nullable=False),
        sql.Column("class_names", sql.JSON, nullable=False),
        sql.Column("class_descriptions", sql.JSON, nullable=False),
        sql.Column("height", sql.Integer),
        sql.Column("width", sql.Integer),
        sql.Column("channels", sql.Integer),
        sql.Column("split_names", sql.JSON, nullable=False),
        sql.Column("annotators", sql.JSON, nullable=False),
        sql.Column("files", sql.JSON, nullable=False),
        sql.Column("source", sql.Text, nullable=False),
        sql.Column("report", sql.JSON, nullable=False),
        sql.Column("created_at", sql.Text, nullable=False),
        sql.CheckConstraint("kind IN ('images', 'features')", name="dataset_kind"),
    )
    op.create_table(
        "dataset_version",
        sql.Column("id", sql.Integer, primary_key=True),
        sql.Column(
            "dataset_id",
            sql.Integer,
            sql.ForeignKey("dataset.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sql.Column("number", sql.Integer, nullable=False),
        sql.Column("hash", sql.Text, nullable=False),
        sql.Column("candidates", sql.Text, nullable=False),
        sql.Column("reason", sql.Text, nullable=False),
        sql.Column("details", sql.JSON, nullable=False),
        sql.Column("created_at", sql.Text, nullable=False),
        sql.UniqueConstraint("dataset_id", "number"),
    )
    op.create_table(
        "feature_set",
        sql.Column("id", sql.Integer, primary_key=True),
        sql.Column("source_hash", sql.Text, nullable=False),
        sql.Column("spec", sql.Text, nullable=False),
        sql.Column("key", sql.Text, nullable=False),
        sql.Column("description", sql.Text, nullable=False),
        sql.Column("file", sql.Text, nullable=False),
        sql.Column("n_dims", sql.Integer, nullable=False),
        sql.Column("seconds", sql.Float, nullable=False),
        sql.Column("created_at", sql.Text, nullable=False),
        sql.UniqueConstraint("source_hash", "key"),
    )
    op.create_table(
        "mining",
        sql.Column("id", sql.Integer, primary_key=True),
        sql.Column(
            "dataset_id",
            sql.Integer,
            sql.ForeignKey("dataset.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sql.Column("version_hash", sql.Text, nullable=False),
        sql.Column("feature_set_id", sql.Integer, sql.ForeignKey("feature_set.id"), nullable=False),
        sql.Column("settings", sql.JSON, nullable=False),
        sql.Column("label_source", sql.Text, nullable=False),
        sql.Column("threshold", sql.Float, nullable=False),
        sql.Column("n_pairs", sql.Integer, nullable=False),
        sql.Column("n_kept", sql.Integer, nullable=False),
        sql.Column("n_instances", sql.Integer, nullable=False),
        sql.Column("method", sql.Text, nullable=False),
        sql.Column("recall", sql.Float),
        sql.Column("seconds", sql.Float, nullable=False),
        sql.Column("files", sql.JSON, nullable=False),
        sql.Column("created_at", sql.Text, nullable=False),
    )
    op.create_table(
        "job",
        sql.Column("id", sql.Integer, primary_key=True),
        sql.Column("kind", sql.Text, nullable=False),
        sql.Column("title", sql.Text, nullable=False),
        sql.Column("arguments", sql.JSON, nullable=False),
        sql.Column("status", sql.Text, nullable=False),
        sql.Column("fraction", sql.Float, nullable=False),
        sql.Column("message", sql.Text, nullable=False),
        sql.Column("result", sql.JSON),
        sql.Column("error", sql.Text),
        sql.Column("cancel_requested", sql.Boolean, nullable=False),
        sql.Column("pid", sql.Integer),
        sql.Column("pid_started", sql.Text),
        sql.Column("created_at", sql.Text, nullable=False),
        sql.Column("started_at", sql.Text),
        sql.Column("heartbeat_at", sql.Text),
        sql.Column("finished_at", sql.Text),
        sql.CheckConstraint(
            "status IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="job_status"
        ),
    )


def downgrade() -> None:
    for table in ("job", "mining", "feature_set", "dataset_version", "dataset"):
        op.drop_table(table)
