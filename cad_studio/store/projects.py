"""A project: a folder with a database and the files it names."""

import logging
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from cad_studio.core.errors import DamageError, ProjectError
from cad_studio.store.annotation_queues import AnnotationQueues
from cad_studio.store.annotations import Annotations
from cad_studio.store.backups import Backups
from cad_studio.store.blobs import Blobs
from cad_studio.store.database import Database, folder_error
from cad_studio.store.datasets import Datasets
from cad_studio.store.derived import Derived
from cad_studio.store.edit_models import EditModels
from cad_studio.store.edits import Edits
from cad_studio.store.features import Features
from cad_studio.store.identity import require_belonging, require_database, way_out
from cad_studio.store.jobs import Jobs
from cad_studio.store.pairs import Pairs
from cad_studio.store.presence import Presence
from cad_studio.store.prompts import Prompts
from cad_studio.store.references import Reference, folder_numbers, references
from cad_studio.store.runs import Runs

_LOG = logging.getLogger(__name__)
_SAVING_SECONDS = 600.0
_CHECKED_AT_ONCE = 32 << 20
"""Bytes of a database that is checked before it is opened after an unclean end, a moment; a larger
one is checked while the studio is at work."""


@dataclass
class Removal:
    """What became of a removal.

    Attributes:
        freed_bytes: Bytes freed, known at its end.
    """

    freed_bytes: int = 0


class Project:
    """An open project folder.

    `project.db` is the database, `project.json` the number of the project, `blobs/` holds the files
    the database names, `scratch/` unfinished ones, `partial/` finished chunks of interrupted work,
    `derived/` what can be made again, `runs/` a folder per run, `editors/` one per in-domain
    editor, `edits/` one per set of edits, `logs/` a text file per job, `open/` one per process that
    has the project open, `backups/` copies of the database, `set-aside/` what a repair took out.

    Nothing is deleted but what a record named before and none names after a removal, and only where
    the database is whole and belongs to the folder.
    """

    def __init__(self, folder: Path, read_only: bool = False) -> None:
        """Open a folder, making it when it is not there.

        Args:
            folder: The project.
            read_only: Write nothing into it; what is made meanwhile is kept elsewhere, and gone at
                the end.

        Raises:
            ProjectError: It cannot be made or written; or its database is lost, damaged, or that of
                another project.
        """
        self.folder = folder
        self.read_only = read_only
        self._elsewhere: tempfile.TemporaryDirectory[str] | None = None
        if read_only:
            self._require_readable()
        require_database(folder)
        self._presence = Presence(folder / "open")
        if not read_only:
            self._prepare_folder()
        self.database = Database(folder / "project.db", read_only, way_out(folder))
        if not read_only:
            self._look_after_unclean_end()
        require_belonging(folder, self.database)
        self.blobs = Blobs(folder / "blobs", folder / "scratch", self._told_of)
        self.backups = Backups(folder / "backups", folder / "project.db")
        self.datasets = Datasets(self.database)
        self.features = Features(self.database)
        self.pairs = Pairs(self.database)
        self.jobs = Jobs(self.database)
        self.runs = Runs(self.database)
        self.edits = Edits(self.database, folder / "edits")
        self.edit_models = EditModels(self.database)
        self.prompts = Prompts(self.database)
        self.derived = Derived(folder / "derived", self._spare_folder())
        self.annotations = Annotations(self.database)
        self.annotation_queues = AnnotationQueues(self.database)
        if not read_only:
            self.blobs.clear_scratch()
            self._presence.enter()

    def partial_folder(self, key: str) -> Path:
        """Where work named `key` keeps finished chunks until it is done; made when asked for."""
        self.database.require_writable()
        folder = self.folder / "partial" / key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def run_folder(self, run_id: int) -> Path:
        """Where the checkpoints, beliefs and model of a run lie; not made."""
        return self.folder / "runs" / str(run_id)

    def editor_folder(self, model_id: int) -> Path:
        """Where the checkpoints, samples and weights of an in-domain editor lie; not made."""
        return self.folder / "editors" / str(model_id)

    def log_file(self, job_id: int) -> Path:
        """The text a job printed."""
        return self.folder / "logs" / f"job-{job_id}.txt"

    @contextmanager
    def saving(self) -> Iterator[None]:
        """The stretch from the first blob of something to the record that names it.

        One process at a time is in it. The blobs it adds are written down, and those that it leaves
        without a record are removed when the block raises; when the process is killed, by the next
        one that is here.

        Raises:
            ProjectError: Another process has been in it for ten minutes.
        """
        self.database.require_writable()
        journal = self.folder / "scratch" / "saving.txt"
        try:
            with FileLock(self.folder / "saving.lock", timeout=_SAVING_SECONDS):
                self._remove_unnamed(journal)
                self.blobs.journal = journal
                try:
                    yield
                except BaseException:
                    with suppress(Exception):  # the first error is the one to tell
                        self._remove_unnamed(journal)
                    raise
                finally:
                    self.blobs.journal = None
                journal.unlink(missing_ok=True)
        except Timeout as error:
            raise ProjectError(
                f"Another process has been saving into {self.folder} for over "
                f"{_SAVING_SECONDS / 60:.0f} minutes. Close other CAD Studio programs on this "
                "project."
            ) from error

    @contextmanager
    def removing(self) -> Iterator[Removal]:
        """The stretch in which records are deleted; the files that only they named go at its end.

        What no record named before is not touched: a database that does not know a file is no
        reason to delete it.

        Raises:
            ProjectError: The database is damaged; nothing was deleted.
        """
        with self.saving():
            self.database.require_whole()
            blobs, folders = self._named()
            removal = Removal()
            yield removal
            blobs_left, folders_left = self._named()
            removal.freed_bytes = self.blobs.remove(blobs - blobs_left)
            for room, numbers in folders.items():
                for number in numbers - folders_left[room]:
                    removal.freed_bytes += _delete_folder(self.folder / room / str(number))
            removal.freed_bytes += sum(map(self.edits.remove_older_files, self.edits.sets()))
            origins = {name.partition(".")[0] for name in blobs_left}
            origins |= {f"run{number}" for number in folders_left["runs"]}
            removal.freed_bytes += self.derived.remove_except(origins)
            self.blobs.clear_scratch()

    def references(self) -> list[Reference]:
        """Every blob that a record names, with what it is."""
        with self.database.read() as connection:
            return list(references(connection))

    def copy_if_due(self) -> Path | None:
        """Copy the database, unless that was done within a day or there is nothing in it yet.

        Raises:
            DamageError: It is damaged; the copies made before are kept.
        """
        if self.read_only or not self.backups.is_due():
            return None
        if not self.datasets.names() and not self.jobs.recent(1):
            return None
        return self.backups.make()

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()
        self._presence.leave()
        if self._elsewhere is not None:
            self._elsewhere.cleanup()

    def _prepare_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in ("blobs", "scratch", "partial", "logs", "open"):
                (self.folder / name).mkdir(exist_ok=True)
            probe = self.folder / "scratch" / ".writable"
            probe.touch()
            probe.unlink(missing_ok=True)
        except OSError as error:
            raise folder_error(self.folder, error) from error

    def _require_readable(self) -> None:
        if not (self.folder / "project.db").is_file():
            raise ProjectError(
                f"{self.folder} is no CAD Studio project that could be looked at: it has no "
                "project.db. Choose another folder with --project DIR."
            )

    def _look_after_unclean_end(self) -> None:
        """Check the database when a process that had it open was killed or lost its machine."""
        left = self._presence.left_behind()
        if not left:
            return

        def check() -> None:
            self.database.require_whole()
            for file in left:
                file.unlink(missing_ok=True)

        if self.database.file.stat().st_size <= _CHECKED_AT_ONCE:
            check()
            return

        def check_later() -> None:
            try:
                check()
            except ProjectError as error:
                self.database.refuse_writing(str(error))
                _LOG.error("%s", error)

        threading.Thread(target=check_later, name="check-database", daemon=True).start()

    def _spare_folder(self) -> Path | None:
        """Where results go that can be made again, when the project takes none."""
        if not self.read_only:
            return None
        self._elsewhere = tempfile.TemporaryDirectory(prefix="cad-studio-")
        return Path(self._elsewhere.name)

    def _named(self) -> tuple[set[str], dict[str, set[int]]]:
        """The blobs, and the folders by room, that records name."""
        with self.database.read() as connection:
            return {each.blob for each in references(connection)}, folder_numbers(connection)

    def _remove_unnamed(self, journal: Path) -> None:
        """Remove the blobs that were written down and got no record."""
        try:
            written = journal.read_text(encoding="utf-8").split()
        except FileNotFoundError:
            return
        self.database.require_whole()
        self.blobs.remove(set(written) - self._named()[0])
        journal.unlink(missing_ok=True)

    def _told_of(self, blob: str) -> str:
        """What a damaged blob belongs to and what can be done, in sentences."""
        try:
            found = [each for each in self.references() if each.blob == blob]
        except (ProjectError, DamageError):
            return ""
        words = " and ".join(dict.fromkeys(each.words for each in found)) or "nothing any more"
        advice = " ".join(dict.fromkeys(each.advice for each in found))
        return (
            f"It holds {words}. Nothing was changed. {advice} "
            "To see all that is affected: python -m cad_studio verify."
        )


def folder_size(folder: Path) -> int:
    """Bytes of all files in a folder; 0 where there is none."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _delete_folder(folder: Path) -> int:
    freed = folder_size(folder)
    shutil.rmtree(folder, ignore_errors=True)
    return freed
