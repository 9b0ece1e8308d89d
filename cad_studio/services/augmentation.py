"""Make class-specific edits of a dataset's samples, store them with evidence, delete them."""

import time
from dataclasses import asdict, dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import ResourceError
from cad_studio.core.progress import Part, Progress, Silent
from cad_studio.core.records import EditSet
from cad_studio.core.settings import settings_from_json
from cad_studio.services.datasets import DatasetService, check_row
from cad_studio.services.edit_plan import (
    EditBudget,
    Entanglement,
    find_entanglement,
    wanted_edits,
    wanted_of,
)
from cad_studio.services.edit_sets import EditSetService
from cad_studio.services.editing import Batcher, bonds, kept_shape, similarity, source_image
from cad_studio.services.editors import IN_DOMAIN, EditorService
from cad_studio.services.evidence import aligned, judge_edits, judge_pairs
from cad_studio.services.jobs import JobService
from cad_studio.services.judges import JudgeService
from cad_studio.services.loaded import LoadedDataset
from cad_studio.services.mining import MiningService
from cad_studio.services.run_inputs import split_rows
from cad_studio.store.edit_files import encode
from cad_studio.store.edits import EditIndex
from cad_studio.store.projects import Project

if TYPE_CHECKING:
    from cad_studio.augment._base import Editor

_FEATURES = "pixels"
_SAVED_AT_ONCE = 256
_MEASURED = 32


@dataclass(frozen=True)
class AugmentRequest:
    """Edits, as a user asks for them.

    Attributes:
        dataset: Name in the project.
        editor: A registered editor.
        settings: Fields of the editor's settings that differ from their defaults.
        budget: Fields of `EditBudget` that differ from theirs.
        run: The run that judges the edits; None takes the best one by its held-out candidates.
        rows: Only these samples, all their candidates, whatever the budget; None by the budget.
    """

    dataset: str
    editor: str = IN_DOMAIN
    settings: dict[str, Any] = field(default_factory=dict)
    budget: dict[str, Any] = field(default_factory=dict)
    run: int | None = None
    rows: list[int] | None = None


@dataclass(frozen=True)
class _Work:
    """What is wanted, and what of it is there.

    Attributes:
        row: int64 (M,). In the order they are made.
        label: int64 (M,).
        bond: int64 (M,).
        is_there: bool (M,).
    """

    row: NDArray[np.int64]
    label: NDArray[np.int64]
    bond: NDArray[np.int64]
    is_there: NDArray[np.bool_]


class AugmentationService:
    """The edits of one project."""

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        mining: MiningService,
        editors: EditorService,
        judges: JudgeService,
        sets: EditSetService,
        jobs: JobService,
    ) -> None:
        """Store into `project`; read through the others; `jobs` works in the background."""
        self._project = project
        self._datasets = datasets
        self._mining = mining
        self._editors = editors
        self._judges = judges
        self._sets = sets
        self._jobs = jobs
        self._entangled: tuple[tuple[int, str], Entanglement] | None = None
        self._lock = Lock()

    def submit(self, request: AugmentRequest) -> dict[str, int]:
        """Make edits in the background; returns `job`, its number.

        Raises:
            ReadOnlyError: Nothing may be changed here.
            SettingError, ResourceError: It cannot be done, with the reason.
        """
        self._checked(request)
        title = f"Make {request.editor} edits of {request.dataset}"
        return {"job": self._jobs.submit("augment", title, asdict(request)).id}

    def submit_estimate(self, request: AugmentRequest) -> dict[str, int]:
        """Measure in the background what edits will take; the job's result is the estimate."""
        self._checked(request)
        title = f"Measure {request.editor} on {request.dataset}"
        return {"job": self._jobs.submit("estimate-edits", title, asdict(request)).id}

    def submit_judging(self, set_id: int, run_id: int) -> dict[str, int]:
        """Judge all edits of a set by a run, in the background; returns `job`."""
        name = self._sets.name_of(self._project.edits.get(set_id))
        self._judges.check(name, run_id)
        arguments = {"name": name, "set": set_id, "run": run_id}
        title = f"Judge edits of {name} by {self._judges.name(run_id)}"
        return {"job": self._jobs.submit("judge-edits", title, arguments).id}

    def make(self, request: AugmentRequest, progress: Progress) -> dict[str, Any]:
        """Make the edits that are wanted and not there yet, and judge them.

        What is made is kept batch by batch: stopped or killed, the work goes on where it was.

        Returns:
            `made`, `reused`, `failed` (left out: blank after a second try), `wanted`, `seconds`,
            `bytes` (of the whole set), `reached_class` (share whose most probable class is the
            one aimed at), `changed_class` (the same among those that were not so before),
            `similarity_to_source` (mean), `set`, `editor`, `dataset`, `judge` (a run or None),
            `notes`. Figures that need a judge are None without one.

        Raises:
            JobCancelled: The user asked to stop; what was made is kept.
            CadStudioError: It cannot be done, with the reason.
        """
        started = time.monotonic()
        settings, budget = self._checked(request)
        editor = self._editors.open(request.dataset, request.editor, settings)
        data = self._datasets.load(request.dataset)
        work, edit_set = self._plan(request, settings, budget, editor, Part(progress, 0.0, 0.1))
        todo = np.flatnonzero(~work.is_there)
        batcher = Batcher(editor)
        left = budget.max_seconds - (time.monotonic() - started) if budget.max_seconds else None
        made, failed = self._make(
            edit_set, data, work, todo, batcher, left, Part(progress, 0.1, 0.85)
        )
        notes = list(batcher.notes)
        if len(todo) > made + failed:
            notes.append(f"The time was up: {len(todo) - made - failed:,} edits are still to make.")
        if failed:
            notes.append(f"{failed:,} edits came out blank twice and were left out.")
        found = {
            "set": edit_set.id, "editor": request.editor, "dataset": request.dataset,
            "wanted": len(work.row), "made": made, "reused": int(work.is_there.sum()),
            "failed": failed,
        }  # fmt: skip
        index = self._matching(edit_set, work)
        judged, note = self._judge_made(request, edit_set, data, index, Part(progress, 0.85, 1.0))
        return {
            **found,
            **judged,
            "similarity_to_source": _rounded(index.similarity.mean()) if len(index) else None,
            "seconds": round(time.monotonic() - started, 2),
            "bytes": self._project.edits.counts().get(edit_set.id, (0, 0))[1],
            "notes": [*notes, *note],
        }

    def estimate(self, request: AugmentRequest, progress: Progress) -> dict[str, Any]:
        """Measure on a few edits, which are thrown away, what the rest will take.

        Returns:
            `wanted`, `reused`, `to_make`, `seconds`, `bytes`, `edits_per_second`, `source`.
        """
        settings, budget = self._checked(request)
        editor = self._editors.open(request.dataset, request.editor, settings)
        data = self._datasets.load(request.dataset)
        work, edit_set = self._plan(request, settings, budget, editor, Part(progress, 0.0, 0.6))
        todo = np.flatnonzero(~work.is_there)
        progress.report(0.6, "Measuring a few edits")
        sample = todo[np.linspace(0, len(todo) - 1, min(len(todo), _MEASURED)).astype(np.int64)]
        if not len(sample):
            pace, size = 0.0, 0.0
        else:
            self._edited(data, work, sample[:1], Batcher(editor))  # what only the first one costs
            if editor.batch_size == 1:
                sample = sample[:1]
            began = time.monotonic()
            pairs = self._edited(data, work, sample, Batcher(editor))
            pace = (time.monotonic() - began) / len(sample)
            sizes = [len(encode(one, edit_set.shape)) for _, one in pairs if one is not None]
            size = float(np.mean(sizes)) if sizes else 0.0
        seconds = pace * len(todo)
        if budget.max_seconds:
            seconds = min(seconds, budget.max_seconds)
        return {
            "wanted": len(work.row),
            "reused": int(work.is_there.sum()),
            "to_make": len(todo),
            "seconds": round(seconds, 3),
            "bytes": round(size * len(todo)),
            "edits_per_second": round(1 / pace, 1) if pace else None,
            "source": f"measured on {len(sample)} edits just now",
        }

    def judge(self, set_id: int, run_id: int, progress: Progress) -> dict[str, Any]:
        """Judge all edits of a set by a run: `set`, `judge`, `judged`."""
        edit_set = self._project.edits.get(set_id)
        name = self._sets.name_of(edit_set)
        self._judges.check(name, run_id)
        data, index = self._datasets.load(name), self._project.edits.index(set_id)
        self._judge(name, edit_set, data, index, run_id, progress)
        return {"set": set_id, "judge": run_id, "judged": len(index)}

    def entanglement(self, name: str, progress: Progress | None = None) -> Entanglement:
        """The entangled pairs of the training samples; the last dataset's are remembered."""
        data = self._datasets.load(name)
        key = (data.record.id, data.record.version.hash)
        with self._lock:
            if self._entangled is None or self._entangled[0] != key:
                progress = progress or Silent()
                features = self._mining.extract(name, _FEATURES, Part(progress, 0.0, 0.5))
                train_rows, _ = split_rows(data)
                found = find_entanglement(
                    self._mining.load_features(features),
                    data.candidates,
                    train_rows,
                    Part(progress, 0.5, 1.0),
                )
                self._entangled = (key, found)
            return self._entangled[1]

    def _checked(self, request: AugmentRequest) -> tuple[dict[str, Any], EditBudget]:
        settings = self._editors.settings(request.dataset, request.editor, request.settings)
        budget = settings_from_json(EditBudget, request.budget)
        data = self._datasets.load(request.dataset)
        for row in request.rows or []:
            check_row(data, row)
        if request.run is not None:
            self._judges.check(request.dataset, request.run)
        return settings, budget

    def _plan(
        self,
        request: AugmentRequest,
        settings: dict[str, Any],
        budget: EditBudget,
        editor: "Editor",
        progress: Progress,
    ) -> tuple[_Work, EditSet]:
        name, data = request.dataset, self._datasets.load(request.dataset)
        assert data.pixels is not None
        if request.rows is not None:
            rows, labels = wanted_of(np.array(request.rows, np.int64), data.candidates)
        else:
            progress.report(0.0, "Finding entangled pairs")
            entanglement = self.entanglement(name, progress)
            rows, labels = wanted_edits(entanglement, data.candidates, budget)
        if budget.limit:
            rows, labels = rows[: budget.limit], labels[: budget.limit]
        texts = self._editors.text_of_class(name, request.editor)
        bond = bonds(data.pixels, rows, labels, texts)
        edit_set = self._project.edits.open(
            data.record.id, request.editor, editor.key(), settings, kept_shape(data.pixels)
        )
        index = self._project.edits.index(edit_set.id)
        known = set(zip(index.row.tolist(), index.label.tolist(), index.bond.tolist(), strict=True))
        wanted = zip(rows.tolist(), labels.tolist(), bond.tolist(), strict=True)
        is_there = np.array([each in known for each in wanted], bool)
        return _Work(rows, labels, bond, is_there), edit_set

    def _make(
        self,
        edit_set: EditSet,
        data: LoadedDataset,
        work: _Work,
        todo: NDArray[np.int64],
        batcher: Batcher,
        seconds: float | None,
        progress: Progress,
    ) -> tuple[int, int]:
        """Make edits and keep them batch by batch; how many were made, and how many failed."""
        made = failed = 0
        started = time.monotonic()
        while made + failed < len(todo):
            spent = time.monotonic() - started
            if seconds is not None and spent >= seconds:
                break
            done = made + failed
            pace = f", {done / spent:,.1f}/s" if done else ""
            progress.report(done / len(todo), f"{done:,} of {len(todo):,} edits{pace}")
            part = todo[done : done + min(max(batcher.size, 1), _SAVED_AT_ONCE)]
            pairs = self._edited(data, work, part, batcher)
            good = [at for at, (_, one) in enumerate(pairs) if one is not None]
            kept = part[good]
            if good:
                self._project.edits.add(
                    edit_set,
                    {
                        "row": work.row[kept].tolist(),
                        "label": work.label[kept].tolist(),
                        "bond": work.bond[kept].tolist(),
                        "similarity": [similarity(*pairs[at]) for at in good],
                    },
                    [encode(pairs[at][1], edit_set.shape) for at in good],
                )
            made, failed = made + len(good), failed + len(part) - len(good)
        return made, failed

    def _edited(
        self, data: LoadedDataset, work: _Work, part: NDArray[np.int64], batcher: Batcher
    ) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8] | None]]:
        """Sources and their edits; None for one that failed."""
        assert data.pixels is not None
        images = [source_image(data.pixels, row) for row in work.row[part].tolist()]
        # The seed is bound to image and class, so an edit made again is the same.
        seeds = work.bond[part] % (1 << 31)
        made = batcher.edit(images, work.label[part], seeds)
        return list(zip(images, made, strict=True))

    def _matching(self, edit_set: EditSet, work: _Work) -> EditIndex:
        """The edits that are wanted and there by now."""
        index = self._project.edits.index(edit_set.id)
        wanted = set(zip(work.row.tolist(), work.label.tolist(), work.bond.tolist(), strict=True))
        own = zip(index.row.tolist(), index.label.tolist(), index.bond.tolist(), strict=True)
        return index.take(np.array([each in wanted for each in own], bool))

    def _judge_made(
        self,
        request: AugmentRequest,
        edit_set: EditSet,
        data: LoadedDataset,
        index: EditIndex,
        progress: Progress,
    ) -> tuple[dict[str, Any], list[str]]:
        nothing = {"reached_class": None, "changed_class": None, "judge": None}
        try:
            run_id = self._judges.choose(request.dataset, request.run)
        except ResourceError as error:
            return nothing, [str(error)]
        judge_key = self._judge(request.dataset, edit_set, data, index, run_id, progress)
        evidence = self._project.edits.evidence(edit_set.id, judge_key)
        place = aligned(index, evidence)
        place = place[place >= 0]
        if not len(place):
            return {**nothing, "judge": run_id}, []
        label = index.label[aligned(index, evidence) >= 0]
        reached = evidence.top_after[place] == label
        was_other = evidence.top_before[place] != label
        return {
            "reached_class": _rounded(reached.mean()),
            "changed_class": _rounded(reached[was_other].mean()) if was_other.any() else None,
            "judge": run_id,
        }, []

    def _judge(
        self,
        name: str,
        edit_set: EditSet,
        data: LoadedDataset,
        index: EditIndex,
        run_id: int,
        progress: Progress,
    ) -> str:
        """Judge edits and their pairs; returns the key of the judge."""
        judge = self._judges.open(run_id)
        edits = self._project.edits
        judge_edits(edits, edit_set, index, data, judge, Part(progress, 0.0, 0.7))
        whole = edits.index(edit_set.id)
        good = whole.take(self._sets.is_good(edit_set, whole))
        found = self.entanglement(name)
        judge_pairs(edits, edit_set, good, data, found, judge, Part(progress, 0.7, 1.0))
        return judge.key


def _rounded(value: float) -> float:
    return round(float(value), 4)
