"""Diagnosis of runs: its services put together, and how a run is made ready for them."""

from contextlib import suppress
from typing import Any

from cad_studio.core.errors import CadStudioError
from cad_studio.core.progress import Progress
from cad_studio.core.workers import ALONE, Workers
from cad_studio.services.access import Access
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.datasets.pictures import PictureService
from cad_studio.services.diagnosis.comparison import ComparisonService
from cad_studio.services.diagnosis.confusion import ConfusionService
from cad_studio.services.diagnosis.instances import InstanceService
from cad_studio.services.diagnosis.map_colours import MapColours
from cad_studio.services.diagnosis.maps import MapService
from cad_studio.services.diagnosis.predictions import PredictionService
from cad_studio.services.diagnosis.reporting import ReportService
from cad_studio.services.diagnosis.slices import SliceService
from cad_studio.services.diagnosis.suspects import SuspectService
from cad_studio.services.jobs import JobService
from cad_studio.services.pairs.mining import OF_A_RUN, MiningService
from cad_studio.services.training.runs import RunService
from cad_studio.store.projects import Project
from cad_studio.views.diagnosis import DiagnosedRunView


class Diagnosis:
    """Everything a user can ask of the runs of one project.

    Attributes:
        predictions: Answers of the models, kept.
        confusion: Matrices, classes and entanglement of a run.
        comparison: Runs beside each other.
        instances: One sample, one pair.
        maps: Embedding maps.
        colours: What their points can be coloured by.
        suspects: Samples to look at again.
        slices: Figures for each value of a field.
        report: One file with all of it.
    """

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        mining: MiningService,
        runs: RunService,
        jobs: JobService,
        pictures: PictureService,
        access: Access,
        workers: Workers = ALONE,
    ) -> None:
        """Build the services over the others of the same project."""
        self._runs = runs
        self._jobs = jobs
        self.predictions = PredictionService(project, datasets, mining, runs)
        self.confusion = ConfusionService(self.predictions)
        self.comparison = ComparisonService(project, runs, self.predictions, self.confusion)
        self.instances = InstanceService(runs, self.predictions)
        self.maps = MapService(project, datasets, mining, self.predictions, jobs)
        self.colours = MapColours(project, self.predictions, self.comparison, datasets.fields)
        self.suspects = SuspectService(project, datasets, mining, self.predictions, jobs, workers)
        self.slices = SliceService(self.predictions, datasets.fields, self.suspects)
        self.report = ReportService(
            project, self.predictions, self.confusion, self.comparison, pictures, self.suspects,
            jobs, access,
        )  # fmt: skip

    def submit(self, run_id: int) -> dict[str, int]:
        """Ask a run's model about every sample in the background.

        Returns:
            `job`, its number.
        """
        self._runs.model_path(run_id)
        name = self._runs.get(run_id)["name"]
        return {"job": self._jobs.submit("diagnose", {"run": run_id}, run=name).id}

    def prepare(self, run_id: int, progress: Progress) -> dict[str, Any]:
        """Ask a run's model about every sample, unless that was done; `run` and its figures."""
        self.predictions.prepare(run_id, progress)
        overview = self.confusion.overview(run_id)
        return {"run": run_id, "split": overview["split"], "figures": overview["figures"]}

    def warm(self) -> None:
        """Answer once what the page asks first, so that nobody waits for it.

        Of the run asked last: libraries are loaded, its answers read, its map laid out. Without
        such a run nothing is done and nothing loaded.
        """
        ready = (row for row in self._runs.all() if self.predictions.is_ready(row["id"]))
        run = next(ready, None)
        if run is None:
            return
        with suppress(CadStudioError):  # the page will say it to whoever asks
            self.confusion.overview(run["id"])
            self.colours.columns(run["id"], None)
            self.maps.state(run["dataset"], f"{OF_A_RUN}{run['id']}")
            self.instances.instance(run["id"], 0)

    def runs(self, name: str) -> list[DiagnosedRunView]:
        """The runs on a dataset that have a model, newest first, and whether they were asked."""
        return [
            {
                "id": row["id"],
                "name": row["name"],
                "method": row["method"],
                "status": row["status"],
                "seed": row["seed"],
                "is_ready": self.predictions.is_ready(row["id"]),
                "is_stale": row["is_stale"],
                "version_number": row["data_number"],
            }
            for row in self._runs.all(name)
            if row["model_bytes"] is not None
        ]

    def evaluation(self, run_id: int, split: str | None, progress: Progress) -> dict[str, Any]:
        """What `evaluate` adds to the plain figures of a run.

        Returns:
            `figures` by key, `confusion` (`classes`, `counts`; None without truth),
            `confused_pairs`, `classes`, `reliability`, `entanglement`, `notes`.
        """
        self.predictions.prepare(run_id, progress)
        overview = self.confusion.overview(run_id, split, order="own")
        counts = self.confusion.confusion_matrix(run_id, split)
        classes = self.confusion.classes(run_id, split)
        return {
            "figures": overview["figures"],
            "confusion": None
            if counts is None
            else {"classes": overview["class_names"], "counts": counts.tolist()},
            "confused_pairs": overview["pairs"],
            "classes": classes["classes"],
            "reliability": classes["reliability"],
            "entanglement": self.confusion.entanglement(run_id, split),
            "notes": overview["notes"],
        }
