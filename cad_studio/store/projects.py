"""A project: a folder with a database and the files it names."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sql
from filelock import FileLock, Timeout

from cad_studio.core.errors import ProjectError
from cad_studio.store.annotation_queues import AnnotationQueues
from cad_studio.store.annotations import Annotations
from cad_studio.store.blobs import Blobs
from cad_studio.store.database import Database, folder_error
from cad_studio.store.datasets import Datasets
from cad_studio.store.derived import Derived
from cad_studio.store.edit_models import EditModels
from cad_studio.store.edits import Edits
from cad_studio.store.features import Features
from cad_studio.store.jobs import Jobs
from cad_studio.store.pairs import Pairs
from cad_studio.store.prompts import Prompts
from cad_studio.store.runs import Runs
from cad_studio.store.tables import (
    DATASET,
    DATASET_VERSION,
    EDIT_MODEL,
    FEATURE_SET,
    MINING,
    RUN,
)

_SAVING_SECONDS = 600.0


class Project:
    """An open project folder.

    `project.db` is the database, `blobs/` holds the files it names, `scratch/` unfinished ones,
    `partial/` finished chunks of interrupted work, `derived/` what can be made again, `runs/` a
    folder per run, `editors/` one per in-domain editor, `edits/` one per set of edits, `logs/` a
    text file per job.
    """

    def __init__(self, folder: Path) -> None:
        """Open a folder, making it when it is not there.

        Raises:
            ProjectError: It cannot be made or written, or its database is unusable.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in ("blobs", "scratch", "partial", "logs"):
                (folder / name).mkdir(exist_ok=True)
            probe = folder / "scratch" / ".writable"
            probe.touch()
            probe.unlink(missing_ok=True)
        except OSError as error:
            raise folder_error(folder, error) from error
        self.folder = folder
        self.database = Database(folder / "project.db")
        self.blobs = Blobs(folder / "blobs", folder / "scratch")
        self.datasets = Datasets(self.database)
        self.features = Features(self.database)
        self.pairs = Pairs(self.database)
        self.jobs = Jobs(self.database)
        self.runs = Runs(self.database)
        self.edits = Edits(self.database, folder / "edits")
        self.edit_models = EditModels(self.database)
        self.prompts = Prompts(self.database)
        self.derived = Derived(folder / "derived")
        self.annotations = Annotations(self.database)
        self.annotation_queues = AnnotationQueues(self.database)
        self.blobs.clear_scratch()

    def partial_folder(self, key: str) -> Path:
        """Where work named `key` keeps finished chunks until it is done; made when asked for."""
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

        One process at a time is in it, so that nobody removes blobs which are about to be named.
        When the block raises, the blobs that it leaves without a record are removed.

        Raises:
            ProjectError: Another process has been in it for ten minutes.
        """
        try:
            with FileLock(self.folder / "saving.lock", timeout=_SAVING_SECONDS):
                try:
                    yield
                except BaseException:
                    with suppress(Exception):  # the first error is the one to tell
                        self._remove_unused_blobs()
                    raise
        except Timeout as error:
            raise ProjectError(
                f"Another process has been saving into {self.folder} for over "
                f"{_SAVING_SECONDS / 60:.0f} minutes. Close other CAD Studio programs on this "
                "project."
            ) from error

    def remove_unused_files(self) -> int:
        """Delete blobs and folders no record names, and what killed processes left.

        Returns:
            Bytes freed.
        """
        self.blobs.clear_scratch()
        with self.saving():
            return self._remove_unused_blobs() + self._remove_unused_folders()

    def _remove_unused_folders(self) -> int:
        kept = {
            "runs": {run.id for run in self.runs.all()},
            "editors": {model.id for model in self.edit_models.all()},
            "edits": {edit_set.id for edit_set in self.edits.sets()},
        }
        freed = 0
        for room, numbers in kept.items():
            for folder in (self.folder / room).glob("*"):
                if folder.name.isdecimal() and int(folder.name) not in numbers:
                    freed += folder_size(folder)
                    shutil.rmtree(folder, ignore_errors=True)
        return freed + sum(map(self.edits.remove_older_files, self.edits.sets()))

    def _remove_unused_blobs(self) -> int:
        used: set[str] = set()
        with self.database.read() as connection:
            for table in (DATASET, MINING):
                for files in connection.scalars(sql.select(table.c.files)):
                    used.update(files.values())
            used.update(connection.scalars(sql.select(DATASET_VERSION.c.candidates)))
            used.update(connection.scalars(sql.select(FEATURE_SET.c.file)))
            used.update(connection.scalars(sql.select(RUN.c.candidates)))
            used.update(connection.scalars(sql.select(EDIT_MODEL.c.candidates)))
        origins = {name.partition(".")[0] for name in used}
        origins |= {f"run{run.id}" for run in self.runs.all()}
        return self.blobs.remove_except(used) + self.derived.remove_except(origins)

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()


def folder_size(folder: Path) -> int:
    """Bytes of all files in a folder; 0 where there is none."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
