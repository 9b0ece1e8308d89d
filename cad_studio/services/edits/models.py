"""Train in-domain editors on a dataset's own images, and keep them."""

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import DamageError, RecordNotFoundError, SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Part, Progress
from cad_studio.core.records import ACTIVE, EditModel
from cad_studio.core.replacing import replacing
from cad_studio.core.settings import settings_from_json, settings_to_json
from cad_studio.mining.spreading import propagated
from cad_studio.services.annotation.annotated_sets import AnnotatedSets
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.services.edits.judges import JudgeService
from cad_studio.services.jobs import JobService
from cad_studio.services.pairs.mining import MiningService
from cad_studio.services.training.inputs import split_rows
from cad_studio.store.array_files import BrokenFile, open_array
from cad_studio.store.database import now
from cad_studio.store.projects import Project, folder_size
from cad_studio.training.denoiser_settings import EDITOR_FILE, DenoiserConfig
from cad_studio.views.augmentation import EditModelView

if TYPE_CHECKING:
    from cad_studio.training.denoising import DenoisingReport

PROPAGATION = "propagation"
_FEATURES = "hog"
_BELIEF_FILE = "belief.npy"


@dataclass(frozen=True)
class EditModelRequest:
    """An in-domain editor, as a user asks for it.

    Attributes:
        dataset: Name in the project.
        run: A run whose belief tells the classes; None takes propagation among neighbours.
        config: Fields of `DenoiserConfig` that differ from their defaults.
    """

    dataset: str
    run: int | None = None
    config: dict[str, Any] = field(default_factory=dict)


class EditModelService:
    """The in-domain editors of one project."""

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        mining: MiningService,
        judges: JudgeService,
        jobs: JobService,
        sets: AnnotatedSets,
    ) -> None:
        """Store into `project`; read through the others.

        `jobs` trains in the background; `sets` brings in what was annotated until then.
        """
        self._project = project
        self._datasets = datasets
        self._mining = mining
        self._judges = judges
        self._jobs = jobs
        self._sets = sets

    def create(self, request: EditModelRequest) -> EditModel:
        """Write down an editor of the current version of a dataset, ready to be trained.

        Raises:
            RecordNotFoundError: There is no such dataset or run.
            SettingError: A setting is out of range, or the dataset has no images.
        """
        self._sets.settle(request.dataset)
        data = self._datasets.load(request.dataset)
        if data.pixels is None:
            raise SettingError(
                f"{request.dataset} holds feature vectors; an editor learns from images."
            )
        config = settings_from_json(DenoiserConfig, request.config)
        belief = PROPAGATION
        if request.run is not None:
            self._judges.check(request.dataset, request.run)
            belief = f"run:{request.run}"
        version = data.record.version
        return self._project.edit_models.add(
            {
                "dataset_id": data.record.id,
                "version_hash": version.hash,
                "candidates": version.candidates,
                "belief": belief,
                "config": settings_to_json(config),
            }
        )

    def attach(self, model_id: int, job_id: int) -> None:
        """Say which job trains an editor."""
        self._project.edit_models.change(model_id, job_id=job_id)

    def submit(self, request: EditModelRequest) -> dict[str, int]:
        """Train in the background; returns `editor` and `job`, their numbers."""
        model = self.create(request)
        try:
            job = self._jobs.submit("edit-model", {"editor": model.id}, dataset=request.dataset)
        except BaseException:
            self._project.edit_models.delete(model.id)
            raise
        self.attach(model.id, job.id)
        return {"editor": model.id, "job": job.id}

    def train(self, model_id: int, progress: Progress) -> dict[str, Any]:
        """Train an editor to its end, or go on with it where its last checkpoint is.

        Returns:
            `editor`, `dataset`, `epochs`, `loss` (of the last epoch), `seconds` (of this call),
            `images_per_second`, `bytes`, `file`, `belief`.

        Raises:
            JobCancelled: The user asked to stop; a checkpoint was saved.
        """
        from cad_studio.training.data import TrainingData
        from cad_studio.training.denoising import DenoiserTrainer

        model = self._project.edit_models.get(model_id)
        data = self._load(model)
        config = settings_from_json(DenoiserConfig, model.config)
        data.require_whole()
        self._project.blobs.check([model.candidates])
        sets = PartialLabels(
            self._project.blobs.load_array(model.candidates), data.record.n_classes
        )
        train_rows, test_rows = split_rows(data)
        train_rows = train_rows[sets.take(train_rows).sizes() > 0]
        made = TrainingData(
            candidates=sets,
            train_rows=train_rows,
            test_rows=test_rows,
            pixels=data.pixels,
            class_names=data.record.class_names,
        )
        belief = self._belief(model, data, sets, train_rows, Part(progress, 0.0, 0.05))
        source = f"{data.record.name}, version {model.version_hash}, classes by {model.belief}"
        folder = self._project.editor_folder(model_id)
        trainer = DenoiserTrainer(made, belief, config, folder, source)
        reports = {report["epoch"]: report for report in model.reports}

        def on_epoch(report: "DenoisingReport") -> None:
            reports[report.epoch] = asdict(report)
            kept = [reports[epoch] for epoch in sorted(reports)]
            self._project.edit_models.change(model_id, reports=kept)

        started, n_before = time.monotonic(), len(reports)
        file = trainer.fit(Part(progress, 0.05, 1.0), on_epoch)
        seconds = time.monotonic() - started
        self._project.edit_models.change(model_id, finished_at=now())
        n_shown = (len(reports) - n_before) * len(train_rows)
        return {
            "editor": model_id,
            "dataset": data.record.name,
            "epochs": len(reports),
            "loss": reports[max(reports)]["loss"],
            "seconds": round(seconds, 1),
            "images_per_second": round(n_shown / max(seconds, 1e-9)),
            "bytes": file.stat().st_size,
            "file": str(file),
            "belief": model.belief,
        }

    def all(self, name: str) -> list[EditModelView]:
        """The editors of a dataset, newest first, as plain values."""
        return [self._row(model) for model in self._project.edit_models.all(self._id(name))]

    def samples(self, model_id: int, epoch: int) -> Path:
        """The grid of samples an editor drew after an epoch, a PNG.

        Raises:
            RecordNotFoundError: There is none.
        """
        from cad_studio.training.denoising import samples_file

        self._project.edit_models.get(model_id)
        file = samples_file(self._project.editor_folder(model_id), epoch)
        if not file.is_file():
            raise RecordNotFoundError(f"Editor {model_id} has no samples of epoch {epoch + 1}.")
        return file

    def remove(self, model_id: int) -> dict[str, Any]:
        """Delete an editor; the edits made with it stay.

        Raises:
            SettingError: It is being trained.
        """
        model = self._project.edit_models.get(model_id)
        if self._status(model) in ACTIVE:
            raise SettingError(f"Editor {model_id} is being trained. Stop it first.")
        with self._project.removing() as removal:
            self._project.edit_models.delete(model_id)
        return {"removed": model_id, "freed_bytes": removal.freed_bytes}

    def _belief(
        self,
        model: EditModel,
        data: LoadedDataset,
        sets: PartialLabels,
        rows: NDArray[np.int64],
        progress: Progress,
    ) -> NDArray[np.float32]:
        """Belief over the candidates, float32 (N, C); true labels have no part in it.

        Told once and kept beside the checkpoints: the model of a run may change meanwhile.
        """
        file = self._project.editor_folder(model.id) / _BELIEF_FILE
        if file.is_file():
            try:
                return open_array(file)
            except BrokenFile as error:
                raise DamageError(
                    f"The file {file} {error}. It holds the belief that editor {model.id} learns "
                    "from. Nothing was changed. Put it back from a copy of the project folder, or "
                    "train a new editor."
                ) from error
        belief = self._told(model, data, sets, rows, progress)
        with replacing(file) as unfinished, unfinished.open("wb") as stream:
            np.save(stream, belief)
        return belief

    def _told(
        self,
        model: EditModel,
        data: LoadedDataset,
        sets: PartialLabels,
        rows: NDArray[np.int64],
        progress: Progress,
    ) -> NDArray[np.float32]:
        if model.belief != PROPAGATION:
            run_id = int(model.belief.partition(":")[2])
            return self._judges.belief(run_id, sets, rows, progress)
        found = self._mining.extract(data.record.name, _FEATURES, progress)
        features = np.asarray(self._mining.load_features(found)[rows])
        return propagated(features, sets.take(rows))

    def _row(self, model: EditModel) -> dict[str, Any]:
        folder = self._project.editor_folder(model.id)
        file = folder / EDITOR_FILE
        return {
            "id": model.id,
            "status": self._status(model),
            "job": model.job_id,
            "belief": model.belief,
            "epochs": model.config["epochs"],
            "epochs_done": len(model.reports),
            "losses": [report["loss"] for report in model.reports],
            "data_version": model.version_hash,
            "model_bytes": file.stat().st_size if file.is_file() else None,
            "bytes": folder_size(folder),
            "created_at": model.created_at,
        }

    def _status(self, model: EditModel) -> str:
        if model.finished_at is not None:
            return "done"
        return "interrupted" if model.job_id is None else self._jobs.get(model.job_id).status

    def _load(self, model: EditModel) -> LoadedDataset:
        for record in self._datasets.all():
            if record.id == model.dataset_id:
                return self._datasets.load(record.name)
        raise RecordNotFoundError(f"The dataset of editor {model.id} is not in this project.")

    def _id(self, name: str) -> int:
        return self._datasets.get(name).id
