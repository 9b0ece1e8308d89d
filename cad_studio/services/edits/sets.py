"""Stored edits: which are still good, how they look, and what a model says of them."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Any

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray
from PIL import Image

from cad_studio.core.errors import RecordNotFoundError, SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.records import AT_WORK, EditSet
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.datasets.pictures import MAX_SPRITE_CELLS, THUMBNAIL_PX, centred, sheet
from cad_studio.services.edits.editing import bonds
from cad_studio.services.edits.editors import EditorService
from cad_studio.services.edits.evidence import aligned, pair_cells
from cad_studio.store.edits import EditIndex
from cad_studio.store.projects import Project
from cad_studio.views.augmentation import EditPageView, EditSetView

_MOST_REMEMBERED = 1_000_000
"""Edits whose rows are kept in memory, of all sets together: 56 bytes each."""

ORDERS = {
    "worst": "least probable class first",
    "best": "most probable class first",
    "gain": "largest gain of probability first",
    "unlike": "least like the source first",
    "newest": "newest first",
}


@dataclass(frozen=True)
class GalleryFilter:
    """Which edits to list, and in what order.

    Attributes:
        order: A key of `ORDERS`.
        classes: Only edits of samples that hold both classes, towards either; None for all.
        least: An edit whose class is less probable fails, 0 to 1.
        failing: Only edits that fail.
    """

    order: str = "worst"
    classes: tuple[int, int] | None = None
    least: float = 0.0
    failing: bool = False

    def __post_init__(self) -> None:
        """Check the order."""
        if self.order not in ORDERS:
            raise SettingError(f"order is {self.order!r:.40}; allowed: {', '.join(ORDERS)}.")


class EditSetService:
    """The sets of edits of one project."""

    def __init__(self, project: Project, datasets: DatasetService, editors: EditorService) -> None:
        """Read from `project`; class texts come from `editors`."""
        self._project = project
        self._datasets = datasets
        self._editors = editors
        self._known: LRUCache[tuple[object, ...], EditIndex] = LRUCache(
            _MOST_REMEMBERED, lambda index: min(len(index), _MOST_REMEMBERED)
        )
        self._lock = RLock()

    def index(self, edit_set: EditSet) -> EditIndex:
        """All edits of a set; read once, until there are others."""
        return self._remembered(
            self._state(edit_set), lambda: self._project.edits.index(edit_set.id)
        )

    def good(self, edit_set: EditSet) -> EditIndex:
        """Those made from what image and class text are now; told once, until one changes."""
        texts = self._editors.text_of_class(self.name_of(edit_set), edit_set.editor)

        def told() -> EditIndex:
            index = self.index(edit_set)
            return index.take(self.is_good(edit_set, index))

        return self._remembered((*self._state(edit_set), *texts), told)

    def _state(self, edit_set: EditSet) -> tuple[object, ...]:
        """What changes when edits are added (a new number) or deleted (a new file)."""
        return (edit_set.id, edit_set.file, self._project.edits.last(edit_set.id))

    def _remembered(self, key: tuple[object, ...], read: Callable[[], EditIndex]) -> EditIndex:
        with self._lock:
            if key not in self._known:
                self._known[key] = read()
            return self._known[key]

    def all(self, name: str | None = None) -> list[EditSetView]:
        """The sets, of one dataset or all, newest first.

        Returns:
            `id`, `dataset`, `editor`, `settings`, `n` (edits that are still good), `n_stale`
            (made from an older prompt or class name), `bytes`, `created_at` of each.
        """
        rows = []
        counts = self._project.edits.counts()
        for record in self._datasets.all():
            if name is not None and record.name != name:
                continue
            for edit_set in self._project.edits.sets(record.id):
                n_edits, size = counts.get(edit_set.id, (0, 0))
                n_good = len(self.good(edit_set))
                rows.append(
                    {
                        "id": edit_set.id,
                        "dataset": record.name,
                        "editor": edit_set.editor,
                        "settings": edit_set.settings,
                        "n": n_good,
                        "n_stale": n_edits - n_good,
                        "bytes": size,
                        "created_at": edit_set.created_at,
                    }
                )
        return sorted(rows, key=lambda row: -int(row["id"]))

    def remove(self, set_id: int, stale_only: bool = False) -> dict[str, Any]:
        """Delete a set of edits, or those of it that are stale: `removed` and `freed_bytes`.

        Raises:
            SettingError: A job is at work, which may be using them.
        """
        edit_set = self._project.edits.get(set_id)
        if self._project.jobs.of_status(*AT_WORK):
            raise SettingError("A job is at work. Wait for it or stop it, then delete edits.")
        n_edits = len(self.index(edit_set))
        if not stale_only:
            return {"removed": n_edits, "freed_bytes": self._project.edits.delete(set_id)}
        kept = self.good(edit_set)
        freed = self._project.edits.keep_only(edit_set, kept)
        return {"removed": n_edits - len(kept), "freed_bytes": freed}

    def is_good(self, edit_set: EditSet, index: EditIndex) -> NDArray[np.bool_]:
        """Which edits were made from what image and class text are now, bool (E,)."""
        name = self.name_of(edit_set)
        data = self._datasets.load(name)
        texts = self._editors.text_of_class(name, edit_set.editor)
        good = (index.label < len(texts)) & (index.row < len(data))
        assert data.pixels is not None
        now = bonds(data.pixels, index.row[good], index.label[good], texts)
        good[good] = now == index.bond[good]
        return good

    def name_of(self, edit_set: EditSet) -> str:
        """Name of the dataset a set belongs to.

        Raises:
            RecordNotFoundError: It was removed.
        """
        for record in self._datasets.all():
            if record.id == edit_set.dataset_id:
                return record.name
        raise RecordNotFoundError(f"The dataset of edit set {edit_set.id} is not in this project.")

    def of_sample(self, name: str, row: int) -> dict[str, dict[int, tuple[int, int]]]:
        """Of each editor the stored edits of a sample, from its newest set that has any.

        Returns:
            Editor to class to (set, edit), their numbers.
        """
        found: dict[str, dict[int, tuple[int, int]]] = {}
        for edit_set in self._project.edits.sets(self._datasets.get(name).id):
            if edit_set.editor in found:
                continue
            own = self._project.edits.of_row(edit_set.id, row)
            own = own.take(self.is_good(edit_set, own))
            if len(own):
                pairs = zip(own.label.tolist(), own.id.tolist(), strict=True)
                found[edit_set.editor] = {label: (edit_set.id, edit) for label, edit in pairs}
        return found

    def image(self, set_id: int, edit_id: int) -> NDArray[np.uint8]:
        """One edit, uint8 (H, W, 1 or 3).

        Raises:
            RecordNotFoundError: There is none.
        """
        edit_set = self._project.edits.get(set_id)
        own = self._some(edit_set, [edit_id])
        return self._project.edits.pixels(edit_set).one(int(own.place[0]), int(own.length[0]))

    def sheet_hash(self, set_id: int, edit_ids: Sequence[int]) -> str:
        """What tells a sheet of edits from any other, of this project or of another.

        Numbers begin anew in every project; model, settings and what each edit was made from do
        not agree by chance.

        Raises:
            RecordNotFoundError: An edit the set does not have.
        """
        edit_set = self._project.edits.get(set_id)
        bonds_of = self._some(edit_set, edit_ids).bond.tolist()
        words = repr((edit_set.key, edit_set.created_at, self.cell_px(edit_set), bonds_of))
        return hashlib.sha256(words.encode()).hexdigest()[:16]

    def sprite(self, set_id: int, edit_ids: Sequence[int]) -> bytes:
        """One PNG with a thumbnail per edit, laid out as `PictureService.sprite` does.

        Raises:
            SettingError: No edits, or too many.
            RecordNotFoundError: An edit the set does not have.
        """
        if not 1 <= len(edit_ids) <= MAX_SPRITE_CELLS:
            raise SettingError(f"A sheet holds 1 to {MAX_SPRITE_CELLS} edits, not {len(edit_ids)}.")
        edit_set = self._project.edits.get(set_id)
        own, pixels = self._some(edit_set, edit_ids), self._project.edits.pixels(edit_set)
        side = self.cell_px(edit_set)
        places = zip(own.place.tolist(), own.length.tolist(), strict=True)
        return sheet(np.stack([_thumbnail(pixels.one(*place), side) for place in places]))

    def _some(self, edit_set: EditSet, numbers: Sequence[int]) -> EditIndex:
        """Edits of a set in the order asked for.

        Raises:
            RecordNotFoundError: An edit the set does not have.
        """
        found = self._project.edits.some(edit_set.id, numbers)
        place = {number: at for at, number in enumerate(found.id.tolist())}
        for number in numbers:
            if number not in place:
                raise RecordNotFoundError(f"Edit {number} is not in set {edit_set.id} any more.")
        return found.take(np.array([place[number] for number in numbers], np.int64))

    def cell_px(self, edit_set: EditSet) -> int:
        """Side of a thumbnail in a sheet."""
        shape = edit_set.shape
        return THUMBNAIL_PX if shape is None else min(max(shape[:2]), THUMBNAIL_PX)

    def gallery(
        self, set_id: int, judge_key: str | None, wanted: GalleryFilter, offset: int, limit: int
    ) -> EditPageView:
        """A page of stored edits, and what the judge says of all of them.

        Args:
            set_id: The set.
            judge_key: Of the model that judges; None without one.
            wanted: Which, and in what order.
            offset: First position.
            limit: How many.

        Returns:
            `total`, `offset`, `edits` (`id`, `row`, `label`, `similarity`, `before`, `after`,
            `top`, the last three None where not judged) and `summary`: `n`, `n_judged`,
            `reached`, `changed`, `similarity`, `n_failing`, `pairs`.
        """
        edit_set = self._project.edits.get(set_id)
        index = self.good(edit_set)
        before, after = np.full(len(index), np.nan), np.full(len(index), np.nan)
        top = np.full((2, len(index)), -1)
        if judge_key is not None:
            evidence = self._project.edits.evidence(set_id, judge_key)
            place = aligned(index, evidence)
            known = place >= 0
            before[known], after[known] = (
                evidence.before[place[known]],
                evidence.after[place[known]],
            )
            top[0, known] = evidence.top_before[place[known]]
            top[1, known] = evidence.top_after[place[known]]
        summary = _summary(index, top, after, wanted.least)
        summary["pairs"] = pair_cells(self._project.edits, edit_set, judge_key or "")
        chosen = self._chosen(edit_set, index, after, wanted)
        order = _order(wanted.order, index.take(chosen), before[chosen], after[chosen])
        page = chosen[order][max(offset, 0) : max(offset, 0) + limit]
        edits = [
            {
                "id": int(index.id[at]),
                "row": int(index.row[at]),
                "label": int(index.label[at]),
                "similarity": round(float(index.similarity[at]), 3),
                "before": None if np.isnan(before[at]) else round(float(before[at]), 4),
                "after": None if np.isnan(after[at]) else round(float(after[at]), 4),
                "top": None if top[1, at] < 0 else int(top[1, at]),
            }
            for at in page
        ]
        return {"total": len(chosen), "offset": offset, "edits": edits, "summary": summary}

    def _chosen(
        self,
        edit_set: EditSet,
        index: EditIndex,
        after: NDArray[np.float64],
        wanted: GalleryFilter,
    ) -> NDArray[np.int64]:
        keep = np.ones(len(index), bool)
        if wanted.classes is not None:
            candidates = self._datasets.load(self.name_of(edit_set)).candidates
            holds = candidates.dense(index.row)
            first, second = wanted.classes
            n_classes = candidates.n_classes
            if not (0 <= first < n_classes and 0 <= second < n_classes):
                raise SettingError(f"There is no class pair {first}-{second}.")
            keep &= holds[:, first] & holds[:, second]
            keep &= (index.label == first) | (index.label == second)
        if wanted.failing:
            keep &= after < wanted.least
        return np.flatnonzero(keep)


def best_of_class(
    candidates: PartialLabels, row: int, probability: NDArray[np.float32]
) -> int | None:
    """The candidate of a sample that a model takes for the likeliest; None where it has none."""
    members = candidates.of(row)
    return members[int(np.argmax(probability[members]))] if members else None


def _order(
    order: str, index: EditIndex, before: NDArray[np.float64], after: NDArray[np.float64]
) -> NDArray[np.int64]:
    key = {
        "worst": after,
        "best": -after,
        "gain": before - after,
        "unlike": index.similarity,
        "newest": -index.id.astype(np.float64),
    }[order]
    return np.lexsort((index.id, np.nan_to_num(key, nan=2.0)))


def _summary(
    index: EditIndex, top: NDArray[np.int64], after: NDArray[np.float64], least: float
) -> dict[str, Any]:
    judged = top[1] >= 0
    reached = top[1] == index.label
    was_other = judged & (top[0] != index.label)

    def share(of: NDArray[np.bool_], among: NDArray[np.bool_]) -> float | None:
        return round(float(of[among].mean()), 4) if among.any() else None

    return {
        "n": len(index),
        "n_judged": int(judged.sum()),
        "reached": share(reached, judged),
        "changed": share(reached, was_other),
        "similarity": round(float(index.similarity.mean()), 4) if len(index) else None,
        "n_failing": int((after < least).sum()),
    }


def _thumbnail(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """An edit in a square of a side, uint8 (side, side, 1 or 3)."""
    if max(pixels.shape[:2]) > side:
        picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        picture.thumbnail((side, side), Image.Resampling.BILINEAR)
        small = np.asarray(picture)
        pixels = small[..., None] if small.ndim == 2 else small
    return centred(pixels[None], side)[0]
