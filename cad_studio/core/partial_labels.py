"""Candidate sets: which classes each sample may have."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

MAX_CLASSES = 1000


class PartialLabels:
    """Candidate sets of N samples over C classes, one bit each.

    The bits are packed, so 1,000,000 samples over 1,000 classes take 125 MB. Instances are never
    changed; an edit makes a new one.

    Attributes:
        packed: uint8 (N, ceil(C / 8)). `numpy.packbits` order; unused bits are zero.
        n_classes: C, 1 to `MAX_CLASSES`.
    """

    def __init__(self, packed: NDArray[np.uint8], n_classes: int) -> None:
        """Wrap packed bits.

        Raises:
            ValueError: The shape does not belong to `n_classes`, or an unused bit is set.
        """
        width = -(-n_classes // 8)
        if packed.ndim != 2 or packed.shape[1] != width or packed.dtype != np.uint8:
            raise ValueError(f"packed must be uint8 (N, {width}), not {packed.shape}")
        unused = width * 8 - n_classes
        if unused and len(packed) and (packed[:, -1] & ((1 << unused) - 1)).any():
            raise ValueError("a bit beyond the last class is set")
        self.packed = packed
        self.n_classes = n_classes

    @classmethod
    def from_dense(cls, dense: NDArray[np.bool_]) -> "PartialLabels":
        """Pack a candidate matrix, bool (N, C)."""
        return cls(np.packbits(dense.astype(bool), axis=1), dense.shape[1])

    @classmethod
    def from_lists(cls, lists: Sequence[Iterable[int]], n_classes: int) -> "PartialLabels":
        """Pack lists of class indices, each 0 to C - 1; order and repeats do not matter."""
        sets = [list(members) for members in lists]
        rows = np.repeat(np.arange(len(sets)), [len(members) for members in sets])
        columns = np.fromiter((c for members in sets for c in members), np.int64, len(rows))
        return cls.from_coordinates(rows, columns, len(sets), n_classes)

    @classmethod
    def from_coordinates(
        cls, rows: NDArray[np.int64], columns: NDArray[np.int64], n_samples: int, n_classes: int
    ) -> "PartialLabels":
        """Pack (sample, class) coordinates, each int64 (M,); repeats do not matter."""
        packed = np.zeros((n_samples, -(-n_classes // 8)), np.uint8)
        bits = (128 >> (columns % 8)).astype(np.uint8)
        np.bitwise_or.at(packed, (rows, columns // 8), bits)
        return cls(packed, n_classes)

    @classmethod
    def from_labels(cls, labels: NDArray[np.integer], n_classes: int) -> "PartialLabels":
        """One candidate per sample; a label of -1 gives an empty set."""
        rows = np.flatnonzero(labels >= 0)
        columns = labels[rows].astype(np.int64)
        return cls.from_coordinates(rows, columns, len(labels), n_classes)

    def __len__(self) -> int:
        """N."""
        return len(self.packed)

    def __eq__(self, other: object) -> bool:
        """Equal classes and equal sets."""
        if not isinstance(other, PartialLabels):
            return NotImplemented
        return self.n_classes == other.n_classes and np.array_equal(self.packed, other.packed)

    __hash__ = None  # type: ignore[assignment]

    def dense(self, rows: NDArray[np.integer] | slice | None = None) -> NDArray[np.bool_]:
        """Unpack all or some rows, bool (N, C)."""
        packed = self.packed if rows is None else self.packed[rows]
        return np.unpackbits(packed, axis=1, count=self.n_classes).view(bool)

    def of(self, row: int) -> list[int]:
        """The candidates of one sample, ascending."""
        return np.flatnonzero(np.unpackbits(self.packed[row], count=self.n_classes)).tolist()

    def lists(self, rows: NDArray[np.integer] | None = None) -> list[list[int]]:
        """The candidates of all or some samples, each ascending."""
        packed = self.packed if rows is None else self.packed[rows]
        out: list[list[int]] = []
        for start in range(0, len(packed), 65536):
            dense = np.unpackbits(packed[start : start + 65536], axis=1, count=self.n_classes)
            row, column = np.nonzero(dense)
            ends = np.searchsorted(row, np.arange(1, len(dense)))
            out.extend(part.tolist() for part in np.split(column, ends))
        return out

    def sizes(self) -> NDArray[np.int64]:
        """Number of candidates per sample, int64 (N,)."""
        return np.bitwise_count(self.packed).sum(axis=1, dtype=np.int64)

    def has(self, class_index: int) -> NDArray[np.bool_]:
        """Which samples hold a class, bool (N,)."""
        return (self.packed[:, class_index // 8] & (128 >> (class_index % 8))) != 0

    def contains(self, labels: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Whether each sample holds its own label, bool (N,); False where the label is -1."""
        safe = np.maximum(labels, 0)
        byte = self.packed[np.arange(len(self)), safe // 8]
        return ((byte & (128 >> (safe % 8))) != 0) & (labels >= 0)

    def shared(self, left: NDArray[np.integer], right: NDArray[np.integer]) -> NDArray[np.int64]:
        """Candidates in common for each couple of rows, int64 (M,)."""
        out = np.empty(len(left), np.int64)
        for start in range(0, len(left), 1 << 18):
            part = slice(start, start + (1 << 18))
            both = self.packed[left[part]] & self.packed[right[part]]
            out[part] = np.bitwise_count(both).sum(axis=1, dtype=np.int64)
        return out

    def co_occurrence(self) -> NDArray[np.int64]:
        """How many samples hold both of two classes, int64 (C, C); the diagonal counts one."""
        total = np.zeros((self.n_classes, self.n_classes), np.int64)
        for start in range(0, len(self), 65536):
            # float32 counts up to 2^24 exactly, and 65,536 is far below that
            dense = self.dense(slice(start, start + 65536)).astype(np.float32)
            total += (dense.T @ dense).astype(np.int64)
        return total

    def take(self, rows: NDArray[np.integer]) -> "PartialLabels":
        """The sets of some samples, in that order."""
        return PartialLabels(self.packed[rows], self.n_classes)
