"""The bundled samples: open them in a new project.

Both hold the same images, ids, split and order. `sample` has the candidate sets of an annotator
that learned for 30 epochs; `sample-hard` those of one that was stopped after 5, in which most
classes have a distractor in nearly every set.
"""

from dataclasses import replace
from typing import Any

from cad_studio.core.assets import ASSETS
from cad_studio.core.errors import ResourceError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Part, Progress
from cad_studio.datasets._arrays import NpzArchive, as_mask
from cad_studio.datasets._base import ReadOptions, read_source
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.datasets.importing import ImportService
from cad_studio.services.pairs.mining import MiningRequest, MiningService
from cad_studio.services.training.sample_runs import SampleRuns

SAMPLE_NAME = "sample"
HARD_NAME = "sample-hard"
SAMPLES = {SAMPLE_NAME: "candidates", HARD_NAME: "candidates_hard"}
"""Name in the project -> array in the file."""

SAMPLE_FILE = ASSETS / "sample.npz"
SAMPLE_QUANTILE = 1e-3


class SampleService:
    """The bundled samples in one project."""

    def __init__(
        self,
        importing: ImportService,
        datasets: DatasetService,
        mining: MiningService,
        runs: SampleRuns,
    ) -> None:
        """Work through the other services of the same project."""
        self._importing = importing
        self._datasets = datasets
        self._mining = mining
        self._runs = runs

    def is_wanted(self) -> bool:
        """Whether samples, their pairs or their runs are still to be made ready in this project.

        A project with other datasets whose owner removed the samples is left alone, and so is one
        of an earlier version, whose only sample has what is now `sample-hard`.
        """
        names = self._datasets.names()
        held = [name for name in SAMPLES if name in names]
        unmined = any(not self._mining.minings(name) for name in held)
        return not names or unmined or bool(self._runs.waiting())

    def open(self, progress: Progress) -> dict[str, Any]:
        """See that a new project has both samples, their pixel features, pairs and finished runs.

        Does nothing that was done before.

        Returns:
            `name` to begin with, `names` that were made ready, and `notes`, what was left out.

        Raises:
            ResourceError: The file is missing from this copy of the studio.
        """
        names = self._datasets.names()
        cut_off = (
            SAMPLE_NAME in names
            and not self._mining.minings(SAMPLE_NAME)
            and self.bundled_sets(SAMPLE_NAME) == SAMPLE_NAME
        )
        wanted = [name for name in SAMPLES if name in names or not names or cut_off]
        self._make_ready(wanted, Part(progress, 0.0, 0.8), with_runs=True)
        notes = self._runs.bring(Part(progress, 0.8, 1.0))
        return {"name": SAMPLE_NAME, "names": wanted, "notes": notes}

    def bring(self, name: str, progress: Progress) -> None:
        """Make a sample ready where it is named in a project that does not hold it yet.

        A project without any dataset gets both.

        Raises:
            ResourceError: The file is missing from this copy of the studio.
        """
        names = self._datasets.names()
        if name in SAMPLES and name not in names:
            self._make_ready([name] if names else list(SAMPLES), progress)

    def bundled_sets(self, name: str) -> str | None:
        """Which sample's sets a dataset was imported with, by content; None for sets of its own."""
        if not SAMPLE_FILE.is_file():
            return None
        first = self._datasets.first_sets(name)
        return next((sample for sample, sets in _bundled().items() if sets == first), None)

    def note(self, name: str) -> str:
        """What a reader must know of a dataset that bears a sample's name, or nothing.

        A project made by an earlier version keeps the `sample` it has, whose sets are now those
        of `sample-hard`.
        """
        if name == SAMPLE_NAME and self.bundled_sets(name) == HARD_NAME:
            return (
                f"This project was made by an earlier version: its {SAMPLE_NAME} was imported with "
                f"the sets that are now called {HARD_NAME}. The new {SAMPLE_NAME} comes with a new "
                f"project, or by importing {SAMPLE_FILE.name} under another name."
            )
        return ""

    def _make_ready(self, wanted: list[str], progress: Progress, with_runs: bool = False) -> None:
        missing = [name for name in wanted if name not in self._datasets.names()]
        if missing and not SAMPLE_FILE.is_file():
            raise ResourceError(
                f"{SAMPLE_FILE} is missing. Restore it from the repository, or rebuild it: "
                "python -m cad_studio build-sample FOLDER."
            )
        part = Part(progress, 0.0, 0.4)
        for at, name in enumerate(missing):
            step = Part(part, at / len(missing), (at + 1) / len(missing))
            found = read_source(str(SAMPLE_FILE), ReadOptions(format="npz"), step)
            found = replace(found, candidates=_bundled()[name])
            self._importing.store(found, name, str(SAMPLE_FILE), False, step)
            if with_runs:
                self._runs.announce(name)
        part = Part(progress, 0.4, 1.0)
        for at, name in enumerate(wanted):
            if not self._mining.minings(name):
                request = MiningRequest("pixels", MiningConfig(quantile=SAMPLE_QUANTILE))
                step = Part(part, at / len(wanted), (at + 1) / len(wanted))
                self._mining.mine(name, request, step)


def _bundled() -> dict[str, PartialLabels]:
    """The candidate sets of each sample in the file.

    Raises:
        ResourceError: One of them is not in it.
    """
    archive = NpzArchive(SAMPLE_FILE, set(SAMPLES.values()))
    missing = [array for array in SAMPLES.values() if array not in archive.announced]
    if missing:
        raise ResourceError(
            f"{SAMPLE_FILE} lacks {', '.join(missing)}: it is of an earlier version. Restore it "
            "from the repository, or rebuild it: python -m cad_studio build-sample FOLDER."
        )
    return {
        name: PartialLabels.from_dense(as_mask(archive.read(array), array))
        for name, array in SAMPLES.items()
    }
