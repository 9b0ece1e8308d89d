"""The candidate sets that follow from the imported ones and the log, and their versions."""

from threading import Lock
from typing import Any

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from cad_studio.core.annotation import Book, ClassMap
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.records import Dataset, DatasetVersion
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.datasets.loaded import ANNOTATION, in_classes
from cad_studio.store.projects import Project


class AnnotatedSets:
    """Effective candidate sets of one project's datasets.

    The sets of the newest imported or synthesised version come first, then what annotators said
    of single samples, then what became of the classes.
    """

    def __init__(self, project: Project, datasets: DatasetService) -> None:
        """Read and write through `project`."""
        self._project = project
        self._datasets = datasets
        self._held: LRUCache[tuple[int, str], tuple[int, NDArray[np.uint8]]] = LRUCache(4)
        self._bases: LRUCache[str, PartialLabels] = LRUCache(4)
        self._ahead: dict[int, tuple[tuple[str, int], int]] = {}
        self._lock = Lock()

    def base_version(self, name: str) -> DatasetVersion:
        """The newest version that was imported or synthesised."""
        current = self._datasets.get(name).version
        if current.reason != ANNOTATION:
            return current
        versions = self._project.datasets.versions(name)
        return [version for version in versions if version.reason != ANNOTATION][-1]

    def base(self, name: str) -> PartialLabels:
        """The sets before anybody said anything."""
        version = self.base_version(name)
        with self._lock:
            if version.candidates not in self._bases:
                packed = self._project.blobs.load_array(version.candidates)
                n_classes = self._datasets.get(name).n_classes
                self._bases[version.candidates] = PartialLabels(packed, n_classes)
            return self._bases[version.candidates]

    def book(self, name: str) -> Book | None:
        """The log of a dataset, or None where nothing was done."""
        return self._project.annotations.find(self._datasets.get(name).id)

    def effective(self, name: str) -> PartialLabels:
        """The sets as they are now."""
        base, book = self.base(name), self.book(name)
        if book is None or book.head == 0:
            return base
        classes = ClassMap.from_json(book.classes)
        return in_classes(PartialLabels(self._stated(name, base, book), base.n_classes), classes)

    def original(self, name: str) -> PartialLabels:
        """The sets before anybody said anything, in the classes of now."""
        book = self.book(name)
        return in_classes(
            self.base(name), ClassMap.from_json(None if book is None else book.classes)
        )

    def seen(self, name: str, blind: frozenset[int]) -> PartialLabels:
        """The sets as they are now, of rows in `blind` as they were imported."""
        found = self.effective(name)
        if not blind:
            return found
        packed, rows = np.array(found.packed), sorted(blind)
        packed[rows] = self.original(name).packed[rows]
        return PartialLabels(packed, found.n_classes)

    def lists_without(
        self, name: str, rows: NDArray[np.int64], blind: frozenset[int]
    ) -> list[list[int]]:
        """The sets of some rows as they are now, of those in `blind` as they were imported."""
        found = self.effective(name).lists(rows)
        if not blind:
            return found
        before = self.original(name).lists(rows)
        return [
            old if row in blind else new
            for row, old, new in zip(rows.tolist(), before, found, strict=True)
        ]

    def changed_rows(self, name: str) -> NDArray[np.int64]:
        """Rows whose set is not the imported one, ascending, int64 (M,)."""
        before, after = self.base(name), self.effective(name)
        return np.flatnonzero((before.packed != after.packed).any(axis=1))

    def changed_since(self, name: str, before: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Rows whose set is not that of earlier sets any more, ascending, int64 (M,).

        Args:
            name: The dataset.
            before: uint8 (N, ceil(C / 8)). Packed sets of a version of it, or of a run on it.
        """
        now = self.effective(name).packed
        if before.shape != now.shape:
            return np.arange(len(now))
        return np.flatnonzero((before != now).any(axis=1))

    def n_ahead(self, record: Dataset) -> int:
        """How many sets annotators have changed since the current version."""
        if not self.is_ahead(record):
            return 0
        book = self.book(record.name)
        key = (record.version.hash, 0 if book is None else book.head)
        with self._lock:
            if self._ahead.get(record.id, (None, 0))[0] == key:
                return self._ahead[record.id][1]
        before = self._project.blobs.load_array(record.version.candidates)
        found = len(self.changed_since(record.name, before))
        with self._lock:
            self._ahead[record.id] = (key, found)
        return found

    def answered_rows(self, name: str) -> NDArray[np.int64]:
        """Rows about which an annotator has said something that stands, int64 (M,)."""
        book = self.book(name)
        if book is None:
            return np.zeros(0, np.int64)
        rows, sets = self._project.annotations.effective(book.id)
        return rows[np.fromiter((each is not None for each in sets), bool, len(sets))]

    def under(self, base: PartialLabels, book: Book | None, classes: ClassMap) -> PartialLabels:
        """The sets as they would be under a class map, with what `book` says laid over `base`."""
        packed = np.array(base.packed)
        if book is not None:
            _lay_over(packed, *self._project.annotations.effective(book.id))
        return in_classes(PartialLabels(packed, base.n_classes), classes)

    def settle(self, name: str) -> Dataset:
        """Make the sets as they are now the dataset's current version, when they are not yet.

        Called by everything that reads the sets for good: training, mining, export. Its details
        say which action it goes up to.
        """
        record = self._datasets.get(name)
        if not self.is_ahead(record):
            return record
        with self._project.saving():
            record = self._datasets.get(name)
            book = self.book(name)
            if book is None or not self.is_ahead(record):
                return record
            base = self.base_version(name)
            self._project.blobs.check([base.candidates])
            sets = self.effective(name)
            details: dict[str, Any] = {
                "base": base.hash, "action": book.head, "digest": book.digest,
                "changed": len(self.changed_rows(name)), "classes": book.classes,
                "split": book.split,
            }  # fmt: skip
            blob = self._project.blobs.save_array(sets.packed)
            held = ClassMap.from_json(record.version.details.get("classes"))
            is_same = held == ClassMap.from_json(book.classes)
            is_same &= record.version.details.get("split") == book.split
            if blob == record.version.candidates and is_same:
                return record
            return self._project.datasets.add_version(name, blob, ANNOTATION, details)

    def is_ahead(self, record: Dataset) -> bool:
        """Whether something was done since the current version was made."""
        book = self._project.annotations.find(record.id)
        if book is None or book.head == 0:
            return False
        version = record.version
        return version.reason != ANNOTATION or version.details.get("action") != book.head

    def _stated(self, name: str, base: PartialLabels, book: Book) -> NDArray[np.uint8]:
        """Packed sets before the class map; kept, and brought up to date by what is new."""
        key = (book.id, self.base_version(name).candidates)
        with self._lock:
            head, packed = self._held.get(key, (0, np.array(base.packed)))
            if head > book.head:  # the project was put back to an older copy
                head, packed = 0, np.array(base.packed)
            if head < book.head:
                packed = packed.copy()
                rows, sets = self._project.annotations.effective(book.id, head)
                _lay_over(packed, rows, sets, base.packed)
            self._held[key] = (book.head, packed)
            return packed


def _lay_over(
    packed: NDArray[np.uint8],
    rows: NDArray[np.int64],
    sets: list[bytes | None],
    base: NDArray[np.uint8] | None = None,
) -> None:
    """Put stated sets over imported ones, in place; those that were taken back give the base."""
    stated = np.fromiter((each is not None for each in sets), bool, len(sets))
    if base is not None:
        packed[rows[~stated]] = base[rows[~stated]]
    joined = b"".join(each for each in sets if each is not None)
    if joined:
        packed[rows[stated]] = np.frombuffer(joined, np.uint8).reshape(-1, packed.shape[1])
