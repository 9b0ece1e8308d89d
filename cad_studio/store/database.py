"""The project's database: one SQLite file, opened, migrated, and spoken to in transactions."""

import errno
import json
import os
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sql
from filelock import FileLock, Timeout

from cad_studio.core.errors import ProjectError, ReadOnlyError, StorageError, is_disk_full
from cad_studio.store.sqlite_files import connect_read_only, damage_of, has_open_log

HEAD_REVISION = "0006"
"""The newest file in `migrations/versions`; checked by a test."""

_LOCK_SECONDS = 60.0


def now() -> str:
    """The time as stored: UTC, ISO 8601, microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def inserted(connection: sql.Connection, statement: sql.Insert) -> int:
    """Insert one row; returns its number."""
    key = connection.execute(statement).inserted_primary_key
    assert key is not None
    return int(key[0])


_Read = TypeVar("_Read")
_LOOK: ContextVar[dict[Hashable, Any] | None] = ContextVar("look", default=None)
"""What the request that is answered has read so far."""


class Database:
    """A project's SQLite file in WAL mode.

    Reads never wait. Writes of several processes take turns; a writer waits up to a minute.

    Attributes:
        writes: Transactions of this process that were written so far; another number than before
            says that something may have changed.
    """

    def __init__(self, file: Path, read_only: bool = False, way_out: str = "") -> None:
        """Open or create the file and bring its tables up to date.

        Args:
            file: The database.
            read_only: Leave it and its folder untouched, whatever is asked.
            way_out: What to do when the file is damaged, in sentences.

        Raises:
            ProjectError: The file cannot be created, is no database, or is newer than this
                version of the studio; or it is older, and may not be written.
        """
        self.file = file
        self.read_only = read_only
        self._way_out = way_out or "Restore it from a copy."
        self._refusal = ""
        self.writes = 0
        self._counting = threading.Lock()
        self._engine = _connect(file, read_only)
        self._opened_with = self._state()
        if read_only:
            self._require_head()
        else:
            self._migrate()

    @contextmanager
    def read(self) -> Iterator[sql.Connection]:
        """A consistent view; nothing is written."""
        if self.read_only and self._opened_with != self._state():
            self._engine.dispose()  # somebody else writes it by now: read on as it is then
            self._opened_with = self._state()
        with self._told(), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.rollback()

    @contextmanager
    def write(self) -> Iterator[sql.Connection]:
        """A transaction: all of it is durable when the block ends, or none if it raises.

        Raises:
            ReadOnlyError: The project was opened to be looked at.
            ProjectError: The database is damaged.
        """
        self.require_writable()
        with self._told(), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
        with self._counting:
            self.writes += 1

    @contextmanager
    def one_look(self) -> Iterator[None]:
        """Within the block, what `remembered` gave is not read again, until this process writes."""
        token = _LOOK.set({})
        try:
            yield
        finally:
            _LOOK.reset(token)

    def remembered(self, key: Hashable, read: Callable[[], _Read]) -> _Read:
        """What `read` gives; within `one_look`, read once for all who ask by the same key."""
        look = _LOOK.get()
        if look is None:
            return read()
        whole = (id(self), self.writes, key)
        if whole not in look:
            look[whole] = read()
        return look[whole]

    def remembered_rows(
        self, key: Hashable, rows: Sequence[int], read: Callable[[list[int]], dict[int, _Read]]
    ) -> dict[int, _Read]:
        """What `read` gives of some rows, as `remembered`: only those not asked for yet are read.

        Rows that `read` leaves out are left out.
        """
        known: dict[int, _Read | None] = self.remembered(key, dict)
        unknown = [row for row in dict.fromkeys(rows) if row not in known]
        if unknown:
            known.update({**dict.fromkeys(unknown), **read(unknown)})
        return {row: value for row in rows if (value := known[row]) is not None}

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def require_writable(self) -> None:
        """Refuse a change where there can be none.

        Raises:
            ReadOnlyError: The project was opened to be looked at.
            ProjectError: The database was found damaged since it was opened.
        """
        if self.read_only:
            raise ReadOnlyError(
                f"The project {self.file.parent} is open to be looked at only; nothing was changed."
            )
        if self._refusal:
            raise ProjectError(self._refusal)

    def refuse_writing(self, why: str) -> None:
        """From now on nothing is written any more, for the reason given in words."""
        self._refusal = why

    def require_whole(self) -> None:
        """Hold the file against itself, which takes a moment per 100 MB.

        Raises:
            ProjectError: It is damaged.
        """
        damage = damage_of(self.file)
        if damage is not None:
            raise ProjectError(self._damage_words(damage))

    def _damage_words(self, damage: str) -> str:
        return (
            f"The database {self.file} is damaged ({damage.strip().rstrip('.')}). "
            f"Nothing was changed. {self._way_out}"
        )

    def _state(self) -> tuple[object, ...]:
        try:
            status = self.file.stat()
        except OSError:
            return ()
        return status.st_size, status.st_mtime_ns, has_open_log(self.file)

    def _require_head(self) -> None:
        revision = self._revision()
        if revision == HEAD_REVISION:
            return
        from cad_studio.store.migrations.run import known_revisions

        if revision not in known_revisions():
            raise self._too_new(revision)
        raise ProjectError(
            f"{self.file} was written by an older CAD Studio (schema {revision!r}, now "
            f"{HEAD_REVISION!r}) and may not be changed here. Open a copy of the project once "
            "where it can be written."
        )

    def _too_new(self, revision: str | None) -> ProjectError:
        return ProjectError(
            f"{self.file} was written by a newer CAD Studio (schema {revision!r}). "
            "Update CAD Studio or choose another folder with --project."
        )

    def _migrate(self) -> None:
        if self._revision() == HEAD_REVISION:
            return
        from cad_studio.store.migrations.run import known_revisions, upgrade

        try:
            with FileLock(self.file.with_suffix(".lock"), timeout=_LOCK_SECONDS):
                revision = self._revision()
                if revision is not None and revision not in known_revisions():
                    raise self._too_new(revision)
                if revision != HEAD_REVISION:
                    with self.write() as connection:
                        upgrade(connection)
        except Timeout as error:
            raise ProjectError(
                f"Another process has held {self.file.with_suffix('.lock')} for over "
                f"{_LOCK_SECONDS:.0f} s. Close other CAD Studio programs on this project."
            ) from error
        except OSError as error:
            raise folder_error(self.file.parent, error) from error

    def _revision(self) -> str | None:
        with self.read() as connection:
            if not connection.dialect.has_table(connection, "alembic_version"):
                return None
            return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what SQLite says about the outside world into words for the user."""
        try:
            yield
        except sql.exc.IntegrityError:
            raise
        except sql.exc.DatabaseError as error:
            text = str(error.orig).lower()
            if "full" in text or "disk i/o" in text:
                raise StorageError(
                    f"The disk that holds {self.file} is full or failing. "
                    "Free some space and try again; what was saved before is intact."
                ) from error
            if "locked" in text or "busy" in text:
                raise ProjectError(
                    f"Another program has kept {self.file} locked for over "
                    f"{_LOCK_SECONDS:.0f} s. Close it and try again."
                ) from error
            if "readonly" in text or "unable to open" in text:
                raise folder_error(self.file.parent, PermissionError(errno.EACCES, "")) from error
            if "not a database" in text or "malformed" in text:
                raise ProjectError(self._damage_words(str(error.orig))) from error
            self._blame_damage(error)
            raise
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            self._blame_damage(error)
            raise

    def _blame_damage(self, error: Exception) -> None:
        """What cannot be a bug in a damaged file is told as the damage."""
        damage = damage_of(self.file)
        if isinstance(error, json.JSONDecodeError) and damage is None:
            damage = "a value is unreadable"
        if damage is not None:
            raise ProjectError(self._damage_words(damage)) from error


def is_writable(folder: Path) -> bool:
    """Whether a project folder, or the one it would be made in, takes files of this user."""
    while not folder.exists():
        folder = folder.parent
    own = [folder, *(folder / name for name in ("project.db", "blobs", "scratch", "logs", "open"))]
    return all(os.access(each, os.W_OK) for each in own if each.exists())


def folder_error(folder: Path, error: OSError) -> ProjectError | StorageError:
    """The words for a project folder that cannot be used."""
    if is_disk_full(error):
        return StorageError(f"No space is left for {folder}. Free some and try again.")
    reason = {
        errno.EACCES: "may not be written by this user",
        errno.EPERM: "may not be written by this user",
        errno.EROFS: "is on a read-only disk",
        errno.ENOTDIR: "is a file or lies below one",
        errno.EEXIST: "is a file, not a folder",
    }.get(error.errno or 0, f"cannot be used ({error.strerror or error})")
    look = (
        " Set CAD_READONLY=1 to look at it without changing it."
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}
        and (folder / "project.db").is_file()
        else ""
    )
    return ProjectError(
        f"The project folder {folder} {reason}. Choose another with --project DIR.{look}"
    )


def _connect(file: Path, read_only: bool) -> sql.Engine:
    if read_only:
        engine = sql.create_engine(
            "sqlite://",
            creator=lambda: connect_read_only(file, _LOCK_SECONDS),
            poolclass=sql.pool.QueuePool,
        )
    else:
        address = sql.URL.create("sqlite", database=str(file))  # a path may hold ? and %
        engine = sql.create_engine(address, connect_args={"timeout": _LOCK_SECONDS})

    @sql.event.listens_for(engine, "connect")
    def prepare(connection, _record) -> None:  # type: ignore[no-untyped-def]
        connection.isolation_level = None  # this file says BEGIN itself
        if read_only:
            return
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @sql.event.listens_for(engine, "begin")
    def begin(_connection) -> None:  # type: ignore[no-untyped-def]
        """SQLAlchemy's own BEGIN is not sent; `read` and `write` choose the kind."""

    return engine
