"""SQLite files looked at from outside: opened without being changed, checked, named by a number."""

import json
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sql

from cad_studio.store.tables import METADATA

_QUICK_FROM = 64 << 20
"""Bytes from which on indices are not compared with their tables, which takes several times as
long as reading the pages."""


def connect_read_only(file: Path, seconds: float = 60.0) -> sqlite3.Connection:
    """A connection that writes nothing, neither into the file nor beside it.

    A file that another process has open is read along with what that process has not moved into
    it yet. Where the folder may not be written, there can be no shared memory for that unless it
    is there already: then the file is taken to stay as it is, or a copy of it is read.

    Raises:
        sqlite3.Error: It cannot be opened.
    """
    address = f"file:{quote(str(file))}?mode=ro"
    if not has_open_log(file) and not os.access(file.parent, os.W_OK):
        return sqlite3.connect(f"{address}&immutable=1", seconds, uri=True, check_same_thread=False)
    connection = sqlite3.connect(address, seconds, uri=True, check_same_thread=False)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError:
        connection.close()
        if not has_open_log(file):
            raise
        with tempfile.TemporaryDirectory(prefix="cad-studio-") as folder:
            copy = Path(shutil.copy(file, folder))
            shutil.copy(log_of(file), folder)
            connection = sqlite3.connect(copy, seconds, check_same_thread=False)
            connection.execute("SELECT count(*) FROM sqlite_master")  # open before it is unlinked
    return connection


def log_of(file: Path) -> Path:
    """Where SQLite keeps what it has not moved into the file yet."""
    return file.with_name(f"{file.name}-wal")


def has_open_log(file: Path) -> bool:
    """Whether something written is not in the file itself yet."""
    with suppress(OSError):
        return log_of(file).stat().st_size > 0
    return False


def project_number(connection: sqlite3.Connection) -> int:
    """The number kept in the header of a database, 0 where none was given."""
    return connection.execute("PRAGMA user_version").fetchone()[0]


def is_empty(file: Path) -> bool:
    """Whether a file is missing, has no bytes, or is a database without tables."""
    try:
        if file.stat().st_size == 0 and not has_open_log(file):
            return True
        with closing(connect_read_only(file)) as connection:
            return connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    except FileNotFoundError:
        return True
    except (OSError, sqlite3.Error):
        return False


def damage_of(file: Path, thorough: bool = False) -> str | None:
    """What SQLite finds wrong with a file, its first words; None where it is whole.

    Args:
        file: The database.
        thorough: Compare indices with their tables however large the file is.
    """
    try:
        with closing(connect_read_only(file)) as connection:
            return damage_seen_by(connection, 0 if thorough else file.stat().st_size)
    except sqlite3.Error as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)


def damage_seen_by(connection: sqlite3.Connection, size_bytes: int) -> str | None:
    """The same through an open connection."""
    kind = "integrity_check" if size_bytes < _QUICK_FROM else "quick_check"
    try:
        found = connection.execute(f"PRAGMA {kind}(1)").fetchone()[0]
    except sqlite3.Error as error:
        return str(error)
    return (
        None if found == "ok" else " ".join(found.replace("*** in database main ***", "").split())
    )


def unreadable_value(file: Path) -> str | None:
    """The first value that is not what was written, in words; None where all can be read.

    The end of a long value lies on pages whose content SQLite does not check.
    """
    try:
        with closing(connect_read_only(file)) as connection:
            for table in tables_of(connection):
                of_json = json_columns().get(table, set())
                cursor = connection.execute(f'SELECT * FROM "{table}"')
                names = [each[0] for each in cursor.description]
                for row in cursor:
                    for name, value in zip(names, row, strict=True):
                        if not is_readable(value, name in of_json):
                            return f"a value of {name} in the table {table} is unreadable"
    except sqlite3.Error as error:
        return str(error)
    return None


def tables_of(connection: sqlite3.Connection) -> list[str]:
    """The project's tables, in the order they were made in."""
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
        "ORDER BY rowid"
    )
    return [row[0] for row in connection.execute(query)]


def json_columns() -> dict[str, set[str]]:
    """The columns that hold JSON, by table."""
    return {
        table.name: {column.name for column in table.c if isinstance(column.type, sql.JSON)}
        for table in METADATA.tables.values()
    }


def is_readable(value: object, is_json: bool) -> bool:
    """Whether a value is what could have been written."""
    if not isinstance(value, str):
        return True
    if "\0" in value:
        return False
    if is_json:
        try:
            json.loads(value)
        except ValueError:
            return False
    return True
