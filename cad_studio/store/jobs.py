"""Job rows. What a status may become is decided in `jobs/queue.py` alone."""

from typing import Any

import sqlalchemy as sql

from cad_studio.core.errors import RecordNotFoundError
from cad_studio.core.records import ACTIVE, AT_WORK, Job
from cad_studio.store.database import Database, inserted
from cad_studio.store.tables import JOB


class Jobs:
    """The jobs of one project."""

    def __init__(self, database: Database) -> None:
        """Read and write through `database`."""
        self._database = database

    @property
    def can_be_changed(self) -> bool:
        """Whether the project takes jobs at all."""
        return not self._database.read_only

    def add(self, columns: dict[str, Any], first: bool = False) -> Job:
        """Add a job behind the waiting ones, or before them.

        Args:
            columns: Every column that has a value yet, but `id` and `position`.
            first: Whether it goes to the front.
        """
        with self._database.write() as connection:
            position = _free_position(connection, first)
            job_id = inserted(
                connection, sql.insert(JOB).values(position=position, attempts=1, **columns)
            )
        return self.get(job_id)

    def get(self, job_id: int) -> Job:
        """One job.

        Raises:
            RecordNotFoundError: There is none of this id.
        """
        with self._database.read() as connection:
            row = connection.execute(sql.select(JOB).where(JOB.c.id == job_id)).first()
        if row is None:
            raise RecordNotFoundError(
                f"Job {job_id} is not in this project. "
                "List the jobs with: python -m cad_studio jobs list."
            )
        return Job(**row._mapping)

    def recent(self, limit: int = 50) -> list[Job]:
        """The active jobs and those that were queued last, newest first."""
        latest = sql.select(JOB.c.id).order_by(JOB.c.position.desc(), JOB.c.id.desc()).limit(limit)
        wanted = JOB.c.status.in_(ACTIVE) | JOB.c.id.in_(latest)
        with self._database.read() as connection:
            rows = connection.execute(sql.select(JOB).where(wanted).order_by(JOB.c.id.desc()))
            return [Job(**row._mapping) for row in rows]

    def of_status(self, *statuses: str) -> list[Job]:
        """All jobs of any of some statuses, in the order they are run."""
        with self._database.read() as connection:
            rows = connection.execute(
                sql.select(JOB).where(JOB.c.status.in_(statuses)).order_by(JOB.c.position, JOB.c.id)
            )
            return [Job(**row._mapping) for row in rows]

    def active(self) -> list[Job]:
        """What is at work, then what waits, in order; the same moment for all."""
        jobs = self.of_status(*ACTIVE)
        return sorted(jobs, key=lambda job: job.status == "queued")

    def change(
        self, job_id: int, only_if: tuple[str, ...], attempt: int | None = None, **values: Any
    ) -> bool:
        """Set columns of a job in a certain state.

        Args:
            job_id: Which one.
            only_if: Statuses it must have.
            attempt: Attempt it must be in; None takes any.
            values: Columns to set.

        Returns:
            Whether the job was in that state.
        """
        wanted = [JOB.c.id == job_id, JOB.c.status.in_(only_if)]
        if attempt is not None:
            wanted.append(JOB.c.attempts == attempt)
        with self._database.write() as connection:
            done = connection.execute(sql.update(JOB).where(*wanted).values(values))
            return done.rowcount == 1

    def requeue(self, job_id: int, only_if: tuple[str, ...], **values: Any) -> bool:
        """Put a job that has ended behind the waiting ones, one attempt on.

        Args:
            job_id: Which one.
            only_if: Statuses it must have.
            values: Further columns to set.

        Returns:
            Whether it had one of them.
        """
        with self._database.write() as connection:
            done = connection.execute(
                sql.update(JOB)
                .where(JOB.c.id == job_id, JOB.c.status.in_(only_if))
                .values(
                    status="queued",
                    position=_free_position(connection, first=False),
                    attempts=JOB.c.attempts + 1,
                    **values,
                )
            )
            return done.rowcount == 1

    def move(self, job_id: int, to: str) -> bool:
        """Change when a waiting job is run.

        Args:
            job_id: Which one.
            to: `first`, or past one neighbour: `up` (earlier) or `down` (later).

        Returns:
            Whether it waits; one that is at the end already stays there.
        """
        with self._database.write() as connection:
            order = list(
                connection.execute(
                    sql.select(JOB.c.id, JOB.c.position)
                    .where(JOB.c.status == "queued")
                    .order_by(JOB.c.position, JOB.c.id)
                )
            )
            ids = [row.id for row in order]
            if job_id not in ids:
                return False
            at = ids.index(job_id)
            target = {"first": 0, "up": max(at - 1, 0), "down": min(at + 1, len(ids) - 1)}[to]
            ids.insert(target, ids.pop(at))
            for row, moved in zip(order, ids, strict=True):
                connection.execute(
                    sql.update(JOB).where(JOB.c.id == moved).values(position=row.position)
                )
            return True

    def claim_next(
        self, place: dict[str, Any], own: int | None = None, **values: Any
    ) -> Job | None:
        """Set the first waiting job running, if no job runs; one statement, so one winner.

        Args:
            place: Where it will run.
            own: Take this job or none; without it, none that waits for a process of its own.
            values: Further columns to set.
        """
        other = JOB.alias("other")
        at_work = sql.exists().where(other.c.status.in_(AT_WORK))
        first = (
            sql.select(other.c.id)
            .where(other.c.status == "queued")
            .order_by(other.c.position, other.c.id)
            .limit(1)
            .scalar_subquery()
        )
        mine = JOB.c.place.is_(None) if own is None else JOB.c.id == own
        with self._database.write() as connection:
            row = connection.execute(
                sql.update(JOB)
                .where(JOB.c.id == first, mine, ~at_work)
                .values(status="running", place=place, **values)
                .returning(*JOB.c)
            ).first()
        return None if row is None else Job(**row._mapping)


def _free_position(connection: sql.Connection, first: bool) -> int:
    """A position before all active jobs, or behind all that ever were."""
    if first:
        lowest = sql.select(sql.func.min(JOB.c.position)).where(JOB.c.status.in_(ACTIVE))
        found = connection.scalar(lowest)
        if found is not None:
            return found - 1
    return (connection.scalar(sql.select(sql.func.max(JOB.c.position))) or 0) + 1
