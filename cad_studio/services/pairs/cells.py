"""The neighbours of single samples: of many samples by cells that are kept beside the features."""

import logging
from threading import Lock

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from cad_studio.core.errors import DamageError
from cad_studio.core.progress import Progress
from cad_studio.core.records import FeatureSet
from cad_studio.mining.cells import LEAST_ROWS, Cells, make_cells
from cad_studio.mining.neighbours import faiss_neighbours
from cad_studio.store.projects import Project

_LOG = logging.getLogger(__name__)

_KEPT = 4
_ARRAYS = ("centres", "rows", "starts")


class CellService:
    """The cells of the features of one project."""

    def __init__(self, project: Project) -> None:
        """Keep them in `project`."""
        self._project = project
        self._held: LRUCache[str, Cells] = LRUCache(_KEPT)
        self._lock = Lock()

    def keep(self, feature_set: FeatureSet, progress: Progress) -> None:
        """Make the cells of many samples, unless they are there; for jobs, as it takes a while."""
        derived, name = self._project.derived, _name(feature_set)
        features = self._project.blobs.load_array(feature_set.file)
        if len(features) < LEAST_ROWS or self._is_kept(name):
            return
        made = make_cells(features, 0, progress)
        for part in _ARRAYS:
            derived.save_array(f"{name}-{part}.npy", getattr(made, part))
        # Last, as what is read only where all is there.
        derived.save_json(f"{name}.json", {"n_probes": made.n_probes, "recall": made.recall})
        _LOG.info("cells of %s find %.1f %% of the neighbours", feature_set.spec, 100 * made.recall)

    def nearest(
        self, feature_set: FeatureSet, row: int, count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], float | None]:
        """The samples most similar to one, by cells where they are kept, else of all.

        Args:
            feature_set: Which features.
            row: The sample, which is left out.
            count: Neighbours wanted.

        Returns:
            Rows, int64 (K,), and cosines, float32 (K,), nearest first, and of cells the share of
            neighbours they find; None where all samples were compared.
        """
        features = self._project.blobs.load_array(feature_set.file)
        cells = self._of(feature_set)
        if cells is not None:
            return *cells.nearest(features, row, count), cells.recall
        query = np.ascontiguousarray(features[row : row + 1])
        index, cosine = faiss_neighbours(query, features, count, np.array([row]))
        return index[0], cosine[0], None

    def _of(self, feature_set: FeatureSet) -> Cells | None:
        derived, name = self._project.derived, _name(feature_set)
        with self._lock:
            if name in self._held:
                return self._held[name]
            if not self._is_kept(name):
                return None
            try:
                arrays = [derived.load_array(f"{name}-{part}.npy") for part in _ARRAYS]
                self._held[name] = Cells(*arrays, **derived.load_json(f"{name}.json"))
            except DamageError as error:  # thrown away by now; the next search makes them again
                _LOG.warning("all samples are compared: %s", error)
                return None
            return self._held[name]

    def _is_kept(self, name: str) -> bool:
        files = (f"{name}.json", *(f"{name}-{part}.npy" for part in _ARRAYS))
        return all(map(self._project.derived.has, files))


def _name(feature_set: FeatureSet) -> str:
    """How the names of the files begin; they go with their features."""
    return f"{feature_set.file.partition('.')[0]}-cells"
