"""Copies of the database: one a day at most, the last few kept, none of a damaged one."""

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time

from cad_studio.core.errors import DamageError, ProjectError, is_disk_full
from cad_studio.store.sqlite_files import connect_read_only, damage_seen_by

KEPT = 5
_DAY = timedelta(hours=24)
_MOST_BYTES = 2 << 30
"""Of all copies together; the newest two are kept whatever their size."""
_FREE_FACTOR = 3
_NAME = "project-%Y%m%dT%H%M%S"


@dataclass(frozen=True)
class Backup:
    """A copy of the database.

    Attributes:
        made_at: ISO 8601, UTC.
        datasets: Names of the datasets it knows; None where it cannot be read.
    """

    file: Path
    made_at: str
    size_bytes: int
    datasets: list[str] | None


class Backups:
    """The copies in one folder."""

    def __init__(self, folder: Path, database: Path) -> None:
        """Keep copies of `database` in `folder`, which is made when needed."""
        self._folder = folder
        self._database = database

    def files(self) -> list[Path]:
        """All copies, oldest first."""
        return sorted(self._folder.glob("project-*.db"))

    def all(self) -> list[Backup]:
        """All copies with what they hold, newest first."""
        return [_described(file) for file in reversed(self.files())]

    def get(self, name: str | None) -> Backup:
        """A copy by the name of its file; None takes the newest.

        Raises:
            ProjectError: There is none.
        """
        files = self.files()
        if not files:
            raise ProjectError(f"There are no copies of the database in {self._folder}.")
        for file in files[-1:] if name is None else files:
            if name in (None, file.name, file.stem):
                return _described(file)
        raise ProjectError(
            f"There is no copy {name!r}. There are: {', '.join(file.name for file in files)}."
        )

    def is_due(self) -> bool:
        """Whether the newest copy is a day old, or there is none."""
        files = self.files()
        return not files or _age_of(files[-1]) >= _DAY

    def make(self) -> Path | None:
        """Copy the database and delete the oldest copies; None where the disk has no room.

        Writers go on meanwhile.

        Raises:
            DamageError: The database is damaged; the copies made before are kept.
        """
        size = self._database.stat().st_size
        if shutil.disk_usage(self._database.parent).free < _FREE_FACTOR * size:
            return None
        self._folder.mkdir(exist_ok=True)
        target = self._folder / f"{datetime.now(UTC).strftime(_NAME)}.db"
        unfinished = target.with_name(f"{target.name}.{os.getpid()}.unfinished")
        try:
            with (
                closing(sqlite3.connect(self._database, 60)) as source,
                closing(sqlite3.connect(unfinished)) as copy,
            ):
                source.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")
                damage = damage_seen_by(copy, size)
            if damage is not None:
                raise DamageError(f"The database {self._database} is damaged: {damage}.")
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(unfinished, target)
        except sqlite3.DatabaseError as error:
            if "full" in str(error):
                return None
            raise DamageError(f"The database {self._database} is damaged: {error}.") from error
        except OSError as error:
            if is_disk_full(error):
                return None
            raise
        finally:
            unfinished.unlink(missing_ok=True)
        self._remove_oldest()
        return target

    def _remove_oldest(self) -> None:
        for file in self._folder.glob("*.unfinished"):  # of killed processes
            if time() - file.stat().st_mtime > _DAY.total_seconds():
                file.unlink(missing_ok=True)
        total = 0
        for place, file in enumerate(reversed(self.files())):
            total += file.stat().st_size
            if place >= KEPT or (place >= 2 and total > _MOST_BYTES):
                file.unlink(missing_ok=True)


def _age_of(file: Path) -> timedelta:
    try:
        made = datetime.strptime(file.stem, _NAME).replace(tzinfo=UTC)
    except ValueError:
        return _DAY
    return datetime.now(UTC) - made


def _described(file: Path) -> Backup:
    made = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    try:
        with closing(connect_read_only(file)) as connection:
            names = [row[0] for row in connection.execute("SELECT name FROM dataset ORDER BY id")]
    except sqlite3.Error:
        names = None
    return Backup(file, made.isoformat(timespec="seconds"), file.stat().st_size, names)
