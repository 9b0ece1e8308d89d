"""Jobs written by the first version, as the second one finds them."""

import importlib
import sqlite3

import pytest
import sqlalchemy as sql
from alembic.migration import MigrationContext
from alembic.operations import Operations

from cad_studio.store.database import Database
from cad_studio.store.jobs import Jobs

FIRST = importlib.import_module("cad_studio.store.migrations.versions.0001_first")
SECOND = importlib.import_module("cad_studio.store.migrations.versions.0002_jobs")
ROWS = [
    (1, "done", None, 0, 11, "100"),
    (2, "failed", "Interrupted: the process ended before the job did.", 0, 12, "1"),
    (3, "failed", "There is no such file.", 0, 13, "300"),
    (4, "running", None, 1, 14, "400"),
    (5, "queued", None, 0, None, None),
]  # fmt: skip
INSERT = (
    "INSERT INTO job (id, status, error, cancel_requested, pid, pid_started, kind, title, "
    "arguments, fraction, message, created_at, result) "
    """VALUES (?, ?, ?, ?, ?, ?, 'import', 'Import ü', '{"n": 1}', 0.5, 'm', 'now', '{"k": 2}')"""
)


@pytest.fixture
def file(tmp_path):
    """A database as the first version left it."""
    file = tmp_path / "project.db"
    with sql.create_engine(f"sqlite:///{file}").begin() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            FIRST.upgrade()
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num TEXT NOT NULL)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('0001')")
    with sqlite3.connect(file) as connection:
        connection.executemany(INSERT, ROWS)
    return file


def test_jobs_of_the_first_version_are_kept_and_told_apart_by_their_new_status(file):
    opened = Database(file)
    jobs = {job.id: job for job in Jobs(opened).recent()}
    opened.close()
    assert {job.id: job.status for job in jobs.values()} == {
        1: "done", 2: "interrupted", 3: "failed", 4: "stopping", 5: "queued",
    }  # fmt: skip
    for job in jobs.values():
        assert (job.title, job.arguments, job.result) == ("Import ü", {"n": 1}, {"k": 2})
        assert (job.fraction, job.attempts, job.position) == (0.5, 1, job.id)
    assert jobs[4].place == {"pid": 14, "started": "400"}
    assert jobs[5].place is None


def test_the_way_back_gives_the_first_version_what_it_had(file):
    engine = sql.create_engine(f"sqlite:///{file}")
    with (
        engine.begin() as connection,
        Operations.context(MigrationContext.configure(connection)),
    ):
        SECOND.upgrade()
        SECOND.downgrade()
    query = "SELECT id, status, error, cancel_requested, pid, pid_started FROM job ORDER BY id"
    with sqlite3.connect(file) as connection:
        assert connection.execute(query).fetchall() == ROWS
        with pytest.raises(sqlite3.IntegrityError, match="job_status"):
            connection.execute("UPDATE job SET status = 'interrupted'")
