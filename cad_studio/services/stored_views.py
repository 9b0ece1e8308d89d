"""What a training run takes of the stored edits, fixed when it starts."""

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import CadStudioError, RecordNotFoundError, SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.records import Dataset, EditSet, Run
from cad_studio.services.edit_sets import EditSetService
from cad_studio.services.evidence import aligned
from cad_studio.services.judges import JudgeService
from cad_studio.services.run_inputs import RunInputs
from cad_studio.store.edit_files import EditPixels
from cad_studio.store.edits import EditIndex
from cad_studio.store.projects import Project

if TYPE_CHECKING:
    from cad_studio.training.data import TrainingData

METHOD = "cad"
"""The method that learns from stored edits."""

_KEY = "edit_"


@dataclass(frozen=True)
class EditChoice:
    """Which edits a run learns from; kept with the run, so that it is the same when resumed.

    Attributes:
        set: Number of the set; None for none.
        last: Highest number of an edit that counts; later ones came too late.
        least: Least probability of an edit's class, by the judge; 0 takes all.
        judge: Key of the model that judged; empty where `least` is 0.
    """

    set: int | None = None
    last: int = 0
    least: float = 0.0
    judge: str = ""


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

    def chosen(self, method: str, record: Dataset, settings: dict[str, Any]) -> dict[str, Any]:
        """What a new run keeps of its edits, fixed now: resumed, it sees no other.

        Raises:
            CadStudioError: As `choose`.
        """
        if method != METHOD:
            return {}
        choice = asdict(self.choose(record.name, record.id, settings))
        return {f"{_KEY}{part}": value for part, value in choice.items()}

    def added(self, run: Run, inputs: RunInputs) -> RunInputs:
        """What a run learns from, with the edits it keeps to, for the method that takes them."""
        if run.method != METHOD:
            return inputs
        known = {
            part: run.environment[f"{_KEY}{part}"]
            for part in EditChoice.__dataclass_fields__
            if f"{_KEY}{part}" in run.environment
        }
        edits, is_complete, words = self.open(EditChoice(**known), inputs.data)
        outside = replace(inputs.outside, edits=edits, edits_cover_all=is_complete)
        return replace(inputs, outside=outside, words=words)

    def choose(self, name: str, dataset_id: int, settings: dict[str, Any]) -> EditChoice:
        """The edits a new run learns from.

        Args:
            name: The dataset.
            dataset_id: Its number.
            settings: Of the method: `edits` (a set, or None for the newest with good edits) and
                `least_probability`.

        Raises:
            RecordNotFoundError: The set that is asked for is not of this dataset.
            ResourceError: Edits are to be left out by evidence, and no run can judge them.
            SettingError: The run that judges has not seen the edits yet.
        """
        asked = settings.get("edits")
        found = None
        for edit_set in self._project.edits.sets(dataset_id):
            if edit_set.id == asked or (asked is None and len(self._good(edit_set))):
                found = edit_set
                break
        if found is None:
            if asked is not None:
                raise RecordNotFoundError(
                    f"Edit set {asked} is not one of {name}. "
                    "List them with: python -m cad_studio edits list."
                )
            return EditChoice(None)
        index = self._project.edits.index(found.id)
        last = int(index.id.max(initial=0))
        least = float(settings.get("least_probability") or 0.0)
        if not least:
            return EditChoice(found.id, last)
        run_id = self._judges.choose(name, None)
        judge = self._judges.open(run_id)
        evidence = self._project.edits.evidence(found.id, judge.key)
        unseen = int((aligned(index, evidence) < 0).sum())
        if unseen:
            raise SettingError(
                f"{unseen:,} of {len(index):,} edits of set {found.id} were not judged by "
                f"{self._judges.name(run_id)} yet, so least_probability cannot be applied. Judge "
                f"them on the Augmentations page, or with: python -m cad_studio edits judge "
                f"{found.id}."
            )
        return EditChoice(found.id, last, least, judge.key)

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
        try:
            edit_set = self._project.edits.get(choice.set)
        except CadStudioError:
            return None, False, f"Edit set {choice.set} was deleted; class views use maps instead."
        index = self._project.edits.index(choice.set, choice.last)
        index = index.take(self._sets.is_good(edit_set, index))
        if choice.least:
            evidence = self._project.edits.evidence(choice.set, choice.judge)
            place = aligned(index, evidence)
            passes = (place >= 0) & (evidence.after[place] >= choice.least)
            index = index.take(passes)
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
            words += f", those below probability {choice.least:g} left out"
        words += "." if there == wanted else "; the others use activation maps."
        return views, there == wanted, words

    def _good(self, edit_set: EditSet) -> EditIndex:
        index = self._project.edits.index(edit_set.id)
        return index.take(self._sets.is_good(edit_set, index))
