"""Label propagation among neighbours, within the candidate sets; uses no truth.

After Zhou, Bousquet, Lal, Weston and Schoelkopf, "Learning with Local and Global Consistency",
NeurIPS 2003, https://papers.nips.cc/paper/2506-learning-with-local-and-global-consistency.
Departures: beliefs are restricted to the candidates and normalised after every step, since a
partial label says for sure what a sample is not; each row's weights sum to 1, because the graph
is directed. And every class learns along the way which candidates come with it: where all sneakers
carry "boot" and few boots carry "sneaker", a set with both speaks for the sneaker. Neighbours
alone, all of which carry both, cannot tell.
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
_LEAST_SHARE = 1e-4


def propagate(
    index: NDArray[np.int64],
    cosine: NDArray[np.float32],
    candidates: PartialLabels,
    n_iterations: int = 30,
    alpha: float = 0.95,
    pattern: float = 0.1,
) -> "csr_array":
    """Spread belief over the candidates along the neighbour graph.

    Starts uniform on the candidates. Each step moves belief to
    alpha * (weighted mean of the neighbours' beliefs) + (1 - alpha) * (uniform start), times
    (likelihood of the sample's set, given the class) ** pattern, drops what lies outside the
    candidates and makes rows sum to 1. A neighbour's weight is its cosine, 0 if negative. The
    likelihood takes the other candidates as independent, each with the share in which it comes
    with the class under the current belief.

    Args:
        index: int64 (N, K). Neighbours of each sample, itself left out; -1 for none.
        cosine: float32 (N, K). Their cosines.
        candidates: N sets over C classes.
        n_iterations: Steps.
        alpha: Trust in the neighbours, 0 to 1.
        pattern: Trust in what the whole set says about the class, 0 to 1. Well below 1, as
            candidates are not really independent; 0 leaves it out.

    Returns:
        scipy.sparse CSR float32 (N, C). Stored entries are exactly the candidates, possibly 0;
        rows sum to 1, rows of empty sets to 0.
    """
    from scipy import sparse

    n_samples, n_classes = len(candidates), candidates.n_classes
    rows, columns = _coordinates(candidates)
    starts = np.searchsorted(rows, np.arange(n_samples + 1))
    shape = (n_samples, n_classes)
    sizes = np.diff(starts)
    uniform = (1.0 / sizes[rows]).astype(np.float32)
    belief = uniform.copy()
    graph = _graph(index, cosine)
    member = sparse.csr_array((np.ones(len(rows), np.float32), columns, starts), shape=shape)
    by_class = _by_class(columns, n_classes)
    for _ in range(n_iterations):
        held = sparse.csr_array((belief, columns, starts), shape=shape)
        moved = alpha * _entries(graph, held, rows, columns, by_class) + (1.0 - alpha) * uniform
        if pattern:
            weights, constant = _set_weights(member, held)
            likelihood = _entries(member, weights, rows, columns, by_class) + constant[columns]
            moved = moved * _relative(likelihood, starts, rows) ** pattern
        totals = np.bincount(rows, weights=moved, minlength=n_samples)
        # All neighbours may exclude all candidates: with alpha 1 nothing is left, so start anew.
        lost = totals[rows] < _TINY
        belief = np.where(lost, uniform, moved / np.maximum(totals[rows], _TINY))
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


def _by_class(columns: NDArray[np.int64], n_classes: int) -> list[NDArray[np.int64]]:
    """The entries of each block of classes, class after class for the products."""
    order = np.argsort(columns, kind="stable")
    edges = np.searchsorted(columns[order], np.arange(0, n_classes, _CLASSES_AT_ONCE))
    return np.split(order, edges[1:])


def _entries(
    left: "csr_array",
    right: "csr_array | NDArray[np.float32]",
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    by_class: list[NDArray[np.int64]],
) -> NDArray[np.float32]:
    """The entries (rows, columns) of left @ right, float32; `right` has C columns."""
    found = np.empty(len(rows), np.float32)
    for block, part in enumerate(by_class):
        first = block * _CLASSES_AT_ONCE
        some = right[:, first : first + _CLASSES_AT_ONCE]
        dense = some if isinstance(some, np.ndarray) else some.toarray()
        found[part] = (left @ dense)[rows[part], columns[part] - first]
    return found


def _set_weights(
    member: "csr_array", belief: "csr_array"
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What a candidate adds to the log-likelihood of a set, given the class.

    Args:
        member: CSR (N, C) of ones: the sets.
        belief: CSR (N, C).

    Returns:
        float32 (C, C), candidate by class, zero on the diagonal since a class is always in its
        own sets; and float32 (C,), the log-likelihood of no other candidate, by class.
    """
    mass = np.asarray(belief.sum(axis=0), np.float64)
    frequency = np.asarray(member.sum(axis=0), np.float64) / max(member.shape[0], 1)
    together = (member.T @ belief).toarray()
    # As if each class had been seen once more, with the candidates that are usual anywhere.
    share = (together + frequency[:, None]) / (mass + 1.0)
    share = np.clip(share, _LEAST_SHARE, 1.0 - _LEAST_SHARE)
    weights, absent = np.log(share / (1.0 - share)), np.log(1.0 - share)
    np.fill_diagonal(weights, 0.0)
    np.fill_diagonal(absent, 0.0)
    return weights.astype(np.float32), absent.sum(axis=0).astype(np.float32)


def _relative(
    likelihood: NDArray[np.float32], starts: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Likelihood from its logarithm, the highest of each sample being 1, float32."""
    highest = np.zeros(len(starts) - 1, np.float32)
    filled = np.flatnonzero(np.diff(starts))
    if len(filled):
        highest[filled] = np.maximum.reduceat(likelihood, starts[filled])
    return np.exp(likelihood - highest[rows])


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
