"""The database file: made, migrated, refused."""

import multiprocessing
import re
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sql

from cad_studio.core.errors import ProjectError
from cad_studio.store import database, migrations
from cad_studio.store.database import HEAD_REVISION, Database, folder_error
from cad_studio.store.migrations.run import known_revisions
from cad_studio.store.tables import DATASET, JOB, METADATA


@pytest.fixture
def file(tmp_path):
    return tmp_path / "project.db"


def job_values(**values):
    return {
        "kind": "k", "title": "t", "arguments": {}, "status": "queued", "fraction": 0.0,
        "message": "", "position": 1, "attempts": 1, "created_at": "now", **values,
    }  # fmt: skip


def n_jobs(opened):
    with opened.read() as connection:
        return connection.scalar(sql.select(sql.func.count()).select_from(JOB))


def open_and_add(file, barrier):
    barrier.wait(60)
    opened = Database(file)
    with opened.write() as connection:
        connection.execute(sql.insert(JOB).values(job_values()))
    opened.close()


def test_a_new_database_is_in_wal_mode_and_at_the_newest_revision(file):
    Database(file).close()
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        revision = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    assert revision == [(HEAD_REVISION,)]


def test_the_head_revision_is_the_newest_migration_file():
    files = sorted((Path(migrations.__file__).parent / "versions").glob("[0-9]*.py"))
    assert files[-1].name.startswith(f"{HEAD_REVISION}_")
    assert known_revisions()[-1] == HEAD_REVISION
    assert len(known_revisions()) == len(files)


def test_the_tables_of_the_queries_equal_the_migrated_ones(file):
    opened = Database(file)
    with opened.read() as connection:
        inspector = sql.inspect(connection)
        assert {*METADATA.tables, "alembic_version"} == set(inspector.get_table_names())
        for name, table in METADATA.tables.items():
            stored = {c["name"]: str(c["type"]) for c in inspector.get_columns(name)}
            assert stored == {c.name: str(c.type) for c in table.columns}, name


def test_opening_again_changes_nothing(file):
    first = Database(file)
    with first.write() as connection:
        connection.execute(sql.insert(JOB).values(job_values()))
    first.close()
    again = Database(file)
    assert n_jobs(again) == 1
    with again.read() as connection:
        assert len(connection.exec_driver_sql("SELECT * FROM alembic_version").all()) == 1


def test_two_processes_may_create_one_database_at_the_same_moment(file):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    workers = [context.Process(target=open_and_add, args=(file, barrier)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert n_jobs(Database(file)) == 2


def test_a_database_of_a_newer_studio_is_refused_and_left_alone(file):
    Database(file).close()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ProjectError, match=r"newer CAD Studio \(schema '9999'\)\. Update CAD"):
        Database(file)
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT * FROM alembic_version").fetchall() == [("9999",)]


@pytest.mark.parametrize("content", [b"no database, just text" * 50, b"SQLite format 3\0" * 9])
def test_a_file_that_is_no_database_is_refused_and_left_alone(file, content):
    file.write_bytes(content)
    with pytest.raises(ProjectError, match=r"\(file is not a database\)\. Nothing .*Restore it"):
        Database(file)
    assert file.read_bytes() == content


def test_what_a_transaction_wrote_is_gone_when_it_raises(file):
    opened = Database(file)

    def fail(connection):
        connection.execute(sql.insert(JOB).values(job_values()))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), opened.write() as connection:
        fail(connection)
    assert n_jobs(opened) == 0
    with opened.write() as connection:  # the file is not left locked
        connection.execute(sql.insert(JOB).values(job_values()))
    assert n_jobs(opened) == 1


def test_a_reader_sees_one_moment_while_another_writes(file):
    reader, writer = Database(file), Database(file)
    count = sql.select(sql.func.count()).select_from(JOB)
    with reader.read() as connection:
        assert connection.scalar(count) == 0
        with writer.write() as other:
            other.execute(sql.insert(JOB).values(job_values()))
        assert connection.scalar(count) == 0
    assert n_jobs(reader) == 1


def test_statuses_and_kinds_outside_the_list_are_refused_by_the_tables(file):
    opened = Database(file)
    with pytest.raises(sql.exc.IntegrityError, match="job_status"), opened.write() as connection:
        connection.execute(sql.insert(JOB).values(job_values(status="lost")))
    values = {
        column.name: {} if isinstance(column.type, sql.JSON) else 1
        for column in DATASET.columns
        if column.name != "id"
    }
    with pytest.raises(sql.exc.IntegrityError, match="dataset_kind"), opened.write() as connection:
        connection.execute(sql.insert(DATASET).values(values | {"kind": "sounds"}))


def test_a_lock_held_for_too_long_is_said_in_words(file, monkeypatch):
    monkeypatch.setattr(database, "_LOCK_SECONDS", 0.1)
    opened = Database(file)
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    refused = pytest.raises(ProjectError, match=r"kept .* locked for over .* Close it")
    with refused, opened.write():
        pass
    holder.execute("ROLLBACK")
    holder.close()


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (13, "may not be written"),
        (30, "is on a read-only disk"),
        (20, "is a file or lies below one"),
    ],
)
def test_folder_errors_are_told_in_words(number, words):
    error = folder_error(Path("/some/where"), OSError(number, "x"))
    assert re.search(f"/some/where {words}.* Choose another with --project", str(error))
