"""The studio in Python: what the pages show as data frames, what they do as calls.

    from cad_studio import Studio

    with Studio("my-project") as studio:
        data = studio.dataset("sample")
        pairs = data.pairs(features="pixels", quantile=1e-4)

Everything goes through the same services as the pages and the commands, into the same project; a
window that is open on it shows the result. Calls work in this process and return when they are
done; `StudioDataset.train` trains in the background, as the Train page does.
"""

import os
from collections.abc import Iterable
from operator import index
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pandas as pd

from cad_studio.config import prepare, read_config
from cad_studio.core.progress import Progress, Silent
from cad_studio.core.records import Job
from cad_studio.interface.dataset import StudioDataset
from cad_studio.interface.given import known_fields, listed, run_number
from cad_studio.interface.run import StudioRun
from cad_studio.interface.window import StudioWindow
from cad_studio.services.container import Services
from cad_studio.services.operations import run_operation
from cad_studio.views.training import RunEntryView

_OF_THE_COMMAND = {"split": "splits", "images": "images_dir", "cache": "cache_dir"}
"""Options that the command `import` calls otherwise."""

if TYPE_CHECKING:
    from cad_studio.datasets._base import ReadOptions


class Studio:
    """A project. Use it in a `with` block, or call `close` at the end.

    Attributes:
        services: What all entry points use; for what this interface leaves out.
        progress: Told how far long work is.
    """

    def __init__(self, folder: str | Path | None = None, progress: Progress | None = None) -> None:
        """Open a project, or make an empty one.

        Args:
            folder: Where it lies; None takes `CAD_PROJECT`, else `~/.cad-studio`.
            progress: Told how far long work is.

        Raises:
            ProjectError: The folder cannot be used.
        """
        prepare(os.environ)
        place = None if folder is None else Path(folder)
        self.services = Services(read_config(os.environ, project=place))
        self.progress = progress or Silent()
        self._window: StudioWindow | None = None

    def __enter__(self) -> "Studio":
        """The studio itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the project."""
        self.close()

    def close(self) -> None:
        """Let go of the project and close its window; what trains in the background goes on."""
        if self._window is not None:
            self._window.close()
        self.services.close()

    def datasets(self) -> pd.DataFrame:
        """The datasets: `kind`, `samples`, `classes`, `version`, `created`; index `name`."""
        found = self.services.datasets.all()
        rows = [
            (each.name, each.kind, each.n_samples, each.n_classes, each.version.number,
             each.created_at)
            for each in found
        ]  # fmt: skip
        columns = ["name", "kind", "samples", "classes", "version", "created"]
        return pd.DataFrame(rows, columns=columns).set_index("name")

    def dataset(self, name: str) -> "StudioDataset":
        """A dataset; the bundled `sample` and `sample-hard` are made ready when first named.

        Raises:
            RecordNotFoundError: There is none of this name.
        """
        self.services.sample.bring(name, self.progress)
        self.services.datasets.get(name)
        return StudioDataset(self, name)

    def import_dataset(
        self, source: str | Path, name: str, *, skip_bad: bool = False, **options: Any
    ) -> "StudioDataset":
        """Read a source into the project.

        Args:
            source: Path, `hf:OWNER/NAME` or `torchvision:NAME`.
            name: What it is called here.
            skip_bad: Leave out samples that cannot be imported; `describe()["report"]` has them.
            options: Fields of `ReadOptions`, such as `candidates="sets.csv"`, by these names or
                those of the command `import`.

        Raises:
            SettingError: The name is taken, or an option is not known.
            DatasetFormatError: The source is not what its format asks for.
        """
        from cad_studio.services.datasets.importing import resolved_source

        known = _read_options(options)
        self.services.require_writable()
        self.services.importing.import_source(
            resolved_source(str(source)), name, known, skip_bad, self.progress
        )
        return StudioDataset(self, name)

    def preview(self, source: str | Path, **options: Any) -> dict[str, Any]:
        """How a source would be read, without reading it in: `ImportService.preview`.

        Args:
            source: As in `import_dataset`, as are the options.
            options: Fields of `ReadOptions`.
        """
        from cad_studio.services.datasets.importing import resolved_source

        place, known = resolved_source(str(source)), _read_options(options)
        return self.services.importing.preview(place, known, self.progress)

    def take(self, file: str | Path) -> "StudioRun":
        """Bring the result of a packed run back, as if it had been trained here.

        Args:
            file: What `run train` wrote on another machine.
        """
        return StudioRun(self, self.do("take", file=str(Path(file).absolute()))["run"])

    def purge(self) -> int:
        """Delete the runs that were removed for good; returns the bytes that came free."""
        self.services.require_writable()
        return self.services.runs.purge()

    def verify(self) -> dict[str, Any]:
        """Check every stored file against what was written: `VerifyService.verify`."""
        return self.do("verify")

    def models(self) -> pd.DataFrame:
        """Networks of the Hugging Face Hub to extract features with: `spec`, `licence`, size."""
        return pd.DataFrame(self.services.hub_models.offers()["models"])

    def runs(self, dataset: str | None = None) -> pd.DataFrame:
        """The runs, newest first, as the Train page lists them; index `id`.

        `test_accuracy`, `entangled_accuracy` and `disambiguation` use true labels.
        """
        return listed(self.services.runs.all(dataset), "id", RunEntryView.__annotations__)

    def run(self, run_id: int) -> "StudioRun":
        """A run by its number.

        Raises:
            RecordNotFoundError: There is none.
        """
        self.services.runs.get(index(run_id))
        return StudioRun(self, index(run_id))

    def compare(self, runs: Iterable["StudioRun | int"], split: str | None = None) -> pd.DataFrame:
        """Figures of several runs side by side; index the figures, a column each run.

        Args:
            runs: Two or more; the first is the one the others are held against.
            split: Where they are judged; None for the split each is judged by.
        """
        numbers = [run_number(each) for each in runs]
        for number in numbers:
            self.services.diagnosis.predictions.prepare(number, self.progress)
        found = self.services.diagnosis.comparison.compare(numbers, split)
        names = [f"{each['name']} ({each['run']})" for each in found["runs"]]
        return pd.DataFrame(
            [each["values"] for each in found["figures"]],
            index=pd.Index([each["key"] for each in found["figures"]], name="figure"),
            columns=names,
        )

    def jobs(self, limit: int = 20) -> pd.DataFrame:
        """The newest background jobs: `kind`, `title`, `status`, `fraction`, `message`; index `id`."""  # noqa: E501
        rows = [
            (job.id, job.kind, job.title, job.status, job.fraction, job.message)
            for job in self.services.jobs.recent(limit)
        ]
        columns = ["id", "kind", "title", "status", "fraction", "message"]
        return pd.DataFrame(rows, columns=columns).set_index("id")

    def job(self, job_id: int) -> Job:
        """A background job, with what it came to in `result`."""
        return self.services.jobs.get(index(job_id))

    def job_log(self, job_id: int) -> str:
        """What a job has printed."""
        return self.services.jobs.log(index(job_id))[0]

    def stop(self, job_id: int) -> None:
        """Ask a background job to stop."""
        self.services.jobs.stop(index(job_id))

    def resume(self, job_id: int) -> None:
        """Go on with a background job that was stopped or interrupted."""
        self.services.jobs.resume(index(job_id))

    def move(self, job_id: int, to: str) -> None:
        """Move a job that waits: `up`, `down` or `first`."""
        self.services.jobs.move(index(job_id), to)

    def window(self, height: int = 900, page: str = "") -> StudioWindow:
        """The pages over this project; as the last value of a notebook's cell they show there.

        Args:
            height: Of the frame in a notebook, in pixels.
            page: What the address opens, such as `open=pairs&dataset=sample`; empty for Home.

        Returns:
            The window that is open already, or a new one; `close` of either ends it.

        Raises:
            CadStudioError: It does not start.
        """
        if self._window is None or not self._window.is_open:
            self._window = StudioWindow(self.services.project.folder, height, page)
        return self._window

    def do(self, kind: str, **arguments: Any) -> dict[str, Any]:
        """Any other piece of work a job can be, in this process, such as `augment` or `report`.

        Args:
            kind: A key of `services.operations.KINDS`.
            arguments: As a job of this kind takes them.

        Raises:
            SettingError: There is no such kind.
        """
        if kind != "verify":
            self.services.require_writable()
        return run_operation(self.services, kind, arguments, self.progress)


def _read_options(given: dict[str, Any]) -> "ReadOptions":
    from cad_studio.datasets._base import ReadOptions

    named = {
        _OF_THE_COMMAND.get(name, name): str(value) if isinstance(value, Path) else value
        for name, value in given.items()
    }
    return ReadOptions(**known_fields(ReadOptions, named, "an option of an import"))
