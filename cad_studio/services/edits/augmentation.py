"""Make class-specific edits of a dataset's samples, store them with evidence, delete them."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from cad_studio.core.errors import ResourceError
from cad_studio.core.progress import Part, Progress, Silent
from cad_studio.core.records import EditSet
from cad_studio.core.settings import settings_from_json
from cad_studio.core.workers import ALONE, Workers
from cad_studio.services.datasets.datasets import DatasetService, check_row
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.services.edits.editing import bonds, kept_shape
from cad_studio.services.edits.editors import IN_DOMAIN, EditorService
from cad_studio.services.edits.evidence import aligned, judge_edits, judge_pairs
from cad_studio.services.edits.judges import JudgeService
from cad_studio.services.edits.making import EditMaker, Work
from cad_studio.services.edits.plan import (
    EditBudget,
    Entanglement,
    find_entanglement,
    wanted_edits,
    wanted_of,
)
from cad_studio.services.edits.sets import EditSetService
from cad_studio.services.jobs import JobService
from cad_studio.services.pairs.mining import MiningService
from cad_studio.services.training.inputs import split_rows
from cad_studio.store.edits import NO_EDITS, EditIndex
from cad_studio.store.projects import Project

if TYPE_CHECKING:
    from cad_studio.augment._base import Editor

_FEATURES = "pixels"
_LOOKS, _LOOKS_WITH_PAIRS = 1, 2
"""How often a judge sees an edit and its source: once by itself, once more in its pairs."""


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
        workers: Workers = ALONE,
    ) -> None:
        """Store into `project`; read through the others; `jobs` works in the background.

        `workers` edit.
        """
        self._workers = workers
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
        return {"job": self._jobs.submit("augment", asdict(request)).id}

    def submit_estimate(self, request: AugmentRequest) -> dict[str, int]:
        """Measure in the background what edits will take; the job's result is the estimate."""
        self._checked(request)
        return {"job": self._jobs.submit("estimate-edits", asdict(request)).id}

    def submit_judging(self, set_id: int, run_id: int) -> dict[str, int]:
        """Judge all edits of a set by a run, in the background; returns `job`."""
        name = self._sets.name_of(self._project.edits.get(set_id))
        self._judges.check(name, run_id)
        arguments = {"name": name, "set": set_id, "run": run_id}
        judge = self._judges.name(run_id)
        return {"job": self._jobs.submit("judge-edits", arguments, run=judge).id}

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
        data.require_whole()
        work, found = self._plan(request, budget, editor, Part(progress, 0.0, 0.1))
        run_id, notes = self._judge_of(request)
        maker = self._maker(request, editor, settings, work, run_id)
        left = budget.max_seconds - (time.monotonic() - started) if budget.max_seconds else None

        def open_set() -> EditSet:
            return self._project.edits.open(
                data.record.id, request.editor, editor.key(), settings, kept_shape(data.pixels)
            )

        done = maker.make(found, open_set, left, Part(progress, 0.1, 0.85))
        told = list(maker.notes)
        if done.left:
            told.append(f"The time was up: {done.left:,} edits are still to make.")
        if done.failed:
            told.append(f"{done.failed:,} edits came out blank twice and were left out.")
        index = self._matching(done.edit_set, work)
        seen: dict[str, Any] = {"reached_class": None, "changed_class": None, "judge": run_id}
        if run_id is not None and done.edit_set is not None:
            with_pairs = request.rows is None
            part = Part(progress, 0.85, 1.0)
            seen |= self._judge(done.edit_set, data, index, run_id, with_pairs, part)
        number = None if done.edit_set is None else done.edit_set.id
        return {
            "set": number,
            "editor": request.editor,
            "dataset": request.dataset,
            "wanted": len(work.row),
            "made": done.made,
            "reused": int(work.is_there.sum()),
            "failed": done.failed,
            **seen,
            "similarity_to_source": _rounded(index.similarity.mean()) if len(index) else None,
            "seconds": round(time.monotonic() - started, 2),
            "bytes": self._project.edits.counts().get(number or 0, (0, 0))[1],
            "notes": [*told, *notes],
        }

    def estimate(self, request: AugmentRequest, progress: Progress) -> dict[str, Any]:
        """Measure on a few edits, which are thrown away, what the rest will take.

        Returns:
            `wanted`, `reused`, `to_make` (within the time, where that has an end), `left` (beyond
            it), `seconds` (judging with it), `bytes` (of those to make), `edits_per_second`,
            `source`.
        """
        settings, budget = self._checked(request)
        editor = self._editors.open(request.dataset, request.editor, settings)
        work, _ = self._plan(request, budget, editor, Part(progress, 0.0, 0.6))
        run_id, _ = self._judge_of(request)
        progress.report(0.6, "Measuring a few edits")
        pace = self._maker(request, editor, settings, work, run_id).measure()
        each = pace.making + pace.judging
        to_make = len(work.todo)
        if budget.max_seconds and each:
            to_make = min(to_make, int(budget.max_seconds / each))
        return {
            "wanted": len(work.row),
            "reused": int(work.is_there.sum()),
            "to_make": to_make,
            "left": len(work.todo) - to_make,
            "seconds": round(each * to_make, 3),
            "bytes": round(pace.size * to_make),
            "edits_per_second": round(1 / each, 1) if each else None,
            "source": f"measured on {pace.n_measured} edits just now",
        }

    def judge(self, set_id: int, run_id: int, progress: Progress) -> dict[str, Any]:
        """Judge all edits of a set by a run: `set`, `judge`, `judged`."""
        edit_set = self._project.edits.get(set_id)
        name = self._sets.name_of(edit_set)
        self._judges.check(name, run_id)
        data, index = self._datasets.load(name), self._sets.index(edit_set)
        self._judge(edit_set, data, index, run_id, True, progress)
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
        self, request: AugmentRequest, budget: EditBudget, editor: "Editor", progress: Progress
    ) -> tuple[Work, EditSet | None]:
        """What is wanted, and the set it goes into, where there is one already."""
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
        found = self._project.edits.find(data.record.id, editor.key())
        known = set() if found is None else set(_named(self._sets.index(found)))
        wanted = zip(rows.tolist(), labels.tolist(), bond.tolist(), strict=True)
        is_there = np.array([each in known for each in wanted], bool)
        return Work(rows, labels, bond, is_there), found

    def _maker(
        self,
        request: AugmentRequest,
        editor: "Editor",
        settings: dict[str, Any],
        work: Work,
        run_id: int | None,
    ) -> EditMaker:
        return EditMaker(
            self._project.edits,
            self._datasets.load(request.dataset),
            editor,
            self._editors.recipe(request.dataset, request.editor, settings),
            work,
            None if run_id is None else self._judges.open(run_id),
            _LOOKS if request.rows is not None else _LOOKS_WITH_PAIRS,
            self._workers,
        )

    def _judge_of(self, request: AugmentRequest) -> tuple[int | None, list[str]]:
        """The run that judges, or why there is none."""
        try:
            return self._judges.choose(request.dataset, request.run), []
        except ResourceError as error:
            return None, [str(error)]

    def _matching(self, edit_set: EditSet | None, work: Work) -> EditIndex:
        """The edits that are wanted and there by now."""
        if edit_set is None:
            return NO_EDITS
        index = self._sets.index(edit_set)
        wanted = set(_named(work))
        return index.take(np.array([each in wanted for each in _named(index)], bool))

    def _judge(
        self,
        edit_set: EditSet,
        data: LoadedDataset,
        index: EditIndex,
        run_id: int,
        with_pairs: bool,
        progress: Progress,
    ) -> dict[str, Any]:
        """Judge edits, and the pairs of the whole set: `reached_class` and `changed_class`."""
        judge, edits = self._judges.open(run_id), self._project.edits
        judge_edits(edits, edit_set, index, data, judge, Part(progress, 0.0, 0.6))
        if with_pairs:
            found = self.entanglement(data.record.name, Part(progress, 0.6, 0.7))
            good = self._sets.good(edit_set)
            judge_pairs(edits, edit_set, good, data, found, judge, Part(progress, 0.7, 1.0))
        evidence = edits.evidence(edit_set.id, judge.key)
        place = aligned(index, evidence)
        label, place = index.label[place >= 0], place[place >= 0]
        reached = evidence.top_after[place] == label
        was_other = evidence.top_before[place] != label
        return {
            "reached_class": _rounded(reached.mean()) if len(reached) else None,
            "changed_class": _rounded(reached[was_other].mean()) if was_other.any() else None,
        }


def _named(edits: EditIndex | Work) -> Iterator[tuple[int, int, int]]:
    """Sample, class and bond of each."""
    return zip(edits.row.tolist(), edits.label.tolist(), edits.bond.tolist(), strict=True)


def _rounded(value: float) -> float:
    return round(float(value), 4)
