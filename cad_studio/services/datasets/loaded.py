"""A stored dataset with its arrays at hand; nothing large is read before it is asked for."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from cad_studio.core.annotation import ClassMap
from cad_studio.core.dataset import UNKNOWN, PixelSource, Votes
from cad_studio.core.fields import Field
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.records import Dataset
from cad_studio.core.vote_sets import vote_totals
from cad_studio.datasets.decoding import decode
from cad_studio.diagnosis.distractors import Distractors, find_distractors
from cad_studio.diagnosis.set_model import SetModel, fit_set_model
from cad_studio.store.pixels import EncodedPixels, MappedPixels
from cad_studio.store.projects import Project

ANNOTATION = "annotation"
"""Reason of the versions that hold what annotators said."""

_OF_NO_SET = (
    "ids", "rows_by_id", "splits", "truth", "votes", "imported_votes", "_targets", "features",
    "pixels", "fields",
)  # fmt: skip
"""What is equal in all views of a version. All else follows from the sets, and is of one view."""


COUNTED_ANEW = 100_000
"""Of fewer samples, what takes one look at all sets is not kept on disk."""

_PARTS = ("values", "names")
"""Files of a field."""


class LoadedDataset:
    """One version of a dataset.

    Attributes:
        record: Its row in the project.
        classes: What became of the imported classes, in this version; sets, true labels and votes
            are all in the classes that are left.
        blind: Rows whose sets are those of the version before anybody annotated.
    """

    def __init__(self, project: Project, record: Dataset, classes: ClassMap | None = None) -> None:
        """Read from the files the record names; `classes` None takes those of its version."""
        self._project = project
        self._blobs = project.blobs
        self.blind: frozenset[int] = frozenset()
        self.record = record
        self.classes = classes or ClassMap.from_json(record.version.details.get("classes"))

    def __len__(self) -> int:
        """N."""
        return self.record.n_samples

    def require_whole(self) -> None:
        """Hold the content of all files against their names, once in a process.

        Whatever makes something lasting of the data calls this first.

        Raises:
            DamageError: One is missing, or not what was written.
        """
        fields = [each[part] for each in self.record.fields for part in _PARTS if part in each]
        files = (*self.record.files.values(), self.record.version.candidates, *fields)
        self._blobs.check(files)

    @cached_property
    def candidates(self) -> PartialLabels:
        """The current candidate sets; of rows in `blind`, the imported ones."""
        packed = self._blobs.load_array(self.record.version.candidates)
        if self.blind:
            rows = sorted(self.blind)
            packed = np.array(packed)
            packed[rows] = in_classes(self._imported, self.classes).packed[rows]
        try:
            return PartialLabels(packed, self.record.n_classes)
        except ValueError:
            self._blobs.check([self.record.version.candidates])
            raise

    @property
    def view(self) -> str:
        """Which of the ways to see this version it is, for keys of what is made of its sets."""
        return f"{self.record.version.hash} {hash(self.blind) if self.blind else ''}".rstrip()

    def without(self, blind: frozenset[int]) -> "LoadedDataset":
        """This version with the imported sets of some rows; files are shared."""
        _ = self.ids, self.splits  # read once for all views
        found = LoadedDataset(self._project, self.record, self.classes)
        found.blind = blind
        found.__dict__ |= {
            name: self.__dict__[name] for name in _OF_NO_SET if name in self.__dict__
        }
        return found

    @property
    def _imported(self) -> PartialLabels:
        """The sets of the newest version that was not made of annotations."""
        versions = self._project.datasets.versions(self.record.name)
        before = [version for version in versions if version.reason != ANNOTATION][-1]
        return PartialLabels(self._blobs.load_array(before.candidates), self.record.n_classes)

    @cached_property
    def ids(self) -> list[str]:
        """N ids."""
        return self._blobs.load_json(self.record.files["ids"])

    @cached_property
    def rows_by_id(self) -> dict[str, int]:
        """Row of each id."""
        return {name: row for row, name in enumerate(self.ids)}

    @cached_property
    def splits(self) -> NDArray[np.int16]:
        """Index into the record's `split_names`, int16 (N,)."""
        return self._blobs.load_array(self.record.files["splits"])

    @cached_property
    def truth(self) -> NDArray[np.int32] | None:
        """True labels, int32 (N,), `UNKNOWN` where not known; None when none is.

        Of a class that was removed nothing is known any more.
        """
        if "truth" not in self.record.files:
            return None
        truth = self._blobs.load_array(self.record.files["truth"])
        if self.classes.is_plain():
            return truth
        return np.where(truth == UNKNOWN, UNKNOWN, self._targets[truth]).astype(truth.dtype)

    @cached_property
    def votes(self) -> Votes | None:
        """Who said what, where that was imported; votes for a class that was removed are out."""
        votes = self.imported_votes
        if votes is None or self.classes.is_plain():
            return votes
        label = self._targets[votes.label].astype(votes.label.dtype)
        return replace(votes, label=label).take(label != UNKNOWN)

    @cached_property
    def imported_votes(self) -> Votes | None:
        """Who said what, in the classes as they were imported."""
        if "votes" not in self.record.files:
            return None
        table = self._blobs.load_array(self.record.files["votes"])
        weight = None
        if "vote_weights" in self.record.files:
            weight = self._blobs.load_array(self.record.files["vote_weights"])
        return Votes(table[0], table[1], table[2], self.record.annotators, weight)

    @cached_property
    def fields(self) -> dict[str, Field]:
        """The fields of the samples by name, in the order of the source."""
        return {each["name"]: self._field(each) for each in self.record.fields}

    def _field(self, stored: dict[str, Any]) -> Field:
        names = self._blobs.load_json(stored["names"]) if "names" in stored else []
        values = self._blobs.load_array(stored["values"])
        return Field(stored["name"], stored["kind"], values, names)

    @cached_property
    def _targets(self) -> NDArray[np.int64]:
        """The class that stands for each imported one, `UNKNOWN` for none, int64 (C,)."""
        found = [self.classes.target(index) for index in range(self.record.n_classes)]
        return np.array([UNKNOWN if index is None else index for index in found])

    @cached_property
    def features(self) -> NDArray[np.float32] | None:
        """The vectors of a feature dataset, float32 (N, D)."""
        if "features" not in self.record.files:
            return None
        return self._blobs.load_array(self.record.files["features"])

    @cached_property
    def pixels(self) -> PixelSource | None:
        """The images, or None for a dataset of vectors alone."""
        record = self.record
        if "pixels" in record.files:
            shape = (record.n_samples, record.height, record.width, record.channels)
            data = self._blobs.map_bytes(record.files["pixels"], math.prod(map(int, shape)))
            return MappedPixels(data.reshape(shape))
        if "encoded" in record.files:
            offsets = self._blobs.load_array(record.files["offsets"])
            data = self._blobs.map_bytes(record.files["encoded"], int(offsets[-1]))
            return EncodedPixels(data, offsets, self.ids, decode)
        return None

    @cached_property
    def together(self) -> NDArray[np.int64]:
        """How many samples hold both of two classes, int64 (C, C); the diagonal counts one."""
        return self.counted("together", self.candidates.co_occurrence)

    def counted(self, what: str, count: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """What takes a look at all sets of this version; of many samples it is kept on disk.

        Args:
            what: Its name, with all that it rests on beside the sets.
            count: Looks at them.
        """
        if self.blind or len(self) < COUNTED_ANEW:
            return count()
        # Packed sets of 9 and of 16 classes may be the same bytes.
        sets, n_classes = self.record.version.candidates.partition(".")[0], self.record.n_classes
        return self._project.derived.kept_array(f"{sets}-{what}-{n_classes}.npy", count)

    @cached_property
    def distractors(self) -> Distractors | None:
        """What is in the sets of each true class (uses true labels); None where none is known."""
        return None if self.truth is None else find_distractors(self.candidates, self.truth)

    @cached_property
    def set_model(self) -> SetModel:
        """P(k in S | y), estimated from the sets alone."""

        def fitted() -> NDArray[np.float64]:
            found = fit_set_model(self.candidates)
            n_samples = np.full_like(found.weight, found.n_samples)
            return np.vstack([found.table, found.weight, n_samples])

        *table, weight, n_samples = self.counted("set-model", fitted)
        return SetModel(np.array(table), weight, int(n_samples[0]))

    def current_labels(
        self, with_truth: bool = True
    ) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """What is known of each sample's class without a model.

        The true label where known, else the only candidate, else the majority of the votes.

        Args:
            with_truth: Whether to look at true labels; without, all are taken as not known.

        Returns:
            int32 (N,) labels, `UNKNOWN` where nothing is known, and bool (N,), where they are
            true labels.
        """
        labels = np.full(len(self), UNKNOWN, np.int32)
        if self.votes is not None:
            labels = _majority(self.votes, len(self), self.record.n_classes)
        single = np.flatnonzero(self.candidates.sizes() == 1)
        if len(single):
            labels[single] = self.candidates.dense(single).argmax(axis=1)
        known = np.zeros(len(self), bool)
        if with_truth and self.truth is not None:
            known = self.truth != UNKNOWN
            labels = np.where(known, self.truth, labels)
        return labels, known


class Cache:
    """The datasets looked at last, so that a page turn reads no file twice."""

    def __init__(self, size: int = 4) -> None:
        """Hold at most `size` datasets."""
        self._held: LRUCache[tuple[Any, ...], LoadedDataset] = LRUCache(size)
        self._lock = Lock()

    def get(self, project: Project, record: Dataset) -> LoadedDataset:
        """The loaded form of this version."""
        # a file that was cut since it was mapped would end the process when it is looked into
        names = (*record.files.values(), record.version.candidates)
        key = (record.id, record.version.hash, *map(project.blobs.signature, names))
        with self._lock:
            if key not in self._held:
                self._held[key] = LoadedDataset(project, record)
            self._held[key].record = record  # names and descriptions change without a new version
            return self._held[key]


def _majority(votes: Votes, n_samples: int, n_classes: int) -> NDArray[np.int32]:
    """The label with the most votes, `UNKNOWN` on a tie or without votes, int32 (N,)."""
    samples, labels, counts = vote_totals(votes, n_classes)
    best = np.zeros(n_samples)
    np.maximum.at(best, samples, counts)
    winners = counts == best[samples]
    out = np.full(n_samples, UNKNOWN, np.int32)
    out[samples[winners]] = labels[winners]
    tied = np.bincount(samples[winners], minlength=n_samples) > 1
    out[tied] = UNKNOWN
    return out


def in_classes(sets: PartialLabels, classes: ClassMap) -> PartialLabels:
    """Sets in the classes of now."""
    if classes.is_plain():
        return sets
    packed = sets.packed.copy()
    for index in range(sets.n_classes):
        target = classes.target(index)
        if target == index:
            continue
        holding = sets.has(index)
        packed[holding, index // 8] &= np.uint8(~(128 >> (index % 8)) & 255)
        if target is not None:
            packed[holding, target // 8] |= np.uint8(128 >> (target % 8))
    return PartialLabels(packed, sets.n_classes)
