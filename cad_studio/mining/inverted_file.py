"""Close pairs within neighbouring cells of a FAISS inverted file: fast, nearly complete."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.optional import require
from cad_studio.core.progress import Progress
from cad_studio.core.workers import Task, Workers
from cad_studio.mining.cosine import SLACK, Cosine
from cad_studio.mining.prefilter import bound_vectors
from cad_studio.mining.scan import Found, Sift

_STRETCH = 2048  # rows that a worker is given; what they find is held until all are through
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
        self._cells = _Cells(
            self._index, cosine, self._labels, self._vectors, self._near, self._probes
        )

    def above(
        self,
        bar: float,
        sift: Sift[Found],
        take: Callable[[Found], None],
        workers: Workers,
        progress: Progress,
        word: str,
    ) -> None:
        """Sift the pairs of P found with a cosine of at least `bar - SLACK`, each once.

        Args:
            bar: The cosine.
            sift: As in `Scan.above`.
            take: As in `Scan.above`; what the sift made of some pairs at a time.
            workers: Who compares.
            progress: Told after some rows.
            word: What is being done.
        """
        n_samples, done = len(self._labels), 0

        def taken(rows: _Stretch, found: list[Found]) -> None:
            nonlocal done
            for part in found:
                take(part)
            done += rows[1] - rows[0]

        stretches = (
            (start, min(start + _STRETCH, n_samples)) for start in range(0, n_samples, _STRETCH)
        )
        task = _InCells(self._cells, bar - SLACK, sift)
        workers.run(task, stretches, taken, lambda: progress.report(done / n_samples, word))

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
            n_found += int((self._cells.sees(left, right) | self._cells.sees(right, left)).sum())
        return n_found / n_all if n_all else 1.0

    def _nearest_cells(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        count = self._index.nprobe
        near = np.empty((len(self._vectors), count), np.float32)
        cells = np.empty((len(self._vectors), count), np.int32)
        for start in range(0, len(cells), 65536):
            part = slice(start, start + 65536)
            near[part], cells[part] = self._quantiser.search(self._vectors[part], count)
        return near, cells


_Stretch = tuple[int, int]
"""First row, and the one after the last."""


@dataclass(frozen=True)
class _Cells:
    """The cells and which of them each row looks at.

    Attributes:
        index: FAISS inverted file over the vectors.
        cosine: Over float32 (N, D).
        labels: int32 (N,).
        vectors: float32 (N, up to 128). Their products are never below the cosines.
        near: float32 (N, probes). How near the cells are.
        probes: int32 (N, probes). The cells, the row's own first.
    """

    index: Any
    cosine: Cosine
    labels: NDArray[np.int32]
    vectors: NDArray[np.float32]
    near: NDArray[np.float32]
    probes: NDArray[np.int32]

    def sees(self, rows: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each row looks at the cell of another one, bool (M,)."""
        return (self.probes[rows] == self.probes[others, 0][:, None]).any(axis=1)

    def new_pairs(
        self, queries: NDArray[np.int64], found: NDArray[np.int64], floor: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Of what some rows found the pairs of P that are theirs to tell: i < j and cosine."""
        # Where classes are compact, most of what is found is of one class.
        left, right = self.labels[queries], self.labels[found]
        wanted = ((left != right) | (left == UNKNOWN)) & (queries != found)
        queries, found = queries[wanted], found[wanted]
        # From the larger row's side a pair counts only when the smaller row did not see it.
        wanted = queries < found
        late = np.flatnonzero(~wanted)
        wanted[late] = ~self.sees(found[late], queries[late])
        queries, found = queries[wanted], found[wanted]
        values = self.cosine.quick(queries, found)
        close = values >= floor
        queries, found = queries[close], found[close]
        return np.minimum(queries, found), np.maximum(queries, found), values[close]


@dataclass(frozen=True)
class _InCells(Task[_Stretch, list[Found]], Generic[Found]):
    """Sifts what the rows of a stretch find in their cells; FAISS takes all cores for that."""

    cells: _Cells
    floor: float
    sift: Sift[Found]

    def prepare(self) -> Callable[[_Stretch], list[Found]]:
        cells, size = self.cells, 16

        def work(stretch: _Stretch) -> list[Found]:
            nonlocal size
            (start, stop), found = stretch, []
            while start < stop:
                rows = np.arange(start, min(start + size, stop))
                ends, _, others = cells.index.range_search_preassigned(
                    cells.vectors[rows],
                    self.floor,
                    cells.probes[rows].astype(np.int64),
                    cells.near[rows],
                )
                queries = np.repeat(rows, np.diff(ends.astype(np.int64)))
                for first in range(0, len(queries), 1 << 20):
                    part = slice(first, first + (1 << 20))
                    pairs = cells.new_pairs(queries[part], others[part], self.floor)
                    if len(pairs[0]):
                        found.append(self.sift(*pairs))
                start += len(rows)
                per_row = max(1, len(queries) // len(rows))
                size = int(np.clip(_MOST_HITS // per_row, 1, min(4 * size, _STRETCH)))
            return found

        return work
