"""Jobs that wait in an order of their own, may be interrupted, and are resumed."""

import sqlalchemy as sql
from alembic import op

revision = "0002"
down_revision = "0001"

_STATUSES = "'queued', 'running', 'stopping', 'done', 'failed', 'cancelled', 'interrupted'"
_FIRST_STATUSES = "'queued', 'running', 'done', 'failed', 'cancelled'"


def upgrade() -> None:
    with op.batch_alter_table("job") as job:
        job.drop_constraint("job_status", type_="check")
        job.add_column(sql.Column("position", sql.Integer, nullable=False, server_default="0"))
        job.add_column(sql.Column("attempts", sql.Integer, nullable=False, server_default="1"))
        job.add_column(sql.Column("place", sql.JSON))
    op.execute("UPDATE job SET position = id")
    op.execute("UPDATE job SET status = 'stopping' WHERE status = 'running' AND cancel_requested")
    op.execute(
        "UPDATE job SET status = 'interrupted' "
        "WHERE status = 'failed' AND error LIKE 'Interrupted: %'"
    )
    # Of what the first version wrote only the process is known, not the boot it belongs to.
    op.execute(
        "UPDATE job SET place = json_object('pid', pid, 'started', pid_started) "
        "WHERE pid IS NOT NULL"
    )
    with op.batch_alter_table("job") as job:
        job.drop_column("cancel_requested")
        job.drop_column("pid")
        job.drop_column("pid_started")
        job.create_check_constraint("job_status", f"status IN ({_STATUSES})")


def downgrade() -> None:
    with op.batch_alter_table("job") as job:
        job.drop_constraint("job_status", type_="check")
        job.add_column(
            sql.Column("cancel_requested", sql.Boolean, nullable=False, server_default="0")
        )
        job.add_column(sql.Column("pid", sql.Integer))
        job.add_column(sql.Column("pid_started", sql.Text))
    op.execute("UPDATE job SET status = 'running', cancel_requested = 1 WHERE status = 'stopping'")
    op.execute("UPDATE job SET status = 'failed' WHERE status = 'interrupted'")
    op.execute(
        "UPDATE job SET pid = json_extract(place, '$.pid'), "
        "pid_started = json_extract(place, '$.started')"
    )
    with op.batch_alter_table("job") as job:
        for column in ("position", "attempts", "place"):
            job.drop_column(column)
        job.create_check_constraint("job_status", f"status IN ({_FIRST_STATUSES})")
