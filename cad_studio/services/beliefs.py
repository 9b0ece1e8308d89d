"""What the neighbours of each sample make of its candidates, for queues and suggestions."""

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from cad_studio.core.errors import SettingError
from cad_studio.core.progress import Part, Progress, Silent
from cad_studio.mining.neighbours import faiss_neighbours
from cad_studio.mining.propagation import propagate
from cad_studio.services.annotated_sets import AnnotatedSets
from cad_studio.services.datasets import DatasetService
from cad_studio.services.mining import N_GRAPH_NEIGHBOURS, MiningService
from cad_studio.store.projects import Project

if TYPE_CHECKING:
    from scipy.sparse import csr_array

AT_ONCE = 20_000
"""Samples up to which neighbours are found while the user waits; of more, by a job."""

ACTIONS_BETWEEN = 25
"""Belief is taken as true until so many actions have been done since."""


@dataclass(frozen=True)
class Graph:
    """The nearest neighbours of all samples.

    Attributes:
        index: int64 (N, K).
        cosine: float32 (N, K).
        description: What the features are.
    """

    index: NDArray[np.int64]
    cosine: NDArray[np.float32]
    description: str


class BeliefService:
    """Neighbour graphs and belief of one project's datasets; no true label is looked at."""

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        mining: MiningService,
        sets: AnnotatedSets,
    ) -> None:
        """Read through the other services of the same project."""
        self._project = project
        self._datasets = datasets
        self._mining = mining
        self._sets = sets
        self._graphs: LRUCache[str, Graph] = LRUCache(2)
        self._beliefs: LRUCache[tuple[int, str, str, str], tuple[int, csr_array]] = LRUCache(3)
        self._lock = threading.RLock()

    def features(self, name: str, wanted: str | None = None) -> str:
        """The features asked for, or the plainest the dataset has."""
        if wanted:
            return self._mining.check_spec(name, wanted)
        return "raw" if self._datasets.get(name).kind == "features" else "pixels"

    def is_ready(self, name: str, features: str) -> bool:
        """Whether the neighbours are known, or few enough to be found at once."""
        if self._datasets.get(name).n_samples <= AT_ONCE:
            return True
        return any(
            self._project.derived.has(_files(found.file)[-1])
            for found in self._mining.feature_sets(name)
            if found.spec == features
        )

    def graph(self, name: str, features: str, progress: Progress) -> Graph:
        """The neighbours of all samples, kept in the project's folder once they are found."""
        found = self._mining.extract(name, features, Part(progress, 0.0, 0.5))
        with self._lock:
            if found.file in self._graphs:
                return self._graphs[found.file]
            derived, files = self._project.derived, _files(found.file)
            if all(map(derived.has, files)):
                index, cosine = map(derived.load_array, files)
            else:
                vectors = self._mining.load_features(found)
                count = min(N_GRAPH_NEIGHBOURS, len(vectors) - 1)
                if count < 1:
                    raise SettingError("A queue by neighbours needs at least two samples.")
                index, cosine = faiss_neighbours(
                    vectors, vectors, count, np.arange(len(vectors)), Part(progress, 0.5, 1.0)
                )
                for file, array in zip(files, (index, cosine), strict=True):
                    derived.save_array(file, array)
            self._graphs[found.file] = Graph(index, cosine, found.description)
            return self._graphs[found.file]

    def vectors(self, name: str, features: str) -> NDArray[np.float32]:
        """The features themselves, rows of unit length, float32 (N, D)."""
        return self._mining.load_features(self._mining.extract(name, features, Silent()))

    def belief(
        self, name: str, features: str, progress: Progress, original: bool = False
    ) -> "csr_array":
        """Belief over the candidates as they are, or were a few actions ago, CSR float32 (N, C).

        Args:
            name: The dataset.
            features: What the neighbours are found by.
            progress: Told how far finding them is.
            original: Over the imported sets instead, without what any annotator said.
        """
        graph = self.graph(name, features, progress)
        with self._lock:
            book = self._sets.book(name)
            head = 0 if book is None else book.head
            classes = ""
            if original:
                head, classes = 0, json.dumps(None if book is None else book.classes)
            # Equal files may be annotated apart, each in a book of its own.
            record = self._datasets.get(name)
            base = self._sets.base_version(name).hash
            key = (record.id, base, features, f"original {classes}" if original else "")
            if key in self._beliefs and 0 <= head - self._beliefs[key][0] < ACTIONS_BETWEEN:
                return self._beliefs[key][1]
            sets = self._sets.original(name) if original else self._sets.effective(name)
            made = propagate(graph.index, graph.cosine, sets)
            self._beliefs[key] = (head, made)
            return made

    def suggestion(
        self, name: str, features: str, row: int, progress: Progress, original: bool = False
    ) -> dict[int, float]:
        """Belief in each candidate of one sample, sum 1; `original` as in `belief`."""
        belief = self.belief(name, features, progress, original)
        part = slice(int(belief.indptr[row]), int(belief.indptr[row + 1]))
        return {
            int(c): round(float(w), 4)
            for c, w in zip(belief.indices[part], belief.data[part], strict=True)
        }


def _files(features_file: str) -> tuple[str, str]:
    """Of a graph, the neighbours and then how near they are; they go with their features."""
    name = f"{features_file.partition('.')[0]}-neighbours-{N_GRAPH_NEIGHBOURS}"
    return f"{name}-index.npy", f"{name}-cosine.npy"
