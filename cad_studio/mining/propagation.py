"""Label propagation among neighbours, within the candidate sets; uses no truth.

After Zhou, Bousquet, Lal, Weston and Schoelkopf, "Learning with Local and Global Consistency",
NeurIPS 2003, https://papers.nips.cc/paper/2506-learning-with-local-and-global-consistency.
Departures: beliefs are restricted to the candidates and normalised after every step, since a
partial label says for sure what a sample is not; each row's weights sum to 1, because the graph
is directed.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.partial_labels import PartialLabels

if TYPE_CHECKING:
    from scipy.sparse import csr_array

N_NEIGHBOURS = 10
"""Neighbours per sample by default, for pixel features."""

_CLASSES_AT_ONCE = 64
_TINY = 1e-30


def propagate(
    index: NDArray[np.int64],
    cosine: NDArray[np.float32],
    candidates: PartialLabels,
    n_iterations: int = 10,
    alpha: float = 0.5,
) -> "csr_array":
    """Spread belief over the candidates along the neighbour graph.

    Starts uniform on the candidates. Each step moves belief to
    alpha * (weighted mean of the neighbours' beliefs) + (1 - alpha) * (uniform start), drops what
    lies outside the candidates and makes rows sum to 1. A neighbour's weight is its cosine, 0 if
    negative.

    Args:
        index: int64 (N, K). Neighbours of each sample, itself left out; -1 for none.
        cosine: float32 (N, K). Their cosines.
        candidates: N sets over C classes.
        n_iterations: Steps.
        alpha: Trust in the neighbours, 0 to 1.

    Returns:
        scipy.sparse CSR float32 (N, C). Stored entries are exactly the candidates, possibly 0;
        rows sum to 1, rows of empty sets to 0.
    """
    from scipy import sparse

    n_samples, n_classes = len(candidates), candidates.n_classes
    rows, columns = _coordinates(candidates)
    starts = np.searchsorted(rows, np.arange(n_samples + 1))
    sizes = np.diff(starts)
    uniform = (1.0 / sizes[rows]).astype(np.float32)
    belief = uniform.copy()
    graph = _graph(index, cosine)
    # Sample after sample in memory, class after class for the products.
    by_class = np.argsort(columns, kind="stable")
    edges = np.searchsorted(columns[by_class], np.arange(0, n_classes, _CLASSES_AT_ONCE))
    for _ in range(n_iterations):
        arriving = np.empty_like(belief)
        for first, part in zip(
            range(0, n_classes, _CLASSES_AT_ONCE), np.split(by_class, edges[1:]), strict=True
        ):
            width = min(_CLASSES_AT_ONCE, n_classes - first)
            dense = np.zeros((n_samples, width), np.float32)
            dense[rows[part], columns[part] - first] = belief[part]
            arriving[part] = (graph @ dense)[rows[part], columns[part] - first]
        belief = alpha * arriving + (1.0 - alpha) * uniform
        totals = np.bincount(rows, weights=belief, minlength=n_samples)
        # All neighbours may exclude all candidates: with alpha 1 nothing is left, so start anew.
        lost = totals[rows] < _TINY
        belief = np.where(lost, uniform, belief / np.maximum(totals[rows], _TINY))
        belief = belief.astype(np.float32)
    return sparse.csr_array((belief, columns, starts), shape=(n_samples, n_classes))


def best_labels(confidence: "csr_array") -> NDArray[np.int32]:
    """The most believed candidate of each sample, the lower class at a tie.

    Args:
        confidence: CSR (N, C) with ascending columns, as `propagate` gives it.

    Returns:
        int32 (N,). `UNKNOWN` for an empty row.
    """
    counts = np.diff(confidence.indptr)
    labels = np.full(len(counts), UNKNOWN, np.int32)
    filled = np.flatnonzero(counts)
    if len(filled):
        highest = np.zeros(len(counts), confidence.dtype)
        highest[filled] = np.maximum.reduceat(confidence.data, confidence.indptr[filled])
        rows = np.repeat(np.arange(len(counts)), counts)
        best = np.flatnonzero(confidence.data == highest[rows])
        found, first = np.unique(rows[best], return_index=True)
        labels[found] = confidence.indices[best[first]]
    return labels


def _graph(index: NDArray[np.int64], cosine: NDArray[np.float32]) -> "csr_array":
    from scipy import sparse

    n_samples, k = index.shape
    weights = np.where(index >= 0, np.maximum(cosine, 0.0), 0.0).astype(np.float32)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), _TINY)
    starts = np.arange(0, n_samples * k + 1, max(k, 1)) if k else np.zeros(n_samples + 1, int)
    neighbours = np.maximum(index, 0).ravel()
    return sparse.csr_array((weights.ravel(), neighbours, starts), shape=(n_samples, n_samples))


def _coordinates(candidates: PartialLabels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows, columns = [], []
    for start in range(0, len(candidates), 65536):
        row, column = np.nonzero(candidates.dense(slice(start, start + 65536)))
        rows.append(row + start)
        columns.append(column)
    empty = np.empty(0, np.int64)
    return np.concatenate([empty, *rows]), np.concatenate([empty, *columns])
