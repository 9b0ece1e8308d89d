"""Runs that are trained on another machine: packed into one file, and taken back from another."""

import math
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.archive import Archive
from cad_studio.core.errors import CadStudioError, RecordNotFoundError, SettingError
from cad_studio.core.progress import Part, Progress
from cad_studio.core.records import ACTIVE, Run
from cad_studio.services.access import Access
from cad_studio.services.annotation.annotated_sets import AnnotatedSets
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.services.jobs import JobService
from cad_studio.services.pairs.mining import MiningService
from cad_studio.services.training.runs import PACKED, RunService, name_of
from cad_studio.services.training.training import TrainingRequest, TrainingService
from cad_studio.store.database import now
from cad_studio.store.projects import Project

if TYPE_CHECKING:
    from cad_studio.training.result import TrainedRun

PACK_SUFFIX = ".run.zip"
_OPENING, _PACKING = 0.4, 0.95


class TravelService:
    """Packs runs of one project, and takes their results back."""

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        mining: MiningService,
        training: TrainingService,
        runs: RunService,
        jobs: JobService,
        sets: AnnotatedSets,
        access: Access,
    ) -> None:
        """Read from `project` through the other services; `jobs` works in the background.

        `access` says who may name a file.
        """
        self._project = project
        self._folder = project.folder / "exports"
        self._datasets = datasets
        self._mining = mining
        self._training = training
        self._runs = runs
        self._jobs = jobs
        self._sets = sets
        self._access = access

    def create(self, request: TrainingRequest, with_truth: bool) -> Run:
        """Write down a run that is to be trained elsewhere, on the newest version of its dataset.

        Raises:
            RecordNotFoundError, SettingError: As `TrainingService.create`; or the method learns
                from true labels, and they are not to travel.
        """
        from cad_studio.training.pack import check_truth

        check_truth(request.method, with_truth)
        run = self._training.create(request)
        self._project.runs.change(run.id, environment={PACKED: {"with_truth": with_truth}})
        return self._project.runs.get(run.id)

    def submit_pack(self, request: TrainingRequest, with_truth: bool) -> dict[str, int]:
        """Pack a run in the background; the file can then be had as that of an export.

        Returns:
            `run` and `job`, their numbers.
        """
        run = self.create(request, with_truth)
        try:
            job = self._jobs.submit("pack", {"run": run.id}, **self.about(run))
        except CadStudioError:
            self._project.runs.delete([run.id])
            raise
        self._training.attach(run.id, job.id)
        return {"run": run.id, "job": job.id}

    def submit_take(self, path: str) -> dict[str, int]:
        """Take a result file back in the background.

        Returns:
            `job`, its number.

        Raises:
            SettingError: No path is given.
            DatasetFormatError, RecordNotFoundError: As `take`; all but damage is told at once.
            NotAllowedError, ReadOnlyError: The one who acts may not name a file.
        """
        if not path.strip():
            raise SettingError("Give the path of a result file, or upload one.")
        self._access.require_to_reach(path.strip())
        file = Path(path.strip()).expanduser().absolute()
        run = self._fitting(_opened(file))
        return {"job": self._jobs.submit("take", {"file": str(file)}, file=name_of(run)).id}

    def about(self, run: Run) -> dict[str, str]:
        """What the title of a job that packs a run names."""
        return {"run": name_of(run), "dataset": self._runs.dataset_of(run).name}

    def file_name(self, run: Run) -> str:
        """What a packed run is called: its name and number, where a file may be called so."""
        safe = re.sub(r"[^\w.-]+", "-", name_of(run)).strip(".-")[:80] or "run"
        return f"{safe}-{run.id}{PACK_SUFFIX}" if run.name else f"{safe}{PACK_SUFFIX}"

    def pack(self, run_id: int, out: Path | None, progress: Progress) -> dict[str, Any]:
        """Write all that a run needs into one file.

        Args:
            run_id: From `create`.
            out: The file to write; None makes one in the project's folder `exports`.
            progress: Told how far it is.

        Returns:
            `run`, `name`, `dataset`, `data_version`, `version_number`, `out`, `bytes`,
            `with_truth`, and `notes`: which version travels, and what the user should know.

        Raises:
            SettingError: The run was not made to be packed, or was taken back already.
            StorageError: The disk is full, or the file cannot be written.
            NotAllowedError, ReadOnlyError: The one who acts may not choose the file.
        """
        from cad_studio.training.pack import write_pack

        if out is not None:
            self._access.require_to_reach(str(out))
        run = self._project.runs.get(run_id)
        if PACKED not in run.environment:
            raise SettingError(
                f"{name_of(run)} is a run of this machine. Pack a new one: "
                "python -m cad_studio run pack DATASET."
            )
        self._require_untaken(run)
        with_truth = bool(run.environment[PACKED]["with_truth"])
        inputs = self._training.inputs(run, Part(progress, 0.0, _OPENING))
        data = self._loaded(run)
        version = self._version(run)
        if out is None:
            self._folder.mkdir(exist_ok=True)
            out = self._folder / self.file_name(run)
        features = self._mining.load_features(
            self._mining.extract(data.record.name, run.features, Part(progress, _OPENING, _OPENING))
        )
        about = {
            "name": name_of(run),
            "run": run.id,
            "packed_at": now(),
            "dataset": {
                "name": data.record.name, "version": run.version_hash, "version_number": version,
            },
        }  # fmt: skip
        # A head on frozen features travels with its vectors, and without the images.
        images = self._images(data) if inputs.data.pixels is not None else {}
        packed = write_pack(
            out, inputs.data, self._training.plan(run), inputs.outside, features,
            images, about, with_truth, Part(progress, _OPENING, _PACKING),
        )  # fmt: skip
        run = self._project.runs.get(run_id)
        kept = {
            PACKED: {"id": packed, "at": about["packed_at"], "with_truth": with_truth},
            "left_out": inputs.left_out,
            **({"class_views": inputs.words} if inputs.words else {}),
        }
        self._project.runs.change(run_id, environment={**run.environment, **kept})
        notes = [self._version_words(run, version), *([inputs.words] if inputs.words else [])]
        from cad_studio.models._base import has_learned

        if has_learned(run.backbone):
            notes.append(
                f"The first weights of {run.backbone} are not in the file: the other machine takes "
                "them from where that name says."
            )
        return {
            "run": run_id,
            "name": name_of(run),
            "dataset": data.record.name,
            "data_version": run.version_hash,
            "version_number": version,
            "out": str(out),
            "bytes": out.stat().st_size,
            "with_truth": with_truth,
            "notes": notes,
        }

    def pack_for_cluster(self, run_id: int, out: Path, progress: Progress) -> None:
        """Write a run of this project into a file for a worker of the user's own cluster.

        True labels go along, as they are there for a run that is trained here.
        """
        run = self._project.runs.get(run_id)
        environment = {**run.environment, PACKED: {"with_truth": True}}
        self._project.runs.change(run_id, environment=environment)
        self.pack(run_id, out, progress)

    def take(self, path: Path, progress: Progress, is_ours: bool = False) -> dict[str, Any]:
        """Bring the result of a packed run back: curves, beliefs, checkpoints and model.

        All or nothing: before everything is checked and unpacked, the run stays as it is.

        Args:
            path: The result file.
            progress: Told how far it is.
            is_ours: Whether the job that has the run trained takes it back.

        Returns:
            As `TrainingService.result`, and `notes`.

        Raises:
            DatasetFormatError: The file is something else, or damaged.
            RecordNotFoundError: It belongs to no run of this project.
            SettingError: The run was taken back already, or is being packed, or is in the trash.
            StorageError: The disk is full.
            NotAllowedError, ReadOnlyError: The one who acts may not name a file.
        """
        self._access.require_to_reach(str(path))
        found = _opened(path)
        run = self._fitting(found, is_ours)
        folder = self._project.run_folder(run.id)
        scratch = folder / ".taking"
        shutil.rmtree(scratch, ignore_errors=True)  # of a process that was killed
        try:
            for place, name in enumerate(found.files):
                progress.report(0.9 * place / len(found.files), f"Checking {path.name}")
                found.archive.extract(name, scratch / name)
            progress.report(0.9, "Storing the results")
            with self._project.saving():
                run = self._fitting(found, is_ours)
                _move_into(folder, scratch)
                for report in found.reports:
                    is_best = report["epoch"] == found.best_epoch
                    self._project.runs.save_report(run.id, report, is_best)
                environment = {**run.environment, **found.environment, "words": found.words}
                environment[PACKED] = {**environment[PACKED], "taken_at": now()}
                self._project.runs.change(
                    run.id, environment=environment, config={**run.config, **found.changes},
                    finished_at=now(), best_epoch=found.best_epoch,
                )  # fmt: skip
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        notes = [f"Checkpoint {name} was damaged and passed over." for name in found.damaged]
        notes += [*found.words, f"Trained on {found.environment['device']}."]
        return {**self._training.result(run.id), "notes": notes}

    def _fitting(self, found: "TrainedRun", is_ours: bool = False) -> Run:
        """The run that a result belongs to, if it may be taken now."""
        name = found.archive.path.name
        run = next(
            (
                each
                for each in self._project.runs.all()
                if each.environment.get(PACKED, {}).get("id") == found.pack
            ),
            None,
        )
        told = found.archive.about.get("dataset") or {}
        if run is None:
            raise RecordNotFoundError(
                f"{name} belongs to no run of this project: it was packed in another one, the run "
                "or its dataset was deleted, or the run was packed again since. "
                f"It was packed on {told.get('name', 'a dataset')!s:.100}."
            )
        if run.removed_at is not None:
            raise SettingError(
                f"{name_of(run)} is in the trash. Restore it first: "
                f"python -m cad_studio runs restore {run.id}."
            )
        if told.get("version") != run.version_hash:
            raise SettingError(
                f"{name} was trained on version {told.get('version')} of the data, and "
                f"{name_of(run)} is on {run.version_hash}. Pack the run again."
            )
        self._require_untaken(run)
        if not is_ours and self._project.runs.statuses().get(run.id) in ACTIVE:
            raise SettingError(
                f"{name_of(run)} is still being packed. Wait until that is done, then take the "
                "result of the new file."
            )
        return run

    def _require_untaken(self, run: Run) -> None:
        if run.finished_at is not None:
            raise SettingError(
                f"{name_of(run)} was taken back already, on {run.finished_at[:16]}. "
                "Nothing was changed."
            )

    def _loaded(self, run: Run) -> LoadedDataset:
        return self._datasets.load_for_run(self._runs.dataset_of(run).name, run.version_hash)

    def _version(self, run: Run) -> int:
        """Number of the version that a run is bound to."""
        name = self._runs.dataset_of(run).name
        versions = self._project.datasets.versions(name)
        return next(each.number for each in versions if each.hash == run.version_hash)

    def _version_words(self, run: Run, number: int) -> str:
        record = self._datasets.get(self._runs.dataset_of(run).name)
        words = f"Version {number} of {record.name} travels"
        if self._sets.is_ahead(record) or record.version.hash != run.version_hash:
            return f"{words}; what was annotated or changed since then does not."
        return f"{words}, with everything annotated until now."

    def _images(self, data: LoadedDataset) -> dict[str, NDArray[Any]]:
        """The images as they are stored, by name."""
        files, blobs = data.record.files, self._project.blobs
        if "pixels" in files:
            record = data.record
            shape = (record.n_samples, record.height, record.width, record.channels)
            flat = blobs.map_bytes(files["pixels"], math.prod(map(int, shape)))
            return {"pixels": flat.reshape(shape)}
        if "encoded" in files:
            offsets = np.asarray(blobs.load_array(files["offsets"]))
            return {
                "encoded": blobs.map_bytes(files["encoded"], int(offsets[-1])),
                "offsets": offsets,
            }
        return {}


def _opened(path: Path) -> "TrainedRun":
    from cad_studio.training.result import open_result

    return open_result(Archive(path))


def _move_into(folder: Path, scratch: Path) -> None:
    """Put what was unpacked in the place of what was there; other files stay."""
    for each in scratch.iterdir():
        target = folder / each.name
        if target.is_dir():
            shutil.rmtree(target)
        os.replace(each, target)
