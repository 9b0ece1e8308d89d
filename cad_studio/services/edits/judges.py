"""Runs asked about images: those that judge edits, and whose belief tells an editor the classes."""

import math
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import CadStudioError, ResourceError, SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Progress
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.training.inputs import extractor_of
from cad_studio.services.training.runs import RunService, name_of
from cad_studio.store.projects import Project
from cad_studio.views.augmentation import JudgeView

if TYPE_CHECKING:
    from cad_studio.training.judging import Judge


class JudgeService:
    """The runs of one project, as judges. A run that saw true labels is never one."""

    def __init__(self, project: Project, datasets: DatasetService, runs: RunService) -> None:
        """Read through the others."""
        self._project = project
        self._datasets = datasets
        self._runs = runs
        self._loaded: tuple[tuple[object, ...], Judge] | None = None
        self._lock = Lock()

    def offered(self, name: str) -> list[JudgeView]:
        """The runs that may judge, the one taken first at the top: `id`, `name`, `figures`."""
        offered = []
        for row in self._runs.all(name):
            try:
                self.check(name, row["id"])
            except CadStudioError:
                continue
            offered.append(
                {
                    "id": row["id"],
                    "name": row["name"],
                    "approximated_accuracy": row["approximated_accuracy"],
                    "mean_confidence": row["mean_confidence"],
                    "set_likelihood": row["set_likelihood"],
                }
            )
        # Best by what needs no true label and no confidence rewards; of equals the newest. Runs
        # of before it was measured come last.
        return sorted(offered, key=lambda row: -(row["set_likelihood"] or -math.inf))

    def check(self, name: str, run_id: int) -> None:
        """See that a run may judge images of a dataset.

        Raises:
            RecordNotFoundError: There is no such run, or it has no model yet.
            SettingError: It saw true labels, or other data.
        """
        from cad_studio.algorithms._base import ALGORITHMS

        run = self._project.runs.get(run_id)
        if self._runs.dataset_of(run).name != name:
            raise SettingError(f"{name_of(run)} was trained on another dataset than {name}.")
        if ALGORITHMS.get(run.method).uses_truth:
            raise SettingError(
                f"{name_of(run)} was trained on true labels, which must not reach what is trained. "
                "Choose a run that learned from candidates."
            )
        if run.backbone == "mlp" or extractor_of(run.backbone):
            raise SettingError(f"{name_of(run)} reads feature vectors; choose one of images.")
        self._runs.model_path(run_id)

    def choose(self, name: str, run_id: int | None) -> int:
        """The run to judge by: the one asked for, else the best by its held-out candidates.

        Raises:
            ResourceError: There is none yet.
        """
        if run_id is not None:
            self.check(name, run_id)
            return run_id
        offered = self.offered(name)
        if not offered:
            raise ResourceError(
                f"No run on {name} can judge its edits yet. Train one on the Train page, or with: "
                f"python -m cad_studio train {name} --method proden --set start=propagation."
            )
        return int(offered[0]["id"])

    def open(self, run_id: int) -> "Judge":
        """A run's model, ready; the last one asked for stays loaded."""
        from cad_studio.training.judging import Judge

        file = self._runs.model_path(run_id)
        wanted = (run_id, file.stat().st_mtime_ns)
        with self._lock:
            if self._loaded is None or self._loaded[0] != wanted:
                self._loaded = (wanted, Judge(file))
            return self._loaded[1]

    def name(self, run_id: int) -> str:
        """What a run is called."""
        return name_of(self._project.runs.get(run_id))

    def belief(
        self, run_id: int, sets: PartialLabels, rows: NDArray[np.int64], progress: Progress
    ) -> NDArray[np.float32]:
        """A run's belief over the candidates of some samples of its dataset.

        Args:
            run_id: The run; checked to have learned from candidates only.
            sets: N_all sets.
            rows: int64 (N,).
            progress: Told how far it is.

        Returns:
            float32 (N, C). Zero outside the candidates; rows sum to 1.
        """
        from cad_studio.training.data import TrainingData
        from cad_studio.training.prediction import predict

        name = self._runs.dataset_of(self._project.runs.get(run_id)).name
        self.check(name, run_id)
        data = self._datasets.load(name)
        made = TrainingData(sets, rows, rows[:0], pixels=data.pixels)
        logits = predict(self._runs.model_path(run_id), made, rows, progress)
        dense = sets.dense(rows)
        inside = np.where(dense, logits, -np.inf)
        weights = np.exp(inside - inside.max(axis=1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
