"""Make the edits that are wanted and not there yet, batch by batch, and tell what that takes."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.progress import Progress
from cad_studio.core.records import EditSet
from cad_studio.core.workers import Task, Workers
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.services.edits.editing import Batcher, kept_shape, similarity, source_image
from cad_studio.store.edit_files import encode
from cad_studio.store.edits import Edits

if TYPE_CHECKING:
    from cad_studio.augment._base import Editor
    from cad_studio.augment._recipe import EditorRecipe
    from cad_studio.training.judging import Judge

_SAVED_AT_ONCE = 256
_MEASURED = 32


@dataclass(frozen=True)
class Work:
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

    @property
    def todo(self) -> NDArray[np.int64]:
        """Positions of what is still to make, int64."""
        return np.flatnonzero(~self.is_there)


@dataclass(frozen=True)
class Made:
    """What came of it.

    Attributes:
        edit_set: Where they are; None where there is none, as nothing was made.
        made: How many were kept.
        failed: How many came out blank twice.
        left: How many the time did not suffice for.
    """

    edit_set: EditSet | None
    made: int
    failed: int
    left: int


@dataclass(frozen=True)
class Pace:
    """What one edit takes here.

    Attributes:
        making: Seconds to make it.
        judging: Seconds to ask the judge about it; 0 without one.
        size: Bytes it is kept in.
        n_measured: Edits this was measured on.
    """

    making: float
    judging: float
    size: float
    n_measured: int


@dataclass(frozen=True)
class _Wanted:
    """Some edits to make.

    Attributes:
        part: int64 (M,). Their positions in the work.
        images: M sources, uint8 (H, W, 1 or 3).
        guide: int64 (M,).
        seeds: int64 (M,).
    """

    part: NDArray[np.int64]
    images: list[NDArray[np.uint8]]
    guide: NDArray[np.int64]
    seeds: NDArray[np.int64]


@dataclass(frozen=True)
class _Done:
    """What came of them.

    Attributes:
        good: int64 (K,). Which of the M were kept.
        files: K edits, encoded.
        similarity: K correlations with the source.
        notes: What the user should know.
    """

    good: NDArray[np.int64]
    files: list[bytes]
    similarity: list[float]
    notes: list[str]


@dataclass(frozen=True)
class _Editing(Task[_Wanted, _Done]):
    """Edits images; in another process by an editor that is made there of its recipe.

    Attributes:
        editor: Ready; None where it has to be made.
        recipe: Of the same editor.
        shape: (H, W, channels) of all edits; None where they are kept encoded.
    """

    editor: "Editor | None"
    recipe: "EditorRecipe"
    shape: tuple[int, int, int] | None
    on_device: ClassVar[bool] = True

    def __reduce__(self) -> tuple[type["_Editing"], tuple[Any, ...]]:
        """Without the editor, which may be on a graphics device of this machine."""
        recipe = self.recipe
        if self.editor is not None:
            recipe = recipe.carried(self.editor.key())
        return _Editing, (None, recipe, self.shape)

    def prepare(self) -> Callable[[_Wanted], _Done]:
        batcher = Batcher(self.editor or self.recipe.opened())

        def work(wanted: _Wanted) -> _Done:
            batcher.notes = []
            made = batcher.edit(wanted.images, wanted.guide, wanted.seeds)
            kept = [(at, one) for at, one in enumerate(made) if one is not None]
            return _Done(
                np.array([at for at, _ in kept], np.int64),
                [encode(one, self.shape) for _, one in kept],
                [similarity(wanted.images[at], one) for at, one in kept],
                batcher.notes,
            )

        return work


class EditMaker:
    """One editor at work on one dataset.

    Attributes:
        notes: What the user should know of the edits that were made.
    """

    def __init__(
        self,
        edits: Edits,
        data: LoadedDataset,
        editor: "Editor",
        recipe: "EditorRecipe",
        work: Work,
        judge: "Judge | None",
        looks: int,
        workers: Workers,
    ) -> None:
        """Prepare.

        Args:
            edits: The store.
            data: The dataset.
            editor: Ready.
            recipe: How it was made.
            work: What is wanted.
            judge: The model that is asked about what is made.
            looks: How often it is asked about each edit and its source.
            workers: Who edits.
        """
        assert data.pixels is not None
        self._edits = edits
        self._data = data
        self._pixels = data.pixels
        self._editor = editor
        self._work = work
        self._judge = judge
        self._looks = looks
        self._task = _Editing(editor, recipe, kept_shape(data.pixels))
        self._workers = workers
        self.notes: list[str] = []

    def make(
        self,
        edit_set: EditSet | None,
        open_set: Callable[[], EditSet],
        seconds: float | None,
        progress: Progress,
    ) -> Made:
        """Make what is not there, and keep it batch by batch.

        Args:
            edit_set: The set, where there is one.
            open_set: Gives it where there is none, which is asked for with the first edit.
            seconds: Time for all, judging with it; None for as long as it takes.
            progress: Told how far it is.
        """
        work, todo = self._work, self._work.todo
        made = failed = 0
        started = time.monotonic()
        judging = self._judging(todo) if seconds is not None and len(todo) else 0.0
        size = min(self._editor.batch_size, _SAVED_AT_ONCE)

        def parts() -> Iterator[_Wanted]:
            for start in range(0, len(todo), size):
                spent = time.monotonic() - started
                if seconds is not None and spent + made * judging >= seconds:
                    return
                yield self._wanted(todo[start : start + size])

        def keep(wanted: _Wanted, done: _Done) -> None:
            nonlocal edit_set, made, failed
            kept = wanted.part[done.good]
            if len(kept):
                edit_set = edit_set or open_set()
                columns = {
                    "row": work.row[kept].tolist(),
                    "label": work.label[kept].tolist(),
                    "bond": work.bond[kept].tolist(),
                    "similarity": done.similarity,
                }
                self._edits.add(edit_set, columns, done.files)
            self.notes += [note for note in done.notes if note not in self.notes]
            made, failed = made + len(kept), failed + len(wanted.part) - len(kept)

        def tell() -> None:
            done, spent = made + failed, time.monotonic() - started
            pace = f", {done / spent:,.1f}/s" if done else ""
            if done < len(todo):
                progress.report(done / len(todo), f"{done:,} of {len(todo):,} edits{pace}")

        tell()
        if len(todo):
            self._workers.run(self._task, parts(), keep, tell)
        return Made(edit_set, made, failed, len(todo) - made - failed)

    def measure(self) -> Pace:
        """Make a few edits of what is not there, throw them away, and tell what they took."""
        todo = self._work.todo
        if not len(todo):
            return Pace(0.0, 0.0, 0.0, 0)
        some = _spread(todo)
        self._edited(some[:1], Batcher(self._editor))  # what only the first one costs
        if self._editor.batch_size == 1:
            some = some[:1]
        began = time.monotonic()
        pairs = self._edited(some, Batcher(self._editor))
        making = (time.monotonic() - began) / len(some)
        shape = kept_shape(self._pixels)
        sizes = [len(encode(one, shape)) for _, one in pairs if one is not None]
        size = float(np.mean(sizes)) if sizes else 0.0
        return Pace(making, self._judging(todo), size, len(some))

    def _judging(self, todo: NDArray[np.int64]) -> float:
        """Seconds the judge takes for an edit and its source, all looks together."""
        if self._judge is None:
            return 0.0
        sources = self._sources(_spread(todo))
        self._judge.look(sources[:1])  # what only the first one costs
        began = time.monotonic()
        # An edit is as large as its source.
        self._judge.look(sources + sources)
        return self._looks * (time.monotonic() - began) / len(sources)

    def _edited(
        self, part: NDArray[np.int64], batcher: Batcher
    ) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8] | None]]:
        """Sources and their edits; None for one that failed."""
        wanted = self._wanted(part)
        made = batcher.edit(wanted.images, wanted.guide, wanted.seeds)
        return list(zip(wanted.images, made, strict=True))

    def _wanted(self, part: NDArray[np.int64]) -> _Wanted:
        # The seed is bound to image and class, so an edit made again is the same.
        seeds = self._work.bond[part] % (1 << 31)
        return _Wanted(part, self._sources(part), self._work.label[part], seeds)

    def _sources(self, part: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
        return [source_image(self._pixels, row) for row in self._work.row[part].tolist()]


def _spread(todo: NDArray[np.int64]) -> NDArray[np.int64]:
    """A few of them from beginning to end."""
    places = np.linspace(0, len(todo) - 1, min(len(todo), _MEASURED))
    return todo[places.astype(np.int64)]
