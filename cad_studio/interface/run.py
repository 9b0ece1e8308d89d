"""A run of a project, in Python."""

import time
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.errors import (
    CadStudioError,
    JobCancelled,
    RecordNotFoundError,
    SettingError,
)
from cad_studio.core.records import ACTIVE, ENDED
from cad_studio.interface.given import maybe_run
from cad_studio.services.datasets.datasets import class_index
from cad_studio.views.diagnosis import (
    DiagnosedPairView,
    DiagnosedSampleView,
    EntanglementView,
)
from cad_studio.views.training import RunView

if TYPE_CHECKING:
    from cad_studio.interface.studio import Studio
    from cad_studio.services.diagnosis.answers import Predictions

_POLL_SECONDS = 0.5


class StudioRun:
    """A run of a project.

    Attributes:
        id: Its number.
    """

    def __init__(self, studio: "Studio", run_id: int) -> None:
        """Made by `StudioDataset.train` or `Studio.run`."""
        self.id = run_id
        self._studio = studio
        self._services = studio.services

    def __repr__(self) -> str:
        """Its name and how it stands."""
        return f"<run {self.id}, {self.describe()['name']}: {self.status}>"

    def describe(self) -> RunView:
        """Everything known of it but its curves: `RunService.get`."""
        return self._services.runs.get(self.id)

    @property
    def status(self) -> str:
        """`queued`, `running`, `stopping`, `done`, `failed`, `cancelled` or `interrupted`."""
        job = self.describe()["job"]
        if job is not None:
            self._services.jobs.get(job)  # notices a process that is gone
        return self.describe()["status"]

    def wait(self, timeout: float | None = None) -> "StudioRun":
        """Wait until it is trained.

        Args:
            timeout: Seconds to wait at most; None waits for its end.

        Returns:
            The run itself.

        Raises:
            TimeoutError: It is not done by then; it goes on.
            JobCancelled: It was stopped.
            CadStudioError: It failed, in the words of its job.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while self.status not in ENDED or self._is_at_work():
            if until is not None and time.monotonic() > until:
                raise TimeoutError(f"Run {self.id} is not done after {timeout:g} s; it goes on.")
            time.sleep(_POLL_SECONDS)
        told = self.describe()
        if told["status"] == "done":
            return self
        if told["status"] == "cancelled":
            raise JobCancelled
        raise CadStudioError(told["error"] or f"Run {self.id} was {told['status']}.")

    def stop(self) -> None:
        """Ask it to stop; what it learned until then stays, and `resume` goes on with it."""
        self._services.jobs.stop(self._job())

    def resume(self) -> "StudioRun":
        """Go on with a run that was stopped or interrupted."""
        self._services.jobs.resume(self._job())
        return self

    def rename(self, name: str) -> None:
        """Call it something else; an empty name brings its first one back."""
        self._services.require_writable()
        self._services.runs.rename(self.id, name)

    def note(self, text: str) -> None:
        """Write a note beside it."""
        self._services.require_writable()
        self._services.runs.set_note(self.id, text)

    def remove(self) -> None:
        """Put it away; `restore` brings it back until `Studio.purge` deletes it."""
        self._services.require_writable()
        self._services.runs.remove(self.id)

    def restore(self) -> None:
        """Bring it back after `remove`."""
        self._services.require_writable()
        self._services.runs.restore(self.id)

    def push(self, repository: str, private: bool = True) -> dict[str, Any]:
        """Upload its model to the Hugging Face Hub, as `OWNER/NAME`."""
        return self._studio.do("push", run=self.id, repository=repository, private=private)

    def result(self) -> dict[str, Any]:
        """The figures of its model: `TrainingService.result`."""
        return self._services.training.result(self.id)

    def epochs(self) -> pd.DataFrame:
        """Figures of each epoch; those that use true labels begin with `true_labels.`."""
        reports = self._services.runs.reports(self.id)
        found = pd.json_normalize([{**each, "true_labels": each["oracle"]} for each in reports])
        found = found.drop(columns=[name for name in found if name.startswith("oracle.")])
        return found.set_index("epoch") if len(found) else found

    def predictions(self, split: str | None = "all") -> pd.DataFrame:
        """What the model says of each sample, in the network asked once and kept.

        Args:
            split: A split, `all`, or None for the split the run is judged by.

        Returns:
            `id`, `label` (the likeliest class), `candidate` (the likeliest candidate),
            `confidence` (of that candidate among the candidates), and `truth`; index `row`.
        """
        found = self._answers()
        rows = found.rows(split)
        names = found.data.record.class_names
        truth = np.full(len(found.data), UNKNOWN) if found.truth is None else found.truth
        logits = np.asarray(found.logits[rows])
        return pd.DataFrame(
            {
                "id": np.array(found.data.ids, object)[rows],
                "label": pd.Categorical.from_codes(logits.argmax(axis=1), names),
                "candidate": pd.Categorical.from_codes(found.beliefs.best[rows], names),
                "confidence": found.beliefs.believed[rows],
                "truth": pd.Categorical.from_codes(truth[rows], names),
            },
            index=pd.Index(rows, name="row"),
        )

    def logits(self) -> NDArray[np.float32]:
        """What the network gives for every sample, float32 (N, C), memory-mapped."""
        return self._answers().logits

    def embedding(self) -> NDArray[np.float32]:
        """The network's features of every sample, float32 (N, F), unit length, memory-mapped."""
        return self._answers().features

    def confusion(self, split: str | None = None) -> pd.DataFrame:
        """True class (row) against the likeliest class (column), counts; uses true labels.

        Raises:
            SettingError: No true label is known.
        """
        found = self._answers()
        counts = self._services.diagnosis.confusion.confusion_matrix(self.id, split)
        if counts is None:
            raise SettingError("No true label is known here, so there is no confusion matrix.")
        names = found.data.record.class_names
        return pd.DataFrame(counts, index=names, columns=names)

    def figures(self, split: str | None = None) -> dict[str, float | None]:
        """The figures of the Diagnose page: `run_figures.FIGURES` says what they are."""
        self._answers()
        return self._services.diagnosis.confusion.overview(self.id, split)["figures"]

    def classes(self, split: str | None = None) -> pd.DataFrame:
        """Every class in numbers, such as `precision` and `recall`; index `name`."""
        self._answers()
        found = self._services.diagnosis.confusion.classes(self.id, split)["classes"]
        return pd.DataFrame(found).set_index("name")

    def reliability(self, split: str | None = None) -> pd.DataFrame:
        """The reliability diagram, a row each bin: `counts`, `confidence`, `accuracy`.

        Raises:
            SettingError: No true label is known.
        """
        self._answers()
        bins = self._services.diagnosis.confusion.classes(self.id, split)["reliability"]
        if bins is None:
            raise SettingError("No true label is known here, so there is no reliability diagram.")
        return pd.DataFrame({key: bins[key] for key in ("counts", "confidence", "accuracy")})

    def entanglement(self, split: str | None = None) -> EntanglementView:
        """What training made of the entangled pairs: `ConfusionService.entanglement`."""
        self._answers()
        return self._services.diagnosis.confusion.entanglement(self.id, split)

    def slices(self, field: str, split: str | None = None) -> pd.DataFrame:
        """Figures of the samples of each value of a field, or of each `tag`; index `value`."""
        self._answers()
        found = self._services.diagnosis.slices.of(self.id, field, split)["slices"]
        return pd.DataFrame(found).set_index("value")

    def behind(self, matrix: str, a: str, b: str, split: str | None = None) -> NDArray[np.int64]:
        """The samples behind a cell of a matrix, int64 (M,).

        Args:
            matrix: `confusion` (uses true labels), `ambiguity`, `set-model` or `co-occurrence`.
            a: Class of the row.
            b: Class of the column.
            split: As in `predictions`.
        """
        record = self._answers().data.record
        first, second = class_index(record, a), class_index(record, b)
        return self._services.diagnosis.confusion.cell(self.id, matrix, first, second, split)

    def sample(self, row: int) -> DiagnosedSampleView:
        """What it says of one sample, epoch by epoch: `InstanceService.instance`."""
        self._answers()
        return self._services.diagnosis.instances.instance(self.id, index(row))

    def came_apart(self, most: int = 40) -> pd.DataFrame:
        """The closest entangled pairs that training took apart, closest first: rows `i` and `j`."""
        self._answers()
        found = self._services.diagnosis.instances.came_apart(self.id, most)["pairs"]
        return pd.DataFrame(found, columns=["i", "j"])

    def pair(self, i: int, j: int) -> DiagnosedPairView:
        """What it makes of two samples: `InstanceService.pair`."""
        self._answers()
        return self._services.diagnosis.instances.pair(self.id, index(i), index(j))

    def model_path(self) -> Path:
        """The file of its model; `training.model_file.load_model` reads it."""
        return self._services.runs.model_path(self.id)

    def usage(self) -> str:
        """Lines of Python that load its model without the studio."""
        return self._services.runs.model_usage(self.id)

    def report(self, out: str | Path, against: "StudioRun | int | None" = None) -> Path:
        """Write the report as one HTML file."""
        other = maybe_run(against)
        place = str(Path(out).absolute())
        return Path(self._studio.do("report", run=self.id, against=other, out=place)["out"])

    def _answers(self) -> "Predictions":
        return self._services.diagnosis.predictions.prepare(self.id, self._studio.progress)

    def _is_at_work(self) -> bool:
        """Whether its job still is, which diagnoses the run once it is trained."""
        job = self.describe()["job"]
        return job is not None and self._services.jobs.get(job).status in ACTIVE

    def _job(self) -> int:
        job = self.describe()["job"]
        if job is None:
            raise RecordNotFoundError(f"Run {self.id} was not started in the background.")
        return job
