"""Nearest neighbours of one sample at a time: by cells of similar rows that are made once and kept.

The cells are those of a FAISS inverted file; of their rows every cosine is computed, so what is
found is exact, and only a row in a cell that was not looked at is missed. How many are, is
measured when the cells are made, and so many cells are looked at that hardly any is.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.optional import require
from cad_studio.core.progress import Progress
from cad_studio.mining.neighbours import exact_neighbours

LEAST_ROWS = 50_000
"""Of fewer rows all are compared, which takes a few milliseconds."""

_ENOUGH = 0.99
_CHECKED_ROWS, _CHECKED_NEIGHBOURS = 200, 12
_FIRST_PROBES, _MOST_PROBES = 8, 128
_ASSIGNED_AT_ONCE = 65_536


@dataclass(frozen=True)
class Cells:
    """N rows in cells.

    Attributes:
        centres: float32 (cells, D).
        rows: int32 (N,). All rows, those of one cell side by side.
        starts: int64 (cells + 1,). Where the rows of each cell begin.
        n_probes: Cells that are looked at.
        recall: Share of the 12 nearest neighbours that is found, of 200 random rows.
    """

    centres: NDArray[np.float32]
    rows: NDArray[np.int32]
    starts: NDArray[np.int64]
    n_probes: int
    recall: float

    def nearest(
        self, features: NDArray[np.float32], row: int, count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The rows most similar to one.

        Args:
            features: float32 (N, D). Unit length; may be memory-mapped, and few rows are read.
            row: The one, which is left out.
            count: Neighbours wanted; fewer where the cells hold fewer.

        Returns:
            Rows, int64 (K,), nearest first and the lower row first at equal cosine, and their
            cosines, float32 (K,), computed in float64.
        """
        query = np.ascontiguousarray(features[row : row + 1])
        towards = (self.centres @ query[0]).astype(np.float32)
        n_probes = min(self.n_probes, len(towards))
        chosen = np.argpartition(towards, len(towards) - n_probes)[len(towards) - n_probes :]
        near = np.concatenate(
            [self.rows[self.starts[cell] : self.starts[cell + 1]] for cell in chosen]
        )
        near = np.sort(near[near != row]).astype(np.int64)
        place, cosine = exact_neighbours(query, np.asarray(features[near]), count)
        return near[place[0]], cosine[0]


def make_cells(features: NDArray[np.float32], seed: int, progress: Progress) -> Cells:
    """Put rows into cells, and find out how many of them must be looked at.

    Args:
        features: float32 (N, D). Unit length; may be memory-mapped.
        seed: Of the clustering and of the rows that are checked.
        progress: Told how far it is.

    Raises:
        MissingPackageError: FAISS is not installed.
    """
    faiss = require("faiss", "faiss-cpu", "The index of neighbours")
    features = np.asarray(features)
    n_rows, width = features.shape
    n_cells = max(1, min(round(2 * n_rows**0.5), n_rows // 8))
    progress.report(0.0, "Clustering the features")
    clustering = faiss.Clustering(width, n_cells)
    clustering.seed = seed + 1
    clustering.spherical = True
    clustering.min_points_per_centroid, clustering.max_points_per_centroid = 1, 64
    quantiser = faiss.IndexFlatIP(width)
    clustering.train(features, quantiser)
    cell = np.empty(n_rows, np.int32)
    for start in range(0, n_rows, _ASSIGNED_AT_ONCE):
        part = slice(start, start + _ASSIGNED_AT_ONCE)
        cell[part] = quantiser.search(np.ascontiguousarray(features[part]), 1)[1][:, 0]
        progress.report(0.3 + 0.5 * start / n_rows, "Sorting the samples into cells")
    centres = faiss.vector_to_array(clustering.centroids).reshape(n_cells, width)
    order = np.argsort(cell, kind="stable")
    starts = np.searchsorted(cell[order], np.arange(n_cells + 1)).astype(np.int64)
    made = Cells(centres, order.astype(np.int32), starts, _FIRST_PROBES, 0.0)
    progress.report(0.8, "Measuring how many neighbours are found")
    return _measured(made, features, seed)


def _measured(cells: Cells, features: NDArray[np.float32], seed: int) -> Cells:
    """With as many probes as find enough, and how many neighbours they find."""
    chance = np.random.default_rng(seed)
    rows = np.sort(chance.choice(len(features), min(_CHECKED_ROWS, len(features)), replace=False))
    count = min(_CHECKED_NEIGHBOURS, len(features) - 1)
    _, true = exact_neighbours(np.asarray(features[rows]), features, count, rows)
    while True:
        n_found = 0
        for place, row in enumerate(rows.tolist()):
            _, cosine = cells.nearest(features, row, count)
            # By cosine, as several rows may be equally near.
            n_found += int((cosine >= true[place, -1]).sum()) if count else 0
        recall = min(1.0, n_found / max(1, len(rows) * count))
        cells = replace(cells, recall=recall)
        if recall >= _ENOUGH or cells.n_probes >= min(_MOST_PROBES, len(cells.centres)):
            return cells
        cells = replace(cells, n_probes=2 * cells.n_probes)
