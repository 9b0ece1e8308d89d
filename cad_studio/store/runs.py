"""Training runs, and what was known of them after each epoch."""

from functools import cache
from typing import Any

import sqlalchemy as sql
from sqlalchemy.dialects.sqlite import insert

from cad_studio.core.errors import RecordNotFoundError
from cad_studio.core.records import Run
from cad_studio.store.database import Database, inserted, now
from cad_studio.store.tables import JOB, RUN, RUN_EPOCH


class Runs:
    """The runs of one project."""

    def __init__(self, database: Database) -> None:
        """Read and write through `database`."""
        self._database = database

    def add(self, columns: dict[str, Any]) -> Run:
        """Add a run.

        Args:
            columns: Every column of the table but `id`, `created_at` and those that come later.

        Raises:
            RecordNotFoundError: The dataset was removed in this moment.
        """
        try:
            with self._database.write() as connection:
                run_id = inserted(connection, sql.insert(RUN).values(**columns, created_at=now()))
        except sql.exc.IntegrityError as error:
            raise RecordNotFoundError(
                "The dataset was removed; nothing was saved. Import it again to train on it."
            ) from error
        return self.get(run_id)

    def get(self, run_id: int) -> Run:
        """One run, removed or not.

        Raises:
            RecordNotFoundError: There is none of this id.
        """
        with self._database.read() as connection:
            row = connection.execute(sql.select(RUN).where(RUN.c.id == run_id)).first()
        if row is None:
            raise RecordNotFoundError(
                f"Run {run_id} is not in this project. "
                "List the runs with: python -m cad_studio runs list."
            )
        return Run(**row._mapping)

    def all(self) -> list[Run]:
        """All runs, newest first, removed ones too."""
        with self._database.read() as connection:
            rows = connection.execute(sql.select(RUN).order_by(RUN.c.id.desc()))
            return [Run(**row._mapping) for row in rows]

    def change(self, run_id: int, **values: Any) -> None:
        """Set columns.

        Raises:
            RecordNotFoundError: There is no such run.
        """
        with self._database.write() as connection:
            done = connection.execute(sql.update(RUN).where(RUN.c.id == run_id).values(values))
        if done.rowcount == 0:
            self.get(run_id)

    def delete(self, run_ids: list[int]) -> None:
        """Delete runs for good."""
        with self._database.write() as connection:
            connection.execute(sql.delete(RUN).where(RUN.c.id.in_(run_ids)))

    def save_report(self, run_id: int, report: dict[str, Any], is_best: bool) -> None:
        """Keep the figures of an epoch; the same epoch again replaces them.

        Args:
            run_id: The run.
            report: Plain values with the key `epoch`.
            is_best: Whether the run's model was taken from this epoch.

        Raises:
            RecordNotFoundError: The run was deleted meanwhile, or its dataset was.
        """
        kept = {"run_id": run_id, "epoch": report["epoch"], "report": report}
        put = insert(RUN_EPOCH).values(**kept)
        put = put.on_conflict_do_update(
            index_elements=["run_id", "epoch"], set_={"report": put.excluded.report}
        )
        try:
            with self._database.write() as connection:
                connection.execute(put)
                if is_best:
                    connection.execute(
                        sql.update(RUN).where(RUN.c.id == run_id).values(best_epoch=report["epoch"])
                    )
        except sql.exc.IntegrityError as error:
            raise RecordNotFoundError(
                f"Run {run_id} or its dataset was deleted while it was trained. "
                "Its last checkpoint is gone with it; start a new run."
            ) from error

    def reports(self, run_id: int, after: int = -1) -> list[dict[str, Any]]:
        """The figures of all epochs later than `after`, in order."""
        with self._database.read() as connection:
            return list(
                connection.scalars(
                    sql.select(RUN_EPOCH.c.report)
                    .where(RUN_EPOCH.c.run_id == run_id, RUN_EPOCH.c.epoch > after)
                    .order_by(RUN_EPOCH.c.epoch)
                )
            )

    def overview(
        self, run_id: int | None = None
    ) -> dict[int, tuple[int, dict[str, Any], dict[str, Any] | None]]:
        """Of each run with a finished epoch: how many, the last figures, and the best ones.

        Args:
            run_id: Only this run.
        """
        wanted = _overview(run_id is not None)
        with self._database.read() as connection:
            found = connection.execute(wanted, {} if run_id is None else {"run": run_id})
            return {row.run_id: (row.n, row.report, row.best) for row in found}

    def statuses(self) -> dict[int, str]:
        """Status of the job of each run that has one."""
        wanted = sql.select(RUN.c.id, JOB.c.status).join(JOB, JOB.c.id == RUN.c.job_id)
        with self._database.read() as connection:
            return {row.id: row.status for row in connection.execute(wanted)}


@cache
def _overview(of_one: bool) -> sql.Select[Any]:
    """Of each run, or of `run`: its epochs, the last report, and the best one."""
    counted = sql.select(
        RUN_EPOCH.c.run_id,
        sql.func.count().label("n"),
        sql.func.max(RUN_EPOCH.c.epoch).label("last"),
    ).group_by(RUN_EPOCH.c.run_id)
    if of_one:
        counted = counted.where(RUN_EPOCH.c.run_id == sql.bindparam("run"))
    ends = counted.subquery()
    last, best = RUN_EPOCH.alias("last"), RUN_EPOCH.alias("best")
    return (
        sql.select(ends.c.run_id, ends.c.n, last.c.report, best.c.report.label("best"))
        .join(last, sql.and_(last.c.run_id == ends.c.run_id, last.c.epoch == ends.c.last))
        .join(RUN, RUN.c.id == ends.c.run_id)
        .outerjoin(best, sql.and_(best.c.run_id == RUN.c.id, best.c.epoch == RUN.c.best_epoch))
    )
