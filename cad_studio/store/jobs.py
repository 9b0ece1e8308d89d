"""Job rows. What a status may become is decided in `jobs/queue.py` alone."""

from typing import Any

import sqlalchemy as sql

from cad_studio.core.errors import RecordNotFoundError
from cad_studio.core.records import Job
from cad_studio.store.database import Database
from cad_studio.store.tables import JOB


class Jobs:
    """The jobs of one project."""

    def __init__(self, database: Database) -> None:
        """Read and write through `database`."""
        self._database = database

    def add(self, columns: dict[str, Any]) -> Job:
        """Add a job."""
        with self._database.write() as connection:
            job_id = connection.execute(sql.insert(JOB).values(**columns)).inserted_primary_key[0]
        return self.get(job_id)

    def get(self, job_id: int) -> Job:
        """One job.

        Raises:
            RecordNotFoundError: There is none of this id.
        """
        with self._database.read() as connection:
            row = connection.execute(sql.select(JOB).where(JOB.c.id == job_id)).first()
        if row is None:
            raise RecordNotFoundError(f"Job {job_id} is not in this project.")
        return Job(**row._mapping)

    def recent(self, limit: int = 50) -> list[Job]:
        """The newest jobs, newest first."""
        with self._database.read() as connection:
            rows = connection.execute(sql.select(JOB).order_by(JOB.c.id.desc()).limit(limit))
            return [Job(**row._mapping) for row in rows]

    def of_status(self, status: str) -> list[Job]:
        """All jobs of one status, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                sql.select(JOB).where(JOB.c.status == status).order_by(JOB.c.id)
            )
            return [Job(**row._mapping) for row in rows]

    def change(self, job_id: int, only_if: tuple[str, ...], **values: Any) -> bool:
        """Set columns when the status is one of `only_if`; returns whether it was."""
        with self._database.write() as connection:
            done = connection.execute(
                sql.update(JOB).where(JOB.c.id == job_id, JOB.c.status.in_(only_if)).values(values)
            )
            return done.rowcount == 1

    def claim_next(self, **values: Any) -> Job | None:
        """Set the oldest queued job running, if no job runs; one statement, so one winner.

        Args:
            values: Further columns to set.
        """
        other = JOB.alias("other")
        running = sql.exists().where(other.c.status == "running")
        oldest = (
            sql.select(sql.func.min(other.c.id)).where(other.c.status == "queued").scalar_subquery()
        )
        with self._database.write() as connection:
            row = connection.execute(
                sql.update(JOB)
                .where(JOB.c.id == oldest, ~running)
                .values(status="running", **values)
                .returning(*JOB.c)
            ).first()
        return None if row is None else Job(**row._mapping)
