"""Whether a database and the files around it are of one project.

The project's number lies in the header of the database and in `project.json`. Folders from before
there was one are known by their blobs: a database belongs where it names one that is there.
"""

import json
import secrets
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sql

from cad_studio.core.errors import ProjectError
from cad_studio.core.replacing import replacing
from cad_studio.store.database import Database
from cad_studio.store.references import folder_numbers, highest_numbers, references
from cad_studio.store.sqlite_files import is_empty

FILE = "project.json"
ROOMS = ("runs", "editors", "edits")
_MOST = (1 << 31) - 1


def require_database(folder: Path) -> None:
    """Refuse a folder that holds files of a project but not its database.

    Raises:
        ProjectError: The database is missing or empty; the text says how to get one.
    """
    if not _holds_files(folder):  # asked first: a new project has its database before its files
        return
    file = folder / "project.db"
    if is_empty(file):
        how = "missing" if not file.exists() else "empty"
        raise ProjectError(
            f"{folder} holds the files of a project, but its database {file.name} is {how}. "
            f"Nothing was changed. {way_out(folder)}"
        )


def require_belonging(folder: Path, database: Database) -> None:
    """Refuse the database of another project, and one older than the files beside it.

    Raises:
        ProjectError: The text says what to do.
    """
    own = read_number(folder)
    with database.read() as connection:
        number = connection.exec_driver_sql("PRAGMA user_version").scalar() or 0
        is_known = own is not None and own == number
        if not is_known and (bool(own and number) or not _names_what_is_there(folder, connection)):
            raise ProjectError(
                f"The database {folder / 'project.db'} is that of another project: it does not "
                f"belong to the files in this folder. Nothing was changed. {way_out(folder)}"
            )
        highest = highest_numbers(connection)
    for room, numbers in numbered_folders(folder).items():
        if numbers and max(numbers) > highest[room]:
            raise ProjectError(
                f"The database {folder / 'project.db'} is older than {room}/{max(numbers)} in this "
                f"folder. Nothing was changed. {way_out(folder)}"
            )
    if not is_known and not database.read_only:
        _write_number(folder, _stamp(database, own or number))


def read_number(folder: Path) -> int | None:
    """The number in `project.json`; None without a readable one."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return int(json.loads((folder / FILE).read_text(encoding="utf-8"))["project"])
    return None


def numbered_folders(folder: Path) -> dict[str, set[int]]:
    """The folders of runs, editors and edits that are there, by room."""
    return {
        room: {int(each.name) for each in (folder / room).glob("*") if each.name.isdecimal()}
        for room in ROOMS
    }


def way_out(folder: Path) -> str:
    """What to do about a lost, damaged or wrong database, in sentences."""
    command = f"python -m cad_studio --project {shlex.quote(str(folder))}"
    copies = sorted((folder / "backups").glob("project-*.db"))
    restore = (
        f"Go back to the copy {copies[-1].name}: {command} restore."
        if copies
        else "Put project.db back from a copy of the folder."
    )
    return (
        f"{restore} Without a copy, {command} repair saves what can be read and sets the other "
        "files aside."
    )


def new_number() -> int:
    """A number for a project that has none."""
    return secrets.randbelow(_MOST) + 1


def give_number(connection: sqlite3.Connection, folder: Path, number: int) -> None:
    """Make a database the folder's own."""
    connection.execute(f"PRAGMA user_version = {number}")
    _write_number(folder, number)


def _holds_files(folder: Path) -> bool:
    return (folder / FILE).exists() or any(_blobs(folder)) or any(numbered_folders(folder).values())


def _blobs(folder: Path) -> Iterator[Path]:
    return (folder / "blobs").glob("??/*")


def _names_what_is_there(folder: Path, connection: sql.Connection) -> bool:
    """Whether a database without the folder's number is likely to be its own."""
    if any(_blobs(folder)):
        return any(
            (folder / "blobs" / each.blob[:2] / each.blob).exists()
            for each in references(connection)
        )
    named, there = folder_numbers(connection), numbered_folders(folder)
    return not any(there.values()) or any(named[room] & there[room] for room in ROOMS)


def _stamp(database: Database, number: int) -> int:
    """Give the database a number unless it has one; returns the one it has."""
    with database.write() as connection:
        found = connection.exec_driver_sql("PRAGMA user_version").scalar() or 0
        if not found:
            found = number or new_number()
            connection.exec_driver_sql(f"PRAGMA user_version = {found}")
    return found


def _write_number(folder: Path, number: int) -> None:
    with replacing(folder / FILE) as file:
        file.write_text(json.dumps({"project": number}) + "\n", encoding="utf-8")
