"""Every cross-class pair above a cosine, tile by tile over the upper triangle."""

import threading
from collections.abc import Callable, Iterator
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.progress import Progress
from cad_studio.mining.cosine import SLACK, Cosine
from cad_studio.mining.prefilter import bound_vectors
from cad_studio.mining.threads import share

Hits = Callable[[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]], None]
"""Takes rows i < j, each int64 (M,), and their float32 cosines; called from several threads."""

_TILE = 1024  # 4 MB of cosines: written and read again before it leaves the cache
# Above this share of survivors a product of the whole tile is cheaper than single dot products.
_DENSE_SHARE = 0.06


class Scan:
    """The pairs of P (labels differ or are not both known) among N rows.

    Rows are taken in the order of their labels, so that tiles within one class are skipped
    without being computed.
    """

    def __init__(self, cosine: Cosine, labels: NDArray[np.int32]) -> None:
        """Sort the rows and, for wide features, compute the bound.

        Args:
            cosine: Over float32 (N, D).
            labels: int32 (N,), `UNKNOWN` where not known.
        """
        self._cosine = cosine
        self._order = np.argsort(labels, kind="stable").astype(np.int64)
        self._labels = np.ascontiguousarray(labels[self._order])
        self._vectors = bound_vectors(cosine.features, self._order)
        self._local = threading.local()
        self._reported = 0.0
        self._is_bound = self._vectors.shape[1] < cosine.features.shape[1]

    def above(self, bar: Callable[[], float], hits: Hits, progress: Progress, word: str) -> None:
        """Hand every pair of P with a cosine of at least `bar() - SLACK` to `hits`.

        Args:
            bar: Asked before every tile; it may rise on the way.
            hits: Called with the pairs of a tile at a time.
            progress: Told after some tiles.
            word: What is being done.
        """

        def work(tile: tuple[int, int]) -> None:
            floor = np.float32(bar() - SLACK)
            tops, lefts = (slice(start, start + _TILE) for start in tile)
            products, mask = self._buffers(self._vectors[tops], self._vectors[lefts])
            np.matmul(self._vectors[tops], self._vectors[lefts].T, out=products)
            np.greater_equal(products, floor, out=mask)
            # On the flat mask, whose few hits numpy finds many times faster than in two dimensions.
            places = np.flatnonzero(mask.reshape(-1))
            if not len(places):
                return
            rows, columns = np.divmod(places, products.shape[1])
            kept = self._in_p(rows + tile[0], columns + tile[1])
            rows, columns = rows[kept], columns[kept]
            values = products.reshape(-1)[places[kept]]
            first, second = self._order[rows + tile[0]], self._order[columns + tile[1]]
            if self._is_bound and len(rows):
                if len(rows) > _DENSE_SHARE * products.size:
                    dense = self._full(tops) @ self._full(lefts).T
                    values = dense[rows, columns]
                else:
                    values = self._cosine.quick(first, second)
                close = values >= floor
                first, second, values = first[close], second[close], values[close]
            if len(values):
                hits(np.minimum(first, second), np.maximum(first, second), values)

        self._run(work, progress, word)

    def tiles(
        self, take: Callable[[NDArray[np.float32]], None], progress: Progress, word: str
    ) -> None:
        """Hand the float32 cosines of all pairs of P to `take`, some at a time."""

        def work(tile: tuple[int, int]) -> None:
            tops, lefts = (slice(start, start + _TILE) for start in tile)
            products = self._full(tops) @ self._full(lefts).T
            left, right = self._labels[tops, None], self._labels[None, lefts]
            mask = (left != right) | (left == UNKNOWN)
            if tile[0] == tile[1]:
                mask = np.triu(mask, 1)
            take(products[mask])

        self._run(work, progress, word)

    def _run(self, work: Callable[[tuple[int, int]], None], progress: Progress, word: str) -> None:
        n_samples = len(self._labels)
        starts = range(0, n_samples, _TILE)
        total = len(starts) * (len(starts) + 1) // 2
        self._reported = monotonic()

        def finished(tile: tuple[int, int]) -> None:
            row, column = tile[0] // _TILE, tile[1] // _TILE
            done = row * len(starts) - row * (row - 1) // 2 + column - row + 1
            if monotonic() - self._reported > 0.2:
                self._reported = monotonic()
                progress.report(done / total, word)

        share(self._upper(starts), work, finished)

    def _upper(self, starts: range) -> Iterator[tuple[int, int]]:
        n_samples = len(self._labels)
        for top in starts:
            label = self._labels[top]
            for left in starts[top // _TILE :]:
                # Sorted labels: first and last row equal means that all rows between are.
                alike = label != UNKNOWN and label == self._labels[min(left + _TILE, n_samples) - 1]
                if not alike:
                    yield top, left

    def _in_p(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.bool_]:
        left, right = self._labels[rows], self._labels[columns]
        return (rows < columns) & ((left != right) | (left == UNKNOWN))

    def _buffers(
        self, top: NDArray[np.float32], left: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        # Kept per thread: fresh memory for every tile costs as much as the comparison.
        if not hasattr(self._local, "products"):
            self._local.products = np.empty(_TILE * _TILE, np.float32)
            self._local.mask = np.empty(_TILE * _TILE, bool)
        shape, size = (len(top), len(left)), len(top) * len(left)
        return self._local.products[:size].reshape(shape), self._local.mask[:size].reshape(shape)

    def _full(self, part: slice) -> NDArray[np.float32]:
        if self._is_bound:
            return self._cosine.features[self._order[part]]
        return self._vectors[part]
