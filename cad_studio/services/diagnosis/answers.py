"""The kept answers of one run, read from its files when they are asked for."""

import json
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.errors import DamageError, SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.records import Run
from cad_studio.diagnosis.beliefs import Beliefs, read_beliefs
from cad_studio.services.datasets.loaded import COUNTED_ANEW, LoadedDataset
from cad_studio.services.training.inputs import split_rows
from cad_studio.store.array_files import BrokenFile, open_array
from cad_studio.store.derived import Derived

_MOST_KEPT_CLASSES = 200

Made = TypeVar("Made")
Mask = Callable[[LoadedDataset, Sequence[str]], NDArray[np.bool_]]
"""Which samples of a dataset answer some conditions on fields, bool (N,)."""


class Predictions:
    """The answers of one run's model about the N samples of its dataset.

    Attributes:
        run: The run.
        data: The dataset as it is now.
        candidates: The sets the run learned from, N over C classes.
        notes: What the reader should know, in sentences.
    """

    def __init__(
        self, run: Run, data: LoadedDataset, candidates: PartialLabels, folder: Path,
        notes: list[str], mask: Mask, derived: Derived,
    ) -> None:  # fmt: skip
        """Read from the files of `folder` when they are asked for.

        `mask` knows the fields; figures of very many samples are kept in `derived`.
        """
        self._mask = mask
        self._derived = derived
        self._lock = RLock()
        self.run = run
        self.data = data
        self.candidates = candidates
        self.notes = notes
        self._made: dict[str, Any] = {}
        self._folder = folder

    def once(self, name: str, make: Callable[[], Made]) -> Made:
        """A figure made from the answers: `make` is called the first time `name` is asked for."""
        with self._lock:  # who asks meanwhile waits for it instead of making it, too
            if name not in self._made:
                self._made[name] = make()
            return self._made[name]

    def kept(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """As `once`, and of very many samples from a file, once it was made there.

        Args:
            name: Of the figures; it says which rows they are of.
            make: Gives plain values.
        """
        record = self.data.record
        is_large = len(self.data) >= COUNTED_ANEW and record.n_classes <= _MOST_KEPT_CLASSES
        if not is_large or self.data.blind:
            return self.once(name, make)
        rests_on = (name, self.card["key"], sorted(record.files.items()), record.split_names)
        origin = zlib.crc32(repr((*rests_on, self.data.classes.to_json())).encode())
        file = f"run{self.run.id}-{name.partition(' ')[0]}-{origin:08x}.json"

        def read() -> dict[str, Any]:
            if self._derived.has(file):
                with suppress(DamageError):  # thrown away by now
                    return self._derived.load_json(file)
            made = make()
            self._derived.save_json(file, made)
            return made

        return self.once(name, read)

    @cached_property
    def logits(self) -> NDArray[np.float32]:
        """float32 (N, C), memory-mapped."""
        return self._map("logits")

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """The run's own features, float32 (N, F), unit length, memory-mapped."""
        return self._map("features")

    @cached_property
    def similarity(self) -> NDArray[np.float32]:
        """Cosine of each sample's nearest sample of another class, float32 (N,), -1 for none."""
        return self._map("similarity")

    @cached_property
    def beliefs(self) -> Beliefs:
        """The answers, a few numbers a sample."""
        return read_beliefs(self.logits, self.candidates)

    @cached_property
    def truth(self) -> NDArray[np.int32] | None:
        """True labels, for oracle figures only; None where none is known."""
        truth = self.data.truth
        return None if truth is None or not (truth != UNKNOWN).any() else np.asarray(truth)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Candidates of each sample, int64 (N,)."""
        return self.candidates.sizes()

    @cached_property
    def labels(self) -> NDArray[np.int32]:
        """True labels where known, else the best candidate, int32 (N,)."""
        if self.truth is None:
            return self.beliefs.best
        return np.where(self.truth != UNKNOWN, self.truth, self.beliefs.best)

    def pairs(self, part: str) -> NDArray[np.int32]:
        """The closest 0.1 % of cross-class pairs of `train` or `test`, int32 (P, 2)."""
        return self._map(f"pairs-{part}")

    def apart(self, part: str) -> tuple[NDArray[np.float32], float]:
        """Those pairs in the run's own features.

        Returns:
            Their cosines, float32 (P,), and the one that the same share of the cross-class pairs
            reaches there: below it a pair is entangled no more.
        """
        return self._map(f"apart-{part}"), float(self.card["thresholds"][part])

    @cached_property
    def card(self) -> dict[str, Any]:
        """What the files were made of."""
        file = self._folder / "card.json"
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise self._damage(file, "is damaged") from error

    def rows(self, split: str | None) -> NDArray[np.int64]:
        """Rows of a split; None takes those the run is judged by, or all where there are none.

        Behind a question mark may stand a condition on a field, `test?camera=north`: then only
        the samples that answer it are taken.

        Raises:
            SettingError: No such split, field or value, or no sample has it.
        """
        names = self.data.record.split_names
        part, condition = self._parts(split)
        if condition:
            whole = self.rows(part)
            rows = whole[self._mask(self.data, [condition])[whole]]
            if not len(rows):
                raise SettingError(
                    f"No sample of {self.split_name(part)} answers {condition[:80]!r}. Choose "
                    "another split or value."
                )
            return rows
        if split is None:
            _, test = split_rows(self.data)
            return test if len(test) else np.arange(len(self.data))
        if split == "all":
            return np.arange(len(self.data))
        if split not in names:
            raise SettingError(
                f"{split!r} is not a split of {self.data.record.name}. "
                f"Allowed: all, {', '.join(names)}."
            )
        return np.flatnonzero(self.data.splits == names.index(split))

    def split_name(self, split: str | None) -> str:
        """What the rows of `rows` are called."""
        part, condition = self._parts(split)
        if condition:
            return f"{self.split_name(part)}?{condition}"
        if split is not None:
            return split
        _, test = split_rows(self.data)
        return self.data.record.split_names[int(self.data.splits[test[0]])] if len(test) else "all"

    def key_of(self, split: str | None) -> str:
        """A text for a split that changes with its rows: tags come and go, splits do not."""
        if not self._parts(split)[1]:
            return str(split)
        return f"{split} {zlib.crc32(self.rows(split).tobytes())}"

    def _parts(self, split: str | None) -> tuple[str | None, str]:
        """A split and the condition behind it; a split may have a question mark in its name."""
        if split is None or split in self.data.record.split_names:
            return split, ""
        part, _, condition = split.partition("?")
        return part or None, condition

    def _map(self, name: str) -> NDArray[Any]:
        file = self._folder / f"{name}.npy"
        try:
            return open_array(file)
        except BrokenFile as error:
            raise self._damage(file, str(error)) from error

    def _damage(self, file: Path, problem: str) -> DamageError:
        return DamageError(
            f"The file {file} {problem}. It holds answers of run {self.run.id}. Delete the folder "
            f"{file.parent.name} beside the run's model and ask its network again: press Diagnose, "
            f"or python -m cad_studio evaluate {self.run.id}."
        )
