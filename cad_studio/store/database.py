"""The project's database: one SQLite file, opened, migrated, and spoken to in transactions."""

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sql
from filelock import FileLock, Timeout

from cad_studio.core.errors import ProjectError, StorageError, is_disk_full

HEAD_REVISION = "0005"
"""The newest file in `migrations/versions`; checked by a test."""

_LOCK_SECONDS = 60.0


def now() -> str:
    """The time as stored: UTC, ISO 8601, microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


class Database:
    """A project's SQLite file in WAL mode.

    Reads never wait. Writes of several processes take turns; a writer waits up to a minute.

    Attributes:
        writes: Transactions of this process that were written so far; another number than before
            says that something may have changed.
    """

    def __init__(self, file: Path) -> None:
        """Open or create the file and bring its tables up to date.

        Raises:
            ProjectError: The file cannot be created, is no database, or is newer than this
                version of the studio.
        """
        self.file = file
        self.writes = 0
        self._counting = threading.Lock()
        self._engine = _connect(file)
        self._migrate()

    @contextmanager
    def read(self) -> Iterator[sql.Connection]:
        """A consistent view; nothing is written."""
        with self._told(), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.rollback()

    @contextmanager
    def write(self) -> Iterator[sql.Connection]:
        """A transaction: all of it is durable when the block ends, or none if it raises."""
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

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def _migrate(self) -> None:
        if self._revision() == HEAD_REVISION:
            return
        from cad_studio.store.migrations.run import known_revisions, upgrade

        try:
            with FileLock(self.file.with_suffix(".lock"), timeout=_LOCK_SECONDS):
                revision = self._revision()
                if revision is not None and revision not in known_revisions():
                    raise ProjectError(
                        f"{self.file} was written by a newer CAD Studio (schema {revision!r}). "
                        "Update CAD Studio or choose another folder with --project."
                    )
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
        except (sql.exc.OperationalError, sql.exc.DatabaseError) as error:
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
                raise ProjectError(
                    f"{self.file} is damaged or not a CAD Studio project. "
                    "Restore it from a copy or choose another folder with --project."
                ) from error
            raise


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
    return ProjectError(f"The project folder {folder} {reason}. Choose another with --project DIR.")


def _connect(file: Path) -> sql.Engine:
    address = sql.URL.create("sqlite", database=str(file))  # a path may hold ? and %
    engine = sql.create_engine(address, connect_args={"timeout": _LOCK_SECONDS})

    @sql.event.listens_for(engine, "connect")
    def prepare(connection, _record) -> None:  # type: ignore[no-untyped-def]
        connection.isolation_level = None  # this file says BEGIN itself
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @sql.event.listens_for(engine, "begin")
    def begin(_connection) -> None:  # type: ignore[no-untyped-def]
        """SQLAlchemy's own BEGIN is not sent; `read` and `write` choose the kind."""

    return engine
