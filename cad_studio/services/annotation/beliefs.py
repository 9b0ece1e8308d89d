"""What neighbours and a linear head make of each sample's candidates, for queues and suggestions.

The belief is live: it is renewed in closed form after every few answers. It is a function of the
sets alone, so whatever is taken back leaves nothing behind.
"""

import json
import logging
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from cad_studio.core.annotation import ClassMap
from cad_studio.core.errors import CadStudioError, NotReadyError, ResourceError, SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Part, Progress, Silent
from cad_studio.mining.live_belief import live_belief
from cad_studio.mining.neighbours import faiss_neighbours
from cad_studio.mining.ridge import RidgeHead
from cad_studio.services.annotation.annotated_sets import AnnotatedSets
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.pairs.mining import N_GRAPH_NEIGHBOURS, MiningService
from cad_studio.store.projects import Project

if TYPE_CHECKING:
    from scipy.sparse import csr_array

AT_ONCE = 20_000
"""Samples up to which neighbours are found while the user waits; of more, by a job."""

ACTIONS_BETWEEN = 5
"""Belief is taken as true until so many actions have been done since."""

RENEWED_AT_ONCE = 50_000
"""Samples up to which belief is made while the user waits; of more, by a thread beside."""

_OF_THE_HEAD = 0.5
"""Share of the time of a first belief that the head takes; about, and the rest tells nothing."""

_MOST_KEPT = 6
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Graph:
    """The nearest neighbours of all samples.

    Attributes:
        index: int64 (N, K).
        cosine: float32 (N, K).
        features: float32 (N, D), rows of unit length, memory-mapped.
    """

    index: NDArray[np.int64]
    cosine: NDArray[np.float32]
    features: NDArray[np.float32]

    @cached_property
    def head(self) -> RidgeHead:
        """The linear head over the features, factored when first asked for."""
        return RidgeHead(self.features)

    def prepare(self, progress: Progress) -> None:
        """Factor the head now, unless that was done, and tell how far it is."""
        if "head" not in self.__dict__:
            self.__dict__["head"] = RidgeHead(self.features, progress)

    def belief(self, sets: PartialLabels) -> "csr_array":
        """What neighbours and head make of candidate sets, CSR float32 (N, C)."""
        return live_belief(self.index, self.cosine, self.head, sets)


@dataclass(frozen=True)
class Standing:
    """A belief and what it rests on.

    Attributes:
        head: Number of the last action it knows of.
        blind: Rows whose answers it does not know.
        sets: The sets it is over.
        belief: CSR float32 (N, C).
    """

    head: int
    blind: frozenset[int]
    sets: PartialLabels
    belief: "csr_array"


@dataclass(frozen=True)
class View:
    """What of the annotators' answers a belief is over.

    Attributes:
        original: None of them: the sets as they were imported.
        who: For whom, where anything is hidden from them.
        blind: Rows that they must see as they were imported.
    """

    original: bool = False
    who: str = ""
    blind: frozenset[int] = frozenset()

    @property
    def name(self) -> str:
        """Equal for views of equal belief; empty for that of everything."""
        return "original" if self.original else f"seen by {self.who}" if self.blind else ""


EVERYTHING = View()

_Key = tuple[int, str, str, str]
"""Dataset, imported sets, features, and whose view of them."""


class BeliefService:
    """Neighbour graphs and belief of one project's datasets; no true label is looked at.

    Attributes:
        is_patient: Whether who asks waits for the first belief of very many samples. A window does
            not: it is told how far that is, and asks again.
    """

    is_patient = True

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
        self._beliefs: LRUCache[_Key, Standing] = LRUCache(_MOST_KEPT)
        self._at_work: dict[_Key, _Told] = {}
        self._failed: dict[_Key, CadStudioError] = {}
        self._lock = threading.RLock()

    def features(self, name: str, wanted: str | None = None) -> str:
        """The features asked for, or the best of those that are there."""
        if wanted:
            return self._mining.check_spec(name, wanted)
        return self._mining.best_features(name)

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
        """The neighbours of all samples, kept in the project's folder once they are found.

        Raises:
            NotReadyError: They are not found yet, and finding them would keep a window waiting.
        """
        if not self.is_patient and not self.is_ready(name, features):
            n_samples = self._datasets.get(name).n_samples
            raise NotReadyError(f"The neighbours of {n_samples:,} samples are not found yet.")
        # What is stored serves as it is: its model may be gone, or another by now.
        found = self._mining.stored(name, features)
        if found is None:
            found = self._mining.extract(name, features, Part(progress, 0.0, 0.5))
        with self._lock:
            if found.file in self._graphs:
                return self._graphs[found.file]
            derived, files = self._project.derived, _files(found.file)
            vectors = self._mining.load_features(found)
            if all(map(derived.has, files)):
                index, cosine = map(derived.load_array, files)
            else:
                count = min(N_GRAPH_NEIGHBOURS, len(vectors) - 1)
                if count < 1:
                    raise SettingError("A queue by neighbours needs at least two samples.")
                index, cosine = faiss_neighbours(
                    vectors, vectors, count, np.arange(len(vectors)), Part(progress, 0.5, 1.0)
                )
                for file, array in zip(files, (index, cosine), strict=True):
                    derived.save_array(file, array)
            self._graphs[found.file] = Graph(index, cosine, vectors)
            return self._graphs[found.file]

    def vectors(self, name: str, features: str) -> NDArray[np.float32]:
        """The features themselves, rows of unit length, float32 (N, D)."""
        return self.graph(name, features, Silent()).features

    def standing(
        self,
        name: str,
        features: str,
        progress: Progress,
        view: View = EVERYTHING,
        is_exact: bool = False,
    ) -> Standing:
        """The belief over the candidates as they are, or were a few actions ago.

        Of many samples it is renewed beside, and the one before is given out meanwhile.

        Args:
            name: The dataset.
            features: What neighbours and head go by.
            progress: Told how far finding the neighbours is.
            view: What of the annotators' answers it is over.
            is_exact: Not even one action ago.

        Raises:
            NotReadyError: It is the first one of very many samples, and is being made beside.
            CadStudioError: It could not be made.
        """
        graph = self.graph(name, features, progress)
        book = self._sets.book(name)
        head = 0 if book is None or view.original else book.head
        record = self._datasets.get(name)
        # The classes themselves are never a few actions old: nobody is shown one that was merged.
        classes = ClassMap.from_json(None if book is None else book.classes).to_json()
        # Equal files may be annotated apart, each in a book of its own.
        seen = view.name + json.dumps(classes)
        key = (record.id, self._sets.base_version(name).hash, features, seen)
        with self._lock:
            known = self._beliefs.get(key)
            # A belief that hides more than it must is as good as one of a few actions ago.
            if known is not None and not (view.blind <= known.blind and known.head <= head):
                known = None
            late = 0 if is_exact else ACTIONS_BETWEEN - 1
            if known is not None and head - known.head <= late:
                return known
            waits = self.is_patient and (known is None or is_exact)
            if record.n_samples <= RENEWED_AT_ONCE or waits:
                return self._renewed(key, name, graph, head, view)
            if known is None and key in self._failed:
                raise self._failed.pop(key)  # once: who asks again has it tried again
            if key not in self._at_work:
                self._at_work[key] = _Told()
                arguments = (key, name, graph, head, view)
                threading.Thread(target=self._renew_beside, args=arguments, daemon=True).start()
            if known is None:
                done = self._at_work.get(key, _Told()).fraction  # it may have ended by now
                raise NotReadyError(
                    f"The confidence of {record.n_samples:,} samples is being worked out for the "
                    f"first time, {done:.0%} done. It is here in a moment."
                )
            return known

    def is_renewing(self, name: str) -> bool:
        """Whether a belief of a dataset is being renewed beside."""
        return any(key[0] == self._datasets.get(name).id for key in tuple(self._at_work))

    def _renew_beside(self, key: _Key, name: str, *given: Any) -> None:
        try:
            self._renewed(key, name, *given)
        except CadStudioError as error:
            _LOG.exception("the belief of %s was not renewed", name)
            self._failed[key] = error
        except (MemoryError, OSError) as error:
            _LOG.exception("the belief of %s was not renewed", name)
            why = "too little memory" if isinstance(error, MemoryError) else str(error)
            self._failed[key] = ResourceError(
                f"The confidence of {name} was not worked out: {why}."
            )
        finally:
            self._at_work.pop(key, None)

    def _renewed(self, key: _Key, name: str, graph: Graph, head: int, view: View) -> Standing:
        sets = self._sets.original(name) if view.original else self._sets.seen(name, view.blind)
        graph.prepare(Part(self._at_work.get(key, Silent()), 0.0, _OF_THE_HEAD))
        made = Standing(head, view.blind, sets, graph.belief(sets))
        with self._lock:
            self._beliefs[key] = made
        return made

    def suggestion(
        self,
        name: str,
        features: str,
        row: int,
        progress: Progress,
        view: View = EVERYTHING,
    ) -> dict[int, float]:
        """Belief in each candidate of one sample, sum 1; the rest as in `standing`."""
        belief = self.standing(name, features, progress, view).belief
        part = slice(int(belief.indptr[row]), int(belief.indptr[row + 1]))
        return {
            int(c): round(float(w), 4)
            for c, w in zip(belief.indices[part], belief.data[part], strict=True)
        }


class _Told:
    """How far the work beside is."""

    fraction = 0.0

    def report(self, fraction: float, _message: str) -> None:
        self.fraction = fraction


def _files(features_file: str) -> tuple[str, str]:
    """Of a graph, the neighbours and then how near they are; they go with their features."""
    name = f"{features_file.partition('.')[0]}-neighbours-{N_GRAPH_NEIGHBOURS}"
    return f"{name}-index.npy", f"{name}-cosine.npy"
