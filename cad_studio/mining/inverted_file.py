"""Close pairs within neighbouring cells of a FAISS inverted file: fast, nearly complete."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.optional import require
from cad_studio.core.progress import Progress
from cad_studio.mining.cosine import SLACK, Cosine
from cad_studio.mining.prefilter import bound_vectors
from cad_studio.mining.scan import Hits

_MOST_HITS = 4_000_000  # per query batch; 12 bytes each inside FAISS, more while they are sorted
_RECALL_ROWS = 200


class InvertedFile:
    """Cells of similar rows; each row is compared with the rows of its nearest cells.

    A pair is found when either member's cell is among the cells that the other looks at.
    """

    def __init__(self, cosine: Cosine, labels: NDArray[np.int32], n_probes: int, seed: int) -> None:
        """Cluster the rows.

        Args:
            cosine: Over float32 (N, D).
            labels: int32 (N,), `UNKNOWN` where not known.
            n_probes: Cells a row looks at, its own included.
            seed: Of the clustering.

        Raises:
            MissingPackageError: FAISS is not installed.
        """
        faiss = require("faiss", "faiss-cpu", "Approximate pair mining")
        self._cosine = cosine
        self._labels = labels
        self._vectors = bound_vectors(cosine.features, np.arange(len(labels)))
        n_samples, width = self._vectors.shape
        n_cells = max(1, min(round(2 * n_samples**0.5), n_samples // 8))
        self._quantiser = faiss.IndexFlatIP(width)
        self._index = faiss.IndexIVFFlat(
            self._quantiser, width, n_cells, faiss.METRIC_INNER_PRODUCT
        )
        self._index.cp.seed = seed + 1
        self._index.cp.min_points_per_centroid = 1
        self._index.cp.max_points_per_centroid = 64
        self._index.train(self._vectors)
        self._index.nprobe = min(n_probes, n_cells)
        self._near, self._probes = self._nearest_cells()
        # FAISS is given bare addresses, so the arrays must outlive the call.
        ids = np.arange(n_samples)
        own_cells = np.ascontiguousarray(self._probes[:, 0], np.int64)
        pointers = [faiss.swig_ptr(array) for array in (self._vectors, ids, own_cells)]
        self._index.add_core(n_samples, *pointers)

    def above(self, bar: Callable[[], float], hits: Hits, progress: Progress, word: str) -> None:
        """Hand the pairs of P found with a cosine of at least `bar() - SLACK` to `hits`, once."""
        n_samples = len(self._labels)
        start, size = 0, 16
        while start < n_samples:
            floor = bar() - SLACK
            rows = np.arange(start, min(start + size, n_samples))
            ends, _, found = self._index.range_search_preassigned(
                self._vectors[rows],
                floor,
                self._probes[rows].astype(np.int64),
                self._near[rows],
            )
            queries = np.repeat(rows, np.diff(ends.astype(np.int64)))
            for first in range(0, len(queries), 1 << 20):
                part = slice(first, first + (1 << 20))
                self._check(queries[part], found[part], floor, hits)
            start += len(rows)
            per_row = max(1, len(queries) // len(rows))
            size = int(np.clip(_MOST_HITS // per_row, 1, min(4 * size, 8192)))
            progress.report(start / n_samples, word)

    def recall(self, threshold: float, seed: int) -> float:
        """Share of the pairs of P at or above a cosine that are found, on 200 random rows."""
        features, labels = self._cosine.features, self._labels
        generator = np.random.default_rng(seed)
        rows = generator.choice(len(labels), min(_RECALL_ROWS, len(labels)), replace=False)
        n_all = n_found = 0
        for start in range(0, len(labels), 65536):
            products = features[rows] @ features[start : start + 65536].T
            place, others = np.nonzero(products >= np.float32(threshold))
            left, right = rows[place], others + start
            cross = (labels[left] != labels[right]) | (labels[left] == UNKNOWN)
            left, right = left[cross & (left != right)], right[cross & (left != right)]
            n_all += len(left)
            n_found += int((self._sees(left, right) | self._sees(right, left)).sum())
        return n_found / n_all if n_all else 1.0

    def _check(
        self,
        queries: NDArray[np.int64],
        found: NDArray[np.int64],
        floor: float,
        hits: Hits,
    ) -> None:
        # From the larger row's side a pair counts only when the smaller row did not see it.
        wanted = (queries < found) | ((queries > found) & ~self._sees(found, queries))
        left, right = self._labels[queries], self._labels[found]
        wanted &= (left != right) | (left == UNKNOWN)
        queries, found = queries[wanted], found[wanted]
        values = self._cosine.quick(queries, found)
        close = values >= floor
        queries, found = queries[close], found[close]
        if len(queries):
            hits(np.minimum(queries, found), np.maximum(queries, found), values[close])

    def _sees(self, rows: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
        return (self._probes[rows] == self._probes[others, 0][:, None]).any(axis=1)

    def _nearest_cells(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        count = self._index.nprobe
        near = np.empty((len(self._vectors), count), np.float32)
        cells = np.empty((len(self._vectors), count), np.int32)
        for start in range(0, len(cells), 65536):
            part = slice(start, start + 65536)
            near[part], cells[part] = self._quantiser.search(self._vectors[part], count)
        return near, cells
