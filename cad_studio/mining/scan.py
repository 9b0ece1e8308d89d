"""Every cross-class pair above a cosine, tile by tile over the upper triangle."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import monotonic
from typing import ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.progress import Progress
from cad_studio.core.workers import Task, Workers
from cad_studio.mining.cosine import SLACK, Cosine
from cad_studio.mining.prefilter import bound_vectors
from cad_studio.mining.threads import in_parts, n_workers, single_threaded

Found = TypeVar("Found")
Sift = Callable[[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]], Found]
"""Makes what is wanted of rows i < j, each int64 (M,), and their float32 cosines."""

Tile = tuple[int, int]
"""First place of its tops and of its lefts."""

_TILE = 1024  # 4 MB of cosines: written and read again before it leaves the cache
# A dot product by itself takes as long as so many in a product of matrices.
_TIMES_CHEAPER = 16
_BLOCK = 256
_ANCHORS = 64
_TILES_AT_ONCE = 64  # some tenths of a second of work


class Scan:
    """The pairs of P (labels differ or are not both known) among N rows.

    Rows are taken in the order of their labels, so that tiles within one class are skipped
    without being computed.
    """

    def __init__(self, cosine: Cosine, labels: NDArray[np.int32], workers: Workers) -> None:
        """Sort the rows and, for wide features, compute the bound.

        Args:
            cosine: Over float32 (N, D).
            labels: int32 (N,), `UNKNOWN` where not known.
            workers: Who compares.
        """
        order = np.lexsort((_near(cosine.features), labels)).astype(np.int64)
        vectors = bound_vectors(cosine.features, order)
        self._rows = _Rows(cosine, order, np.ascontiguousarray(labels[order]), vectors, _TILE)
        self._workers = workers

    def above(
        self,
        bar: Callable[[], float],
        sift: Sift[Found],
        take: Callable[[Found], None],
        progress: Progress,
        word: str,
    ) -> None:
        """Sift every pair of P with a cosine of at least `bar() - SLACK`.

        Args:
            bar: Asked before every tile; it may rise on the way.
            sift: Given the pairs of a tile at a time, where they are found; so it is pickled with
                all it knows when that is another process.
            take: Given what the sift made of them, in this process, from several threads.
            progress: Told after some tiles.
            word: What is being done.
        """
        items = ((tile, bar()) for tile in self._upper())
        self._run(_Above(self._rows, sift), items, lambda item: item[0], take, progress, word)

    def tiles(
        self,
        sift: Callable[[NDArray[np.float32]], Found],
        take: Callable[[Found], None],
        progress: Progress,
        word: str,
    ) -> None:
        """Sift the float32 cosines of all pairs of P, a tile at a time; as `above`."""
        self._run(_All(self._rows, sift), self._upper(), lambda tile: tile, take, progress, word)

    def _run(self, task, items, tile_of, take, progress: Progress, word: str) -> None:  # type: ignore[no-untyped-def]
        starts = -(-len(self._rows.labels) // self._rows.tile)
        total = starts * (starts + 1) // 2
        furthest, reported = 0, monotonic()

        def taken(item, found) -> None:  # type: ignore[no-untyped-def]
            nonlocal furthest
            row, column = (place // self._rows.tile for place in tile_of(item))
            furthest = max(furthest, row * starts - row * (row - 1) // 2 + column - row + 1)
            if found is not None:
                take(found)

        def tick() -> None:
            nonlocal reported
            if monotonic() - reported > 0.2:
                reported = monotonic()
                progress.report(furthest / total, word)

        self._workers.run(task, items, taken, tick)

    def _upper(self) -> Iterator[Tile]:
        labels, size = self._rows.labels, self._rows.tile
        starts = range(0, len(labels), size)
        for top in starts:
            label = labels[top]
            for left in starts[top // size :]:
                # Sorted labels: first and last row equal means that all rows between are.
                alike = label != UNKNOWN and label == labels[min(left + size, len(labels)) - 1]
                if not alike:
                    yield top, left


def _near(features: NDArray[np.float32]) -> NDArray[np.int64]:
    """A number for each row, int64 (N,), that rows which are close mostly have in common.

    Side by side, close pairs of two classes lie in few tiles, and in few rows of these.
    """
    anchors = features[:: max(1, len(features) // _ANCHORS)][:_ANCHORS]
    found = np.empty(len(features), np.int64)

    def nearest(part: slice) -> None:
        found[part] = (features[part] @ anchors.T).argmax(axis=1)

    in_parts(nearest, len(features), 4096)
    return found


@dataclass(frozen=True)
class _Rows:
    """N rows in the order of their labels; a place is a position in this order.

    Attributes:
        cosine: Over float32 (N, D), in the order of the dataset.
        order: int64 (N,). Row of the dataset at each place.
        labels: int32 (N,). By place.
        vectors: float32 (N, up to 128), by place. Their products are never below the cosines.
        tile: Places along a side of a tile.
    """

    cosine: Cosine
    order: NDArray[np.int64]
    labels: NDArray[np.int32]
    vectors: NDArray[np.float32]
    tile: int

    @property
    def is_bound(self) -> bool:
        return self.vectors.shape[1] < self.cosine.features.shape[1]

    def sides(self, tile: Tile) -> tuple[slice, slice]:
        top, left = tile
        return slice(top, top + self.tile), slice(left, left + self.tile)

    def in_p(self, tops: NDArray[np.int64], lefts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which couples of places are pairs of P."""
        first, second = self.labels[tops], self.labels[lefts]
        return (tops < lefts) & ((first != second) | (first == UNKNOWN))

    def cosines(
        self, tops: slice, lefts: slice, top: NDArray[np.int64], left: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Cosines of couples of a tile, float32 (M,), off by less than `SLACK`.

        Args:
            tops: One side of the tile.
            lefts: The other one.
            top: int64 (M,). Places on the first side.
            left: int64 (M,). Places on the second side.
        """
        first, second = self.order[tops], self.order[lefts]
        block = (top // _BLOCK) * -(-len(second) // _BLOCK) + left // _BLOCK
        by_block = np.argsort(block, kind="stable")
        ends = np.flatnonzero(np.diff(block[by_block])) + 1
        out = np.empty(len(top), np.float32)
        for part in np.split(by_block, ends):
            out[part] = self._of_block(first, second, top[part], left[part])
        return out

    def _of_block(
        self,
        first: NDArray[np.int64],
        second: NDArray[np.int64],
        top: NDArray[np.int64],
        left: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        some_tops, top_at = _used(top, len(first))
        some_lefts, left_at = _used(left, len(second))
        if len(some_tops) * len(some_lefts) > _TIMES_CHEAPER * len(top):
            return self.cosine.quick(first[top], second[left])
        features = self.cosine.features
        dense = features[first[some_tops]] @ features[second[some_lefts]].T
        return dense[top_at[top], left_at[left]]

    def full(self, side: slice) -> NDArray[np.float32]:
        """The features of some places."""
        return self.cosine.features[self.order[side]] if self.is_bound else self.vectors[side]


def _used(places: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The different ones among places below `size`, ascending, and where each of them stands."""
    used = np.flatnonzero(np.bincount(places, minlength=size))
    at = np.zeros(size, np.int64)
    at[used] = np.arange(len(used))
    return used, at


@dataclass(frozen=True)
class _Above(Task[tuple[Tile, float], Found | None], Generic[Found]):
    """Sifts the pairs of a tile at or above a cosine; None where there are none."""

    rows: _Rows
    sift: Sift[Found]
    at_once: ClassVar[int] = _TILES_AT_ONCE

    def n_threads(self) -> int:
        return n_workers()

    def alone(self) -> AbstractContextManager[object]:
        return single_threaded()

    def prepare(self) -> Callable[[tuple[Tile, float]], Found | None]:
        rows, buffers = self.rows, _Buffers(self.rows.tile)

        def work(item: tuple[Tile, float]) -> Found | None:
            tile, floor = item[0], np.float32(item[1] - SLACK)
            tops, lefts = rows.sides(tile)
            products, mask = buffers.of(len(rows.vectors[tops]), len(rows.vectors[lefts]))
            np.matmul(rows.vectors[tops], rows.vectors[lefts].T, out=products)
            np.greater_equal(products, floor, out=mask)
            # On the flat mask, whose few hits numpy finds many times faster than in two dimensions.
            places = np.flatnonzero(mask.reshape(-1))
            if not len(places):
                return None
            top, left = np.divmod(places, products.shape[1])
            kept = rows.in_p(top + tile[0], left + tile[1])
            top, left = top[kept], left[kept]
            values = products.reshape(-1)[places[kept]]
            first, second = rows.order[top + tile[0]], rows.order[left + tile[1]]
            if rows.is_bound and len(top):
                values = rows.cosines(tops, lefts, top, left)
                close = values >= floor
                first, second, values = first[close], second[close], values[close]
            if not len(values):
                return None
            return self.sift(np.minimum(first, second), np.maximum(first, second), values)

        return work


@dataclass(frozen=True)
class _All(Task[Tile, Found], Generic[Found]):
    """Sifts the cosines of all pairs of P in a tile."""

    rows: _Rows
    sift: Callable[[NDArray[np.float32]], Found]
    at_once: ClassVar[int] = _TILES_AT_ONCE

    def n_threads(self) -> int:
        return n_workers()

    def alone(self) -> AbstractContextManager[object]:
        return single_threaded()

    def prepare(self) -> Callable[[Tile], Found]:
        rows = self.rows

        def work(tile: Tile) -> Found:
            tops, lefts = rows.sides(tile)
            products = rows.full(tops) @ rows.full(lefts).T
            first, second = rows.labels[tops, None], rows.labels[None, lefts]
            mask = (first != second) | (first == UNKNOWN)
            if tile[0] == tile[1]:
                mask = np.triu(mask, 1)
            return self.sift(products[mask])

        return work


class _Buffers:
    """Room for the products of a tile, kept by every thread.

    Fresh memory for every tile costs as much as the comparison.
    """

    def __init__(self, side: int) -> None:
        self._size = side * side
        self._local = threading.local()

    def of(self, height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Products and mask of a tile, both (height, width)."""
        if not hasattr(self._local, "products"):
            self._local.products = np.empty(self._size, np.float32)
            self._local.mask = np.empty(self._size, bool)
        shape, size = (height, width), height * width
        return self._local.products[:size].reshape(shape), self._local.mask[:size].reshape(shape)
