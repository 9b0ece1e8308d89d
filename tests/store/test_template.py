"""The databases of the tests are those of the studio: made in one go, or by the migrations."""

import inspect
import sqlite3

from cad_studio.store.database import Database
from cad_studio.store.migrations import run
from tests.conftest import from_template


def content(file):
    """What a database is made of, and every row in it."""
    with sqlite3.connect(file) as connection:
        made = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
        tables = [name for kind, name, _ in made if kind == "table"]
        return sorted(map(str, made)), {
            name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables
        }


def test_a_database_from_the_template_is_that_of_the_migrations(tmp_path, monkeypatch):
    migrate = inspect.unwrap(run.upgrade)
    calls = []

    def counted(connection):
        calls.append(connection)
        migrate(connection)

    monkeypatch.setattr(run, "upgrade", from_template(counted))
    Database(tmp_path / "migrated.db").close()
    Database(tmp_path / "copied.db").close()
    assert len(calls) == 1
    assert content(tmp_path / "copied.db") == content(tmp_path / "migrated.db")
