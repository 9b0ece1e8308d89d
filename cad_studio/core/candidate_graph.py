"""The neighbour graph between candidates: belief moves within a class, from sample to sample."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.partial_labels import PartialLabels

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_CLASSES_AT_ONCE = 64
_ENTRIES_AT_ONCE = 1 << 18
_MOST_STEPS = 1 << 26
"""From a neighbour's candidate to one of a sample; each takes 8 bytes, and 16 while it is made."""

_LARGE_SETS = 0.5
"""Mean share of the classes in a set from which on all classes are as quickly gone through."""

_TINY = 1e-30


class CandidateGraph:
    """E candidates of N samples, each sample's own by rising class; and who looks at whom.

    A product over the graph is one with a sparse matrix between candidates, made once. Where sets
    are so large that it would take too much memory, it goes through the samples in all classes
    instead, some classes at a time, with the same result.

    Attributes:
        rows: int64 (E,). The sample of each candidate.
        columns: int64 (E,). Its class.
        starts: int64 (N + 1,). Where the candidates of each sample begin.
    """

    def __init__(
        self, index: NDArray[np.int64], cosine: NDArray[np.float32], candidates: PartialLabels
    ) -> None:
        """Weigh the neighbours.

        Args:
            index: int64 (N, K). Neighbours of each sample, itself left out; -1 for none.
            cosine: float32 (N, K). Their cosines, the weights; 0 if negative. The weights of each
                sample's neighbours are made to sum to 1.
            candidates: N sets over C classes.
        """
        self.rows, self.columns = _coordinates(candidates)
        self.starts = np.searchsorted(self.rows, np.arange(len(candidates) + 1))
        self._shape = (len(candidates), candidates.n_classes)
        weights = np.where(index >= 0, np.maximum(cosine, 0.0), 0.0).astype(np.float32)
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), _TINY)
        self._neighbours, self._weights = np.maximum(index, 0), weights
        order = np.argsort(self.columns, kind="stable")
        edges = np.arange(0, candidates.n_classes, _CLASSES_AT_ONCE)
        # The candidates of each block of classes, class after class.
        self._blocks = np.split(order, np.searchsorted(self.columns[order], edges)[1:])
        is_small = len(self.rows) * index.shape[1] <= _MOST_STEPS
        is_small &= len(self.rows) <= _LARGE_SETS * len(candidates) * candidates.n_classes
        self._steps = self._between_candidates() if is_small else None
        self._graph = None if is_small else self._between_samples()

    def mean(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """At each candidate what its sample's neighbours have in that class, by their weights.

        Args:
            values: float32 (E,). What each candidate has; what is no candidate has 0.

        Returns:
            float32 (E,).
        """
        if self._steps is None:
            return self._through_samples(self._graph, values)
        found = np.empty(len(values), np.float32)
        for part, steps in zip(self._blocks, self._steps, strict=True):
            found[part] = steps @ values
        return found

    def reach(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """At each candidate what those have in that class whose neighbour its sample is.

        Args:
            values: As in `mean`.

        Returns:
            float32 (E,).
        """
        if self._steps is None:
            assert self._graph is not None
            return self._through_samples(self._graph.T.tocsr(), values)
        found = np.zeros(len(values), np.float32)
        for part, steps in zip(self._blocks, self._steps, strict=True):
            found += steps.T @ values[part]
        return found

    def _through_samples(
        self, graph: "csr_array", values: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        from scipy import sparse

        found = np.empty(len(values), np.float32)
        held = sparse.csr_array((values, self.columns, self.starts), shape=self._shape)
        for block, part in enumerate(self._blocks):
            first = block * _CLASSES_AT_ONCE
            dense = held[:, first : first + _CLASSES_AT_ONCE].toarray()
            found[part] = (graph @ dense)[self.rows[part], self.columns[part] - first]
        return found

    def _between_candidates(self) -> "list[csr_array]":
        """Of each block of classes, from all candidates to those of the block."""
        from scipy import sparse

        made = []
        for block, part in enumerate(self._blocks):
            first = block * _CLASSES_AT_ONCE
            rows, columns = self.rows[part], self.columns[part] - first
            n_classes = min(_CLASSES_AT_ONCE, self._shape[1] - first)
            place = np.full((self._shape[0], n_classes), -1, np.int32)
            place[rows, columns] = part
            counts: list[NDArray[np.int64]] = []
            sources, weights = [np.empty(0, np.int32)], [np.empty(0, np.float32)]
            for start in range(0, len(part), _ENTRIES_AT_ONCE):
                now = slice(start, start + _ENTRIES_AT_ONCE)
                source = place[self._neighbours[rows[now]], columns[now, None]]
                weight = self._weights[rows[now]]
                # What nobody holds, or counts for nothing, moves nothing.
                moves = (source >= 0) & (weight > 0)
                counts.append(moves.sum(axis=1))
                sources.append(source[moves])
                weights.append(weight[moves])
            ends = np.cumsum(np.concatenate([[0], *counts]), dtype=np.int64)
            parts = (np.concatenate(weights), np.concatenate(sources), ends)
            made.append(sparse.csr_array(parts, shape=(len(part), len(self.rows))))
        return made

    def _between_samples(self) -> "csr_array":
        from scipy import sparse

        n_samples, k = self._weights.shape
        starts = np.arange(0, n_samples * k + 1, max(k, 1))
        parts = (self._weights.ravel(), self._neighbours.ravel(), starts)
        return sparse.csr_array(parts, shape=(n_samples, n_samples))


def best_places(
    values: NDArray[np.floating], starts: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the highest value of each sample stands, the first one at a tie.

    Args:
        values: float (E,). Those of one sample side by side.
        starts: integers (N + 1,). Where those of each sample begin.

    Returns:
        Samples that have a value, int64 (M,), ascending, and the places, int64 (M,).
    """
    counts = np.diff(starts)
    filled = np.flatnonzero(counts)
    if not len(filled):
        return filled, filled
    owner = np.repeat(np.arange(len(filled)), counts[filled])
    highest = np.maximum.reduceat(values, starts[filled])
    at = np.flatnonzero(values == highest[owner])
    _, first = np.unique(owner[at], return_index=True)
    return filled, at[first]


def _coordinates(candidates: PartialLabels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows, columns = [], []
    for start in range(0, len(candidates), 65536):
        row, column = np.nonzero(candidates.dense(slice(start, start + 65536)))
        rows.append(row + start)
        columns.append(column)
    empty = np.empty(0, np.int64)
    return np.concatenate([empty, *rows]), np.concatenate([empty, *columns])
