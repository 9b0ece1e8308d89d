"""Counts all entangled pairs and keeps the closest, in constant memory."""

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.mining.cosine import SLACK, Cosine
from cad_studio.mining.pairs import cosine_bins, n_bins_above

_LEAST_ROOM = 1 << 18


@dataclass(frozen=True)
class Sifted:
    """What is close enough of some pairs of P.

    Attributes:
        i: int32 (M,). Smaller rows of the pairs that share a candidate.
        j: int32 (M,). Larger rows.
        similarity: float32 (M,). Their cosines to within `SLACK`.
        cross_histogram: int64 (bins,). All close pairs by cosine, shared candidate or not.
        histogram: int64 (bins,). Those that share one.
    """

    i: NDArray[np.int32]
    j: NDArray[np.int32]
    similarity: NDArray[np.float32]
    cross_histogram: NDArray[np.int64]
    histogram: NDArray[np.int64]


@dataclass(frozen=True)
class Sieve:
    """Tells which pairs are close enough and share a candidate, in any thread or process.

    Attributes:
        cosine: Gives the exact value near the threshold.
        candidates: N sets over C classes.
        threshold: Least cosine, a float32 value.
    """

    cosine: Cosine
    candidates: PartialLabels
    threshold: np.float32

    def __call__(
        self,
        i: NDArray[np.signedinteger],
        j: NDArray[np.signedinteger],
        similarity: NDArray[np.float32],
    ) -> Sifted:
        """Sift pairs of P whose cosine is known to within `SLACK`.

        Args:
            i: int (M,). Smaller rows.
            j: int (M,). Larger rows.
            similarity: float32 (M,). Overwritten near the threshold by the exact value.
        """
        near = np.flatnonzero(np.abs(similarity - self.threshold) <= SLACK)
        if len(near):
            similarity[near] = self.cosine.exact(i[near], j[near])
        close = similarity >= self.threshold
        if not close.all():
            i, j, similarity = i[close], j[close], similarity[close]
        n_bins = n_bins_above(float(self.threshold))
        bins = cosine_bins(similarity, n_bins)
        sharing = self.candidates.shared(i, j) > 0
        return Sifted(
            i[sharing].astype(np.int32),
            j[sharing].astype(np.int32),
            similarity[sharing],
            np.bincount(bins, minlength=n_bins),
            np.bincount(bins[sharing], minlength=n_bins),
        )


class Collector:
    """Takes sifted pairs of P from several threads; each pair must come once.

    Attributes:
        sieve: What the pairs go through first, wherever they are found.
        n_pairs: Pairs that are close enough and share a candidate.
        histogram: int64 (bins,). Those pairs by cosine.
        cross_histogram: int64 (bins,). All close pairs by cosine.
        per_class: int64 (C, C). Upper and lower triangle are filled alike.
    """

    def __init__(
        self,
        cosine: Cosine,
        candidates: PartialLabels,
        labels: NDArray[np.int32],
        threshold: float,
        limit: int,
    ) -> None:
        """Start empty.

        Args:
            cosine: Gives the exact value where it matters.
            candidates: N sets over C classes.
            labels: int32 (N,), `UNKNOWN` where not known.
            threshold: Least cosine.
            limit: Most pairs to keep.
        """
        self.sieve = Sieve(cosine, candidates, np.float32(threshold))
        self._cosine = cosine
        self._labels = labels
        self._limit = limit
        self._lock = threading.Lock()
        self._bar = -np.inf  # least cosine worth keeping, once more than the limit were found
        self._room = limit + max(limit, _LEAST_ROOM)
        self._waiting: list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]] = []
        self._n_waiting = 0
        self._best = (np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))
        n_classes = candidates.n_classes
        bins = n_bins_above(float(self.sieve.threshold))
        self.n_pairs = 0
        self.histogram = np.zeros(bins, np.int64)
        self.cross_histogram = np.zeros(bins, np.int64)
        self.per_class = np.zeros((n_classes, n_classes), np.int64)
        self._touched = np.zeros(len(labels), bool)

    @property
    def n_instances(self) -> int:
        """Samples in at least one pair."""
        return int(self._touched.sum())

    def add(self, found: Sifted) -> None:
        """Take what is left of some pairs."""
        i, j = found.i, found.j
        left, right = self._labels[i], self._labels[j]
        known = (left != UNKNOWN) & (right != UNKNOWN)
        n_classes = len(self.per_class)
        codes = left[known].astype(np.int64) * n_classes + right[known]
        cells, counts = np.unique(codes, return_counts=True)
        upper, lower = np.divmod(cells, n_classes)
        with self._lock:
            self.cross_histogram += found.cross_histogram
            self.histogram += found.histogram
            self.n_pairs += len(i)
            self._touched[i] = True
            self._touched[j] = True
            self.per_class[upper, lower] += counts
            self.per_class[lower, upper] += counts
            self._keep(i, j, found.similarity)

    def best(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
        """The closest pairs: i, j and exact cosine, sorted; at most the limit."""
        self._settle()
        return self._best

    def _keep(
        self, i: NDArray[np.int32], j: NDArray[np.int32], similarity: NDArray[np.float32]
    ) -> None:
        if self._bar > -np.inf:
            worth = similarity >= self._bar
            i, j, similarity = i[worth], j[worth], similarity[worth]
        if not len(i):
            return
        self._waiting.append((i, j, similarity))
        self._n_waiting += len(i)
        if self._n_waiting + len(self._best[0]) > self._room:
            self._trim()

    def _trim(self) -> None:
        """Drop what cannot be among the closest, by cosines that are off by `SLACK` at most."""
        i, j, rough = (
            np.concatenate(columns) for columns in zip(self._best, *self._waiting, strict=True)
        )
        self._waiting, self._n_waiting = [], 0
        if len(rough) > self._limit:
            cut = np.partition(rough, len(rough) - self._limit)[len(rough) - self._limit]
            self._bar = float(cut) - 2 * SLACK
            worth = rough >= self._bar
            i, j, rough = i[worth], j[worth], rough[worth]
        self._best = (i, j, rough)
        if len(rough) > self._limit + (self._room - self._limit) // 2:
            self._settle()  # so many are equally close that only exact cosines and rows part them

    def _settle(self) -> None:
        """Put the closest in order by exact cosines, and drop the rest."""
        if self._waiting:
            self._trim()
        i, j, _ = self._best
        by_rows = np.argsort(i.astype(np.int64) << 32 | j)
        i, j = i[by_rows], j[by_rows]  # rows side by side are read from the same few features
        exact = self._cosine.exact(i, j)
        order = np.argsort(-exact, kind="stable")[: self._limit]
        self._best = (i[order], j[order], exact[order])
