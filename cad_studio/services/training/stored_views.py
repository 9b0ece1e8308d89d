"""What a training run takes of the stored edits, fixed when it first starts."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import RecordNotFoundError, SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.records import Dataset, EditSet, Run
from cad_studio.core.replacing import replacing
from cad_studio.services.edits.evidence import aligned
from cad_studio.services.edits.judges import JudgeService
from cad_studio.services.edits.sets import EditSetService
from cad_studio.services.training.inputs import RunInputs
from cad_studio.services.training.runs import name_of
from cad_studio.store.edit_files import EditPixels
from cad_studio.store.edits import EditIndex
from cad_studio.store.projects import Project

if TYPE_CHECKING:
    from cad_studio.training.data import TrainingData

METHOD = "cad"
"""The method that learns from stored edits."""

IDS_FILE = "edits.npy"
"""In the folder of a run: numbers of the edits it learns from, int64 (E,), rising."""

_KEY = "edit_"


@dataclass(frozen=True)
class EditChoice:
    """Which edits a run learns from; all but `ids` is kept with the run, those beside it.

    Attributes:
        set: Number of the set; None for none.
        count: How many edits.
        digest: Hash of their numbers.
        least: Least probability of an edit's class, by the judge; 0 takes all.
        judge: What the run that judged was called; empty where `least` is 0.
        ids: int64 (E,). Their numbers, rising.
    """

    set: int | None = None
    count: int = 0
    digest: str = ""
    least: float = 0.0
    judge: str = ""
    ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def of(
        cls, edit_set: EditSet, ids: NDArray[np.int64], least: float = 0.0, judge: str = ""
    ) -> "EditChoice":
        """Of some edits of a set."""
        return cls(edit_set.id, len(ids), _digest(ids), least, judge, ids)

    def kept(self) -> dict[str, Any]:
        """Plain values for the run's row."""
        names = [name for name in self.__dataclass_fields__ if name != "ids"]
        return {f"{_KEY}{name}": getattr(self, name) for name in names}


class StoredViews:
    """Stored edits by row and class, as training reads them."""

    def __init__(
        self,
        index: EditIndex,
        pixels: EditPixels,
        shape: list[int] | None,
        n_samples: int,
        n_classes: int,
        side_px: int,
    ) -> None:
        """Look up in `index`; images come out as squares of `side_px`.

        Args:
            index: The edits that count.
            pixels: Of their set.
            shape: Of every edit, or None for encoded ones.
            n_samples: N_all.
            n_classes: C.
            side_px: Side of the images the run learns from.
        """
        self._place = np.full((n_samples, n_classes), -1, np.int64)
        self._length = np.zeros((n_samples, n_classes), np.int32)
        # A later edit of the same sample and class wins.
        self._place[index.row, index.label] = index.place
        self._length[index.row, index.label] = index.length
        self._pixels, self._shape, self._side_px = pixels, shape, side_px

    def __call__(
        self, rows: NDArray[np.int64], labels: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """As `Outside.edits`: uint8 (M, H, W, 1 or 3), and bool (M,) where there is one."""
        from cad_studio.training.judging import fitted

        place = self._place[rows, labels]
        found = place >= 0
        if self._shape is not None:
            height, width, channels = self._shape
            out = np.zeros((len(rows), height, width, channels), np.uint8)
            out[found] = self._pixels.gather(place[found])
            return out, found
        side = self._side_px
        out = np.zeros((len(rows), side, side, 3), np.uint8)
        for at in np.flatnonzero(found):
            one = self._pixels.one(int(place[at]), int(self._length[rows[at], labels[at]]))
            out[at] = fitted(one, side, 3)
        return out, found

    def count(self, rows: NDArray[np.int64], candidates: PartialLabels) -> tuple[int, int]:
        """Class views of some samples that have an edit, and all that could have one.

        Args:
            rows: int64 (N,).
            candidates: N_all sets. Samples with one candidate have nothing to tell apart.
        """
        dense = candidates.dense(rows)
        wanted = dense & (dense.sum(axis=1) > 1)[:, None]
        return int((wanted & (self._place[rows] >= 0)).sum()), int(wanted.sum())


class StoredViewService:
    """Chooses the edits of a run, and opens them."""

    def __init__(self, project: Project, sets: EditSetService, judges: JudgeService) -> None:
        """Read from `project`."""
        self._project = project
        self._sets = sets
        self._judges = judges

    def check(self, method: str, record: Dataset, settings: dict[str, Any]) -> None:
        """See that a run may be asked for; its edits may be made until it starts.

        Raises:
            RecordNotFoundError: The set it asks for is not of this dataset.
        """
        if method == METHOD and settings.get("edits") is not None:
            self._set_of(record, settings["edits"])

    def fixed(self, run: Run) -> EditChoice | None:
        """What a run that starts learns from: chosen at its first start, then always the same.

        Returns:
            None for a method that takes no edits.

        Raises:
            RecordNotFoundError: The set it asks for is not there.
            SettingError: No run has judged the edits, or some that it learned from are gone.
        """
        if run.method != METHOD:
            return None
        file = self._project.run_folder(run.id) / IDS_FILE
        if f"{_KEY}digest" not in run.environment:
            if any((file.parent / "checkpoints").glob("*")):
                return EditChoice()  # it began before there was a choice
            choice = self.choose(run)
            with replacing(file) as unfinished, unfinished.open("wb") as stream:
                np.save(stream, choice.ids)
            environment = {**run.environment, **choice.kept()}
            self._project.runs.change(run.id, environment=environment)
            return choice
        try:
            ids = np.load(file, allow_pickle=False)
        except (OSError, ValueError):
            ids = np.zeros(0, np.int64)
        known = {
            name: run.environment[f"{_KEY}{name}"]
            for name in EditChoice.__dataclass_fields__
            if name != "ids"
        }
        choice = EditChoice(**known, ids=ids)
        n_there = 0
        if choice.set is not None and _digest(ids) == choice.digest:
            n_there = len(self._project.edits.some(choice.set, ids.tolist()))
        if n_there < choice.count:
            raise SettingError(
                f"{choice.count - n_there:,} of the {choice.count:,} edits that {name_of(run)} "
                "learns from were deleted, so it cannot go on as it began. Start a new run."
            )
        return choice

    def added(self, choice: EditChoice | None, inputs: RunInputs) -> RunInputs:
        """What a run learns from, with its edits, for the method that takes them."""
        if choice is None:
            return inputs
        edits, is_complete, words = self.open(choice, inputs.data)
        outside = replace(inputs.outside, edits=edits, edits_cover_all=is_complete)
        return replace(inputs, outside=outside, words=words)

    def choose(self, run: Run) -> EditChoice | None:
        """The edits that a run would learn from if it began now.

        Its settings name a set, or none for the newest with good edits, and `least_probability`,
        which the newest run decides that has judged all of them.

        Returns:
            None for a method that takes no edits.

        Raises:
            RecordNotFoundError: The set that is asked for is not of its dataset.
            SettingError: Edits are to be left out by evidence, and no run has judged all of them.
        """
        if run.method != METHOD:
            return None
        record = self._project.datasets.by_id(run.dataset_id)
        if record is None:
            return None
        asked = run.settings.get("edits")
        sets = self._project.edits.sets(record.id)
        wanted = [self._set_of(record, asked)] if asked is not None else sets
        found = next((each for each in wanted if asked or len(self._sets.good(each))), None)
        if found is None:
            return EditChoice()
        index = self._sets.good(found)
        least = float(run.settings.get("least_probability") or 0.0)
        if not least:
            return EditChoice.of(found, index.id)
        judge, after = self._judged(record.name, found, index)
        return EditChoice.of(found, index.id[after >= least], least, judge)

    def _set_of(self, record: Dataset, number: int) -> EditSet:
        for edit_set in self._project.edits.sets(record.id):
            if edit_set.id == number:
                return edit_set
        raise RecordNotFoundError(
            f"Edit set {number} is not one of {record.name}. "
            "List them with: python -m cad_studio edits list."
        )

    def _judged(
        self, name: str, edit_set: EditSet, index: EditIndex
    ) -> tuple[str, NDArray[np.float64]]:
        """The newest run that has judged all edits, and the probability it gives each, (E,)."""
        counts = self._project.edits.judged(edit_set.id)
        if max(counts.values(), default=0) >= len(index):
            for run_id in sorted((row["id"] for row in self._judges.offered(name)), reverse=True):
                evidence = self._project.edits.evidence(edit_set.id, self._judges.open(run_id).key)
                place = aligned(index, evidence)
                if (place >= 0).all():
                    return self._judges.name(run_id), evidence.after[place]
        raise SettingError(
            f"No run has judged all {len(index):,} edits of set {edit_set.id} yet, so "
            "least_probability cannot be applied. Judge them on the Augmentations page, or with: "
            f"python -m cad_studio edits judge {edit_set.id}."
        )

    def open(
        self, choice: EditChoice, data: "TrainingData"
    ) -> tuple[StoredViews | None, bool, str]:
        """The edits of a choice, whether there is one for every class view, and that in words.

        Args:
            choice: As `choose` gave it.
            data: What the run learns from.
        """
        from cad_studio.training.inputs import stored_shape

        if choice.set is None:
            return (
                None,
                False,
                (
                    "There are no stored edits; class views use activation maps. Make some: "
                    "python -m cad_studio augment DATASET."
                ),
            )
        edit_set = self._project.edits.get(choice.set)
        index = self._project.edits.some(choice.set, choice.ids.tolist())
        views = StoredViews(
            index,
            self._project.edits.pixels(edit_set),
            edit_set.shape,
            len(data.candidates),
            data.n_classes,
            stored_shape(data)[1],
        )
        there, wanted = views.count(data.train_rows, data.candidates)
        words = (
            f"Edit set {edit_set.id} ({edit_set.editor}): {there:,} of {wanted:,} class views of "
            "the training samples are stored edits"
        )
        if choice.least:
            words += f", those below probability {choice.least:g} by {choice.judge} left out"
        words += "." if there == wanted else "; the others use activation maps."
        return views, there == wanted, words


def _digest(ids: NDArray[np.int64]) -> str:
    return hashlib.sha256(np.ascontiguousarray(ids, "<i8").tobytes()).hexdigest()[:16]
