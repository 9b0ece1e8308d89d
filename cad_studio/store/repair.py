"""Go back to a copy of the database, or make one anew; files are set aside, never deleted."""

import errno
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from cad_studio.core.errors import ProjectError
from cad_studio.store.backups import Backup, Backups
from cad_studio.store.blobs import Blobs
from cad_studio.store.database import Database, folder_error, is_writable
from cad_studio.store.identity import (
    ROOMS,
    give_number,
    new_number,
    numbered_folders,
    read_number,
    require_belonging,
    require_database,
)
from cad_studio.store.presence import Presence
from cad_studio.store.references import Reference, folder_numbers, references
from cad_studio.store.salvage import Salvaged, salvage
from cad_studio.store.sqlite_files import (
    connect_read_only,
    damage_of,
    is_empty,
    log_of,
    project_number,
)
from cad_studio.store.tables import EDIT_MODEL, EDIT_SET, MINING, RUN

ASIDE = "set-aside"
_TABLES = {"runs": RUN.name, "editors": EDIT_MODEL.name, "edits": EDIT_SET.name}


@dataclass
class Aside:
    """A folder that takes what is set aside; made when the first file comes.

    Attributes:
        n_files: Files and folders moved.
        n_bytes: What they hold.
    """

    project: Path
    folder: Path
    n_files: int = 0
    n_bytes: int = 0

    def take(self, path: Path) -> None:
        """Move a file or folder of the project here, under the name it had there."""
        if not path.exists():
            return
        target = self.folder / path.relative_to(self.project)
        target.parent.mkdir(parents=True, exist_ok=True)
        files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
        self.n_files += len(files)
        self.n_bytes += sum(file.stat().st_size for file in files)
        os.replace(path, target)

    def told(self) -> dict[str, Any]:
        """`set_aside` (files), `bytes`, and `folder`, None where nothing was."""
        folder = str(self.folder) if self.n_files else None
        return {"set_aside": self.n_files, "bytes": self.n_bytes, "folder": folder}


def restore(folder: Path, name: str | None) -> dict[str, Any]:
    """Put a copy in the place of the project's database.

    The database that is there, and files the copy does not know, are set aside; files that it knows
    and that were set aside before come back.

    Args:
        folder: The project; no other process has it open.
        name: File of the copy; None takes the newest.

    Returns:
        `restored`, `made_at`, `datasets`, `brought_back` (files), `missing` (blobs the copy names
        that are not there), and as `Aside.told`.

    Raises:
        ProjectError: There is no such copy, it is damaged or of another project, or the project is
            open elsewhere.
    """
    _require_alone(folder)
    backup = Backups(folder / "backups", folder / "project.db").get(name)
    _require_usable(folder, backup)
    with FileLock(folder / "saving.lock"):
        aside = _new_aside(folder)
        database = folder / "project.db"
        unfinished = folder / "scratch" / "restored.db"
        unfinished.parent.mkdir(exist_ok=True)
        shutil.copyfile(backup.file, unfinished)
        _keep_numbers(folder, unfinished)
        _take_database(folder, aside)
        os.replace(unfinished, database)
        with closing(Database(database)) as opened:
            n_back = _bring_back(folder, opened)
            _set_aside_unnamed(folder, opened, aside)
            missing = len(_missing(folder, opened))
    return {
        "restored": backup.file.name, "made_at": backup.made_at, "datasets": backup.datasets,
        "brought_back": n_back, "missing": missing, **aside.told(),
    }  # fmt: skip


def repair(folder: Path) -> dict[str, Any]:
    """Make a project usable again without deleting anything.

    A lost or foreign database is replaced by its newest copy, or an empty one where there is none;
    a damaged one by what can be read of it.
    Searches whose files are damaged are forgotten, as they can be made again. What no record names
    is set aside.

    Args:
        folder: The project; no other process has it open.

    Returns:
        `database` (`whole`, `damaged`, `lost` or `foreign`), `restored` (file of the copy that
        took its place, or None), `rows` (saved from a damaged one, by table), `is_complete`,
        `forgotten` (what was), and as `Aside.told`.

    Raises:
        ProjectError: The folder is no project, or is open elsewhere.
    """
    if not folder.is_dir():
        raise ProjectError(f"There is no folder {folder}. Choose another with --project DIR.")
    _require_alone(folder)
    state = _state_of(folder)
    saved = Salvaged()
    if state in ("lost", "foreign"):
        copy = _newest_usable(folder)
        if copy is not None:
            done = restore(folder, copy.file.name)
            return {
                "database": state, "rows": saved.rows, "is_complete": True, "forgotten": [],
                **{key: done[key] for key in ("restored", "set_aside", "bytes", "folder")},
            }  # fmt: skip
    with FileLock(folder / "saving.lock"):
        aside = _new_aside(folder)
        if state != "whole":
            saved = _replace_database(folder, state, aside)
        with closing(Database(folder / "project.db")) as opened:
            forgotten = _forget_damaged(folder, opened)
            _bring_back(folder, opened)
            _set_aside_unnamed(folder, opened, aside)
    return {
        "database": state, "restored": None, "rows": saved.rows,
        "is_complete": saved.is_complete, "forgotten": forgotten, **aside.told(),
    }  # fmt: skip


def _newest_usable(folder: Path) -> Backup | None:
    for backup in Backups(folder / "backups", folder / "project.db").all():
        try:
            _require_usable(folder, backup)
        except ProjectError:
            continue
        return backup
    return None


def _state_of(folder: Path) -> str:
    file = folder / "project.db"
    if is_empty(file):
        return "lost"
    if damage_of(file) is not None:
        return "damaged"
    try:
        require_database(folder)
        with closing(Database(file)) as opened:
            require_belonging(folder, opened)
            with opened.read() as connection:
                list(references(connection))
    except ProjectError as error:
        return "damaged" if "damaged" in str(error) else "foreign"
    return "whole"


def _replace_database(folder: Path, state: str, aside: Aside) -> Salvaged:
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    unfinished = scratch / "repaired.db"
    for left in scratch.glob("repaired.db*"):
        left.unlink()
    if state == "damaged":
        saved = salvage(folder / "project.db", unfinished)
    else:
        Database(unfinished).close()
        saved = Salvaged()
    _keep_numbers(folder, unfinished)
    _take_database(folder, aside)
    os.replace(unfinished, folder / "project.db")
    return saved


def _require_alone(folder: Path) -> None:
    if not is_writable(folder):
        raise folder_error(folder, PermissionError(errno.EACCES, ""))
    others = Presence(folder / "open").others()
    if others:
        raise ProjectError(
            f"{folder} is open in other programs (process {', '.join(map(str, others))}). "
            "Close the studio and its jobs, then try again. Nothing was changed."
        )


def _require_usable(folder: Path, backup: Backup) -> None:
    damage = damage_of(backup.file)
    if damage is not None:
        raise ProjectError(
            f"The copy {backup.file} is damaged ({damage}). Choose another one of: "
            "python -m cad_studio backups. Nothing was changed."
        )
    own = read_number(folder)
    with closing(connect_read_only(backup.file)) as connection:
        number = project_number(connection)
    if own and number and own != number:
        raise ProjectError(
            f"The copy {backup.file} is one of another project. Nothing was changed."
        )


def _new_aside(folder: Path) -> Aside:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    return Aside(folder, folder / ASIDE / stamp)


def _take_database(folder: Path, aside: Aside) -> None:
    file = folder / "project.db"
    for each in (file, log_of(file), file.with_name("project.db-shm")):
        aside.take(each)


def _keep_numbers(folder: Path, file: Path) -> None:
    """Let a database go on counting where the folder is, and be the folder's own."""
    Database(file).close()  # brings its tables up to date
    with closing(sqlite3.connect(file)) as connection:
        for room, numbers in numbered_folders(folder).items():
            highest = max(numbers, default=0)
            name = _TABLES[room]
            found = connection.execute(
                "SELECT seq FROM sqlite_sequence WHERE name = ?", (name,)
            ).fetchone()
            if found is None and highest:
                connection.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (name, highest))
            elif found is not None and found[0] < highest:
                connection.execute(
                    "UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (highest, name)
                )
        connection.execute("PRAGMA journal_mode=DELETE")
        number = read_number(folder) or project_number(connection) or new_number()
        connection.commit()
        give_number(connection, folder, number)


def _blobs_of(folder: Path) -> Blobs:
    return Blobs(folder / "blobs", folder / "scratch")


def _references(database: Database) -> list[Reference]:
    with database.read() as connection:
        return list(references(connection))


def _missing(folder: Path, database: Database) -> set[str]:
    return {each.blob for each in _references(database)} - set(_blobs_of(folder).names())


def _bring_back(folder: Path, database: Database) -> int:
    """Move what records name and was set aside earlier back into its place; returns how many."""
    blobs, n_back = _blobs_of(folder), 0
    for name in _missing(folder, database):
        for kept in sorted((folder / ASIDE).glob(f"*/blobs/{name[:2]}/{name}"), reverse=True):
            blobs.path(name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(kept, blobs.path(name))
            n_back += 1
            break
    with database.read() as connection:
        numbers = folder_numbers(connection)
    for room in ROOMS:
        for number in numbers[room]:
            place = folder / room / str(number)
            for kept in sorted((folder / ASIDE).glob(f"*/{room}/{number}"), reverse=True):
                if not place.exists():
                    place.parent.mkdir(exist_ok=True)
                    os.replace(kept, place)
                    n_back += 1
    return n_back


def _set_aside_unnamed(folder: Path, database: Database, aside: Aside) -> None:
    blobs = _blobs_of(folder)
    for name in set(blobs.names()) - {each.blob for each in _references(database)}:
        aside.take(blobs.path(name))
    with database.read() as connection:
        numbers = folder_numbers(connection)
    for room, there in numbered_folders(folder).items():
        for number in there - numbers[room]:
            aside.take(folder / room / str(number))


def _forget_damaged(folder: Path, database: Database) -> list[str]:
    """Delete the records of searches whose files are damaged; returns what they were."""
    blobs = _blobs_of(folder)
    wrong = [
        each
        for each in _references(database)
        if each.kind == "mining" and blobs.problem(each.blob) is not None
    ]
    if wrong:
        with database.write() as connection:
            connection.execute(
                MINING.delete().where(MINING.c.id.in_({each.owner_id for each in wrong}))
            )
    return sorted({each.words for each in wrong})
