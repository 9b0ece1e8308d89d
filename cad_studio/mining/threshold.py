"""The cosine that a given share of the cross-class pairs reaches."""

import math
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.progress import Part, Progress
from cad_studio.mining.cosine import SLACK, Cosine
from cad_studio.mining.scan import Scan
from cad_studio.mining.threads import in_parts

MOST_RANKED = 1 << 24
"""Longest list of pairs that is ranked directly; longer ones are counted into bins first."""

_BINS = 1 << 17
_FINE = 256
"""Parts of a bin in which pairs are counted when there are too many to be held."""
_SAMPLED_PAIRS = 16_000_000
_COUNTED_AT_ONCE = 8192

Triples = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]
"""Pairs: smaller rows, larger rows, approximate cosines, (M,) each."""


def n_cross_pairs(labels: NDArray[np.integer]) -> int:
    """Size of P: pairs whose labels differ or are not both known."""
    sizes = np.bincount(labels[labels != UNKNOWN]).tolist()
    return math.comb(len(labels), 2) - sum(math.comb(size, 2) for size in sizes)


def sampled_histogram(cosine: Cosine, labels: NDArray[np.int32], seed: int) -> NDArray[np.int64]:
    """Cosines of P between some random rows and all rows, int64 (2^17,), from -1 up to 1."""
    features, n_samples = cosine.features, len(labels)
    counts = np.zeros(_BINS, np.int64)
    generator = np.random.default_rng(seed)
    n_rows = min(n_samples, max(64, _SAMPLED_PAIRS // max(1, n_samples)))
    rows = np.sort(generator.choice(n_samples, n_rows, replace=False))
    lock = threading.Lock()

    def count(part: slice) -> None:
        own = np.zeros(_BINS, np.int64)
        for first in range(0, n_rows, 64):
            some = rows[first : first + 64]
            products = features[some] @ features[part].T
            left, right = labels[some, None], labels[None, part]
            mask = (left != right) | (left == UNKNOWN)
            inside = (some >= part.start) & (some < part.stop)
            mask[np.flatnonzero(inside), some[inside] - part.start] = False
            own += np.bincount(_bins(products[mask]), minlength=_BINS)
        with lock:
            np.add(counts, own, out=counts)

    in_parts(count, n_samples, _COUNTED_AT_ONCE)
    return counts


def sampled_threshold(histogram: NDArray[np.int64], quantile: float) -> float:
    """The lower edge of the bin in which a sample reaches the quantile."""
    return _edge_of_rank(histogram, max(1, math.ceil(quantile * int(histogram.sum()))))


class Ranking:
    """The closest `rank` pairs of P among all that are offered, in constant memory.

    Attributes:
        bar: Pairs below it are of no interest any more.
        is_full: Too many pairs are equally close to be told apart in this much memory.
    """

    def __init__(self, rank: int, bar: float) -> None:
        """Start empty, with room for twice the rank."""
        self._rank = rank
        self._room = max(2 * rank, 1 << 20)
        self._lock = threading.Lock()
        self._parts: list[Triples] = []
        self._n_held = 0
        self.bar = bar
        self.is_full = False

    def add(self, part: Triples) -> None:
        """Take pairs, each once, from any thread."""
        i = part[0]
        with self._lock:
            if self.is_full:
                return
            self._parts.append(part)
            self._n_held += len(i)
            if self._n_held > self._room:
                _, _, values = self.held()
                place = len(values) - self._rank
                self.bar = float(np.partition(values, place)[place]) - 2 * SLACK
                kept = [(i, j, value, value >= self.bar) for i, j, value in self._parts]
                self._parts = [(i[near], j[near], value[near]) for i, j, value, near in kept]
                self._n_held = sum(len(part[0]) for part in self._parts)
                if self._n_held > 0.9 * self._room:
                    self.is_full = True
                    self.bar = 2.0  # nothing more is wanted: the scan runs out without hits

    def least(self) -> float:
        """The cosine that is still wanted: `bar`, as the scan asks for it."""
        return self.bar

    def held(self) -> Triples:
        """The pairs held: i, j and approximate cosine."""
        if not self._parts:
            return np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32)
        if len(self._parts) > 1:
            i, j, values = zip(*self._parts, strict=True)
            self._parts = [(np.concatenate(i), np.concatenate(j), np.concatenate(values))]
        return self._parts[0]


def closest_pairs(
    scan: Scan, cosine: Cosine, rank: int, start: float, progress: Progress
) -> tuple[float, Ranking] | None:
    """The exact cosine of the pair of P with a given rank, and the pairs down to it.

    Args:
        scan: Over all rows.
        cosine: Over the same rows.
        rank: 1 to `MOST_RANKED`.
        start: A cosine that somewhat more pairs should reach; lowered when too few do.
        progress: Told how far the scan is.

    Returns:
        The cosine (a float32 value) and the pairs; None when too many pairs tie.
    """
    step = 0.02
    while True:
        ranking = Ranking(rank, start)
        scan.above(ranking.least, narrowed, ranking.add, progress, "Comparing all pairs")
        if ranking.is_full:
            return None
        i, j, values = ranking.held()
        if len(values) >= rank:
            place = len(values) - rank
            middle = np.partition(values, place)[place]
            # What fell below the bar could belong inside the band around the rank, and only there.
            if middle - 2 * SLACK >= ranking.bar - SLACK or ranking.bar <= -1.0:
                break
        start, step = max(start - step, -1.1), 4 * step
    # Both by the same two numbers: a pair at an edge, rounded either way, is counted once.
    low, high = np.float32(middle - 2 * SLACK), np.float32(middle + 2 * SLACK)
    band = (values >= low) & (values <= high)
    n_above = int(np.count_nonzero(values > high))
    exact = np.sort(cosine.exact(i[band], j[band]))[::-1]
    return float(exact[rank - n_above - 1]), ranking


def counted_threshold(scan: Scan, cosine: Cosine, rank: int, progress: Progress) -> float:
    """The cosine of the pair of P with a given rank, however large the rank.

    Two passes: one counts all cosines into bins, one ranks the pairs of the bin that matters.
    When more pairs than fit in memory lie within that bin, its middle is refined by counting only
    and the result may be off by 1e-6.
    """
    counts = np.zeros(_BINS, np.int64)
    lock = threading.Lock()

    def count(part: NDArray[np.int64]) -> None:
        with lock:
            np.add(counts, part, out=counts)

    scan.tiles(_counted, count, Part(progress, 0.0, 0.5), "Counting all pairs")
    low = _edge_of_rank(counts, rank) - SLACK
    high = low + 2 * SLACK + 2.0 / _BINS
    fine = np.zeros(_FINE, np.int64)
    n_above, n_inside = 0, 0
    parts: list[tuple[NDArray[np.int32], NDArray[np.int32]]] = []

    def inside(found: _Banded) -> None:
        nonlocal n_above, n_inside
        with lock:
            n_above += found.n_above
            n_inside += len(found.i)
            np.add(fine, found.fine, out=fine)
            if n_inside <= MOST_RANKED:
                parts.append((found.i, found.j))
            else:
                parts.clear()

    band = _Band(low, high)
    scan.above(lambda: low, band, inside, Part(progress, 0.5, 1.0), "Ranking the pairs")
    wanted = rank - n_above
    if n_inside > MOST_RANKED:
        from_top = np.cumsum(fine[::-1])
        bin_from_top = int(np.searchsorted(from_top, wanted))
        return float(np.float32(high - (bin_from_top + 1) * (high - low) / len(fine)))
    i, j = (np.concatenate([part[column] for part in parts]) for column in (0, 1))
    exact = np.sort(cosine.exact(i, j))[::-1]
    return float(exact[min(max(wanted, 1), len(exact)) - 1])


def narrowed(
    i: NDArray[np.int64], j: NDArray[np.int64], similarity: NDArray[np.float32]
) -> Triples:
    """All pairs that a scan finds, in half the memory."""
    return i.astype(np.int32), j.astype(np.int32), similarity


def _counted(values: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.bincount(_bins(values), minlength=_BINS)


@dataclass(frozen=True)
class _Banded:
    """Of some pairs: those within a band of cosines, their counts, and how many are above it."""

    i: NDArray[np.int32]
    j: NDArray[np.int32]
    fine: NDArray[np.int64]
    n_above: int


@dataclass(frozen=True)
class _Band:
    """Picks the pairs whose cosine lies between two."""

    low: float
    high: float

    def __call__(
        self, i: NDArray[np.int64], j: NDArray[np.int64], values: NDArray[np.float32]
    ) -> _Banded:
        band = (values >= self.low) & (values <= self.high)
        place = ((values[band] - self.low) * (_FINE / (self.high - self.low))).astype(np.int64)
        return _Banded(
            i[band].astype(np.int32),
            j[band].astype(np.int32),
            np.bincount(np.minimum(place, _FINE - 1), minlength=_FINE),
            int(np.count_nonzero(values > self.high)),
        )


def _bins(values: NDArray[np.float32]) -> NDArray[np.int32]:
    place = (values + np.float32(1.0)) * np.float32(_BINS / 2)
    return np.clip(place.astype(np.int32), 0, _BINS - 1)


def _edge_of_rank(histogram: NDArray[np.int64], rank: int) -> float:
    from_top = np.cumsum(histogram[::-1])
    place = len(histogram) - 1 - int(np.searchsorted(from_top, rank))
    return 2.0 * max(place, 0) / len(histogram) - 1.0
