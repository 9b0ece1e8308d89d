"""The finished, diagnosed runs that come with a bundled sample.

Of each run three files lie in `assets/sample-runs`: what `run train` wrote, without checkpoints and
packed by xz; an `.npz` of what its network says of every sample, its map and its suspects, numbers
of half precision; and a `.json` of the run's settings and how all of it was made. `edits.npz` holds
class-specific edits of the samples that are most entangled, and what one of the runs says of them.
"""

import json
import logging
import lzma
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from cad_studio.core.assets import ASSETS
from cad_studio.core.errors import CadStudioError
from cad_studio.core.progress import Part, Progress
from cad_studio.core.records import Run
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.diagnosis.predictions import PredictionService
from cad_studio.services.edits.editors import BUNDLED_EDITOR
from cad_studio.services.training.runs import BUNDLED, MODEL_FILE, PACKED
from cad_studio.services.training.travelling import TravelService
from cad_studio.store.edit_files import encode
from cad_studio.store.edits import Evidence
from cad_studio.store.projects import Project

FOLDER = ASSETS / "sample-runs"
RESULT_SUFFIX = ".result.zip.xz"
EDITS_FILE = "edits.npz"
DERIVED = "derived/"
"""Begins the names of arrays that are files of the project's folder `derived`, and of texts."""
EVIDENCE = ("before", "after", "top_before", "top_after")
"""Arrays of `EDITS_FILE`: what the judge says of each edit."""

_LOG = logging.getLogger(__name__)
_BROKEN = (OSError, EOFError, KeyError, ValueError, lzma.LZMAError, zipfile.BadZipFile, zlib.error)
"""What a damaged file of these raises."""


class SampleRuns:
    """The runs that come with the sample, in one project."""

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        travel: TravelService,
        predictions: PredictionService,
        folder: Path = FOLDER,
    ) -> None:
        """Bring what lies in `folder` into `project` through its other services."""
        self._project = project
        self._datasets = datasets
        self._travel = travel
        self._predictions = predictions
        self._folder = folder

    def announce(self, name: str) -> None:
        """Write down the runs on a sample that was just imported; `bring` then makes them whole.

        Once only: a run that its owner deletes later does not come back.
        """
        record = self._datasets.get(name)
        for file in sorted(self._folder.glob("*.json")):
            told = json.loads(file.read_text(encoding="utf-8"))
            if told["dataset"] == name and told["version"] == record.version.hash:
                bundled = {BUNDLED: file.stem, PACKED: {"id": told["pack"], "with_truth": True}}
                self._project.runs.add(
                    {
                        "dataset_id": record.id,
                        "version_hash": record.version.hash,
                        "candidates": record.version.candidates,
                        "environment": bundled,
                        **told["run"],
                    }
                )

    def waiting(self) -> list[Run]:
        """The runs that were announced and are not whole yet, the first one first."""
        return [
            run
            for run in reversed(self._project.runs.all())
            if BUNDLED in run.environment and run.finished_at is None and run.removed_at is None
        ]

    def bring(self, progress: Progress) -> list[str]:
        """Make the announced runs whole; a run whose files do not fit is left out.

        Returns:
            Why runs were left out, sentences.
        """
        waiting, brought, notes = self.waiting(), {}, []
        for at, run in enumerate(waiting):
            part = Part(progress, at / len(waiting), (at + 1) / len(waiting))
            part.report(0.0, f"Opening the run {run.name} that comes with the sample")
            try:
                self._bring(run, part)
                brought[run.environment[BUNDLED]] = run.id
            except (CadStudioError, *_BROKEN) as error:
                self._project.runs.delete([run.id])
                notes.append(f"The run {run.name} that comes with the sample is left out: {error}")
                _LOG.warning("%s", notes[-1])
        if brought:
            try:
                self._bring_edits(brought)
            except (CadStudioError, *_BROKEN) as error:
                notes.append(f"The edits that come with the sample are left out: {error}")
                _LOG.warning("%s", notes[-1])
        return notes

    def _bring(self, run: Run, progress: Progress) -> None:
        name = run.environment[BUNDLED]
        # All is read before anything is taken: a damaged file leaves nothing of the run behind.
        told = json.loads((self._folder / f"{name}.json").read_text(encoding="utf-8"))
        with np.load(self._folder / f"{name}.npz", allow_pickle=False) as kept:
            arrays = {each: kept[each] for each in kept.files}
        with tempfile.TemporaryDirectory(dir=self._project.folder / "scratch") as scratch:
            result = Path(scratch) / f"{name}.result.zip"
            source = self._folder / f"{name}{RESULT_SUFFIX}"
            with lzma.open(source) as whole, result.open("wb") as file:
                shutil.copyfileobj(whole, file)
            self._travel.take(result, progress)
        answers = {each: kept for each, kept in arrays.items() if not each.startswith(DERIVED)}
        if not self._predictions.adopt(run.id, answers, told["card"], told["model_time_ns"]):
            _LOG.warning("the answers of %s are not its model's; diagnose it again", run.name)
            return
        for each in arrays.keys() - answers.keys():
            target = each.removeprefix(DERIVED).replace("run-", f"run{run.id}-", 1)
            if target.endswith(".json"):
                self._project.derived.save_json(target, json.loads(arrays[each].tobytes()))
            else:
                self._project.derived.save_array(target, arrays[each].astype(np.float32))

    def _bring_edits(self, runs: dict[str, int]) -> None:
        """Store the edits, and what their judge says of them, if it is among `runs` by its file."""
        from cad_studio.training.judging import key_of  # loads torch

        with np.load(self._folder / EDITS_FILE, allow_pickle=False) as kept:
            arrays = {each: kept[each] for each in kept.files}
        told = json.loads(arrays["about"].tobytes())
        judge = runs.get(told["judge"])
        if judge is None:
            return
        judged_by = key_of(self._project.run_folder(judge) / MODEL_FILE)
        record = self._datasets.get(told["dataset"])
        edits = self._project.edits
        settings = {**told["settings"], "model": str(BUNDLED_EDITOR)}
        edit_set = edits.open(record.id, told["editor"], told["key"], settings, told["shape"])
        if edits.last(edit_set.id):
            return
        columns = {each: arrays[each].tolist() for each in ("row", "label", "bond", "similarity")}
        edits.add(edit_set, columns, [encode(each, told["shape"]) for each in arrays["pixels"]])
        seen = {each: arrays[each] for each in EVIDENCE}
        found = Evidence(edits.index(edit_set.id).id, **seen)
        edits.add_evidence(judged_by, found)


def packed(folder: Path) -> dict[str, Any]:
    """The answers kept in a run's folder `diagnosis`, as small as they can be for later.

    Args:
        folder: Of the diagnosis.

    Returns:
        Arrays by name: numbers as float16, rows as uint16 where they fit.
    """
    found = {}
    for file in sorted(folder.glob("*.npy")):
        array = np.load(file, allow_pickle=False)
        is_rows = array.dtype.kind in "iu"
        if is_rows and len(array) and array.max() > np.iinfo(np.uint16).max:
            found[file.stem] = array
        else:
            found[file.stem] = array.astype(np.uint16 if is_rows else np.float16)
    return found
