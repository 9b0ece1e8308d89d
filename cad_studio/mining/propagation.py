"""Label propagation among neighbours, within the candidate sets; uses no truth.

After Zhou, Bousquet, Lal, Weston and Schoelkopf, "Learning with Local and Global Consistency",
NeurIPS 2003, https://papers.nips.cc/paper/2506-learning-with-local-and-global-consistency.
Departures: beliefs are restricted to the candidates and normalised after every step, since a
partial label says for sure what a sample is not; each row's weights sum to 1, because the graph
is directed; and a power above 1 keeps beliefs from washing out, because every candidate that comes
with a class everywhere gains a little at each step.

Classes may be taken to be of similar size: Zhu, Ghahramani and Lafferty,
"Semi-Supervised Learning Using Gaussian Fields and Harmonic Functions", ICML 2003,
https://aaai.org/papers/icml03-118-semi-supervised-learning-using-gaussian-fields-and-harmonic-functions/,
call it class mass normalisation; here it is repeated at every step. Neighbours alone cannot tell a
class from one that always comes with it; where sizes differ widely, though, it puts samples into
rare classes. So belief is first spread without it, and once more with it where the classes come out
of about one size.
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

EVEN_ENTROPY = 0.947
"""From this share of the highest entropy on, belief is spread evenly enough over the classes.

Tuned on 40 subsets of two draws of 10,000 Fashion-MNIST images, with pixel and gradient features:
classes of one size give 0.951 to 0.979, largest ones of twice, three and five times the smallest
0.935 to 0.956, 0.905 to 0.955 and 0.874 to 0.914. At twice it hardly matters which is chosen.
"""

_CLASSES_AT_ONCE = 64
_TINY = 1e-30


def propagate(
    index: NDArray[np.int64],
    cosine: NDArray[np.float32],
    candidates: PartialLabels,
    n_iterations: int = 40,
    alpha: float = 0.99,
    sharpness: float = 1.2,
    balance: float | None = None,
) -> "csr_array":
    """Spread belief over the candidates along the neighbour graph.

    Starts uniform on the candidates. Each step moves belief to
    (alpha * (weighted mean of the neighbours' beliefs) + (1 - alpha) * (uniform start)) **
    sharpness, drops what lies outside the candidates and makes rows sum to 1; then, where balance
    is asked for, divides each class by (its sum over all samples) ** balance and makes rows sum to
    1 again. A neighbour's weight is its cosine, 0 if negative.

    Args:
        index: int64 (N, K). Neighbours of each sample, itself left out; -1 for none.
        cosine: float32 (N, K). Their cosines.
        candidates: N sets over C classes.
        n_iterations: Steps.
        alpha: Trust in the neighbours, 0 to 1.
        sharpness: 1 or more; how much a step favours what is believed most.
        balance: 0 to 1; how strongly the classes that occur are taken to be of one size. 0 assumes
            nothing. None looks: 1 where belief that was spread with 0 has `EVEN_ENTROPY`, else 0.

    Returns:
        scipy.sparse CSR float32 (N, C). Stored entries are exactly the candidates, possibly 0;
        rows sum to 1, rows of empty sets to 0.
    """
    from scipy import sparse

    n_samples, n_classes = len(candidates), candidates.n_classes
    rows, columns = _coordinates(candidates)
    starts = np.searchsorted(rows, np.arange(n_samples + 1))
    shape = (n_samples, n_classes)
    uniform = (1.0 / np.diff(starts)[rows]).astype(np.float32)
    graph = _graph(index, cosine)
    by_class = _by_class(columns, n_classes)

    def normalised(weights: NDArray[np.float32]) -> NDArray[np.float32]:
        totals = np.bincount(rows, weights=weights, minlength=n_samples)
        # All neighbours may exclude all candidates: with alpha 1 nothing is left, so start anew.
        lost = totals[rows] < _TINY
        shares = np.where(lost, uniform, weights / np.maximum(totals[rows], _TINY))
        return shares.astype(np.float32)

    def spread(evenness: float) -> NDArray[np.float32]:
        belief = uniform.copy()
        for _ in range(n_iterations):
            held = sparse.csr_array((belief, columns, starts), shape=shape)
            moved = alpha * _entries(graph, held, rows, columns, by_class) + (1.0 - alpha) * uniform
            belief = normalised(moved**sharpness)
            if evenness:
                mass = np.bincount(columns, weights=belief, minlength=n_classes)[columns]
                belief = normalised(belief / np.maximum(mass, _TINY) ** evenness)
        return belief

    belief = spread(balance or 0.0)
    if balance is None and _evenness(np.bincount(columns, weights=belief)) >= EVEN_ENTROPY:
        belief = spread(1.0)
    return sparse.csr_array((belief, columns, starts), shape=shape)


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


def _evenness(mass: NDArray[np.float64]) -> float:
    """Entropy of the classes that occur as a share of the highest, 0 to 1; 1 for one class."""
    shares = mass[mass > 0] / max(mass.sum(), _TINY)
    if len(shares) < 2:
        return 1.0
    return float(-(shares * np.log(shares)).sum() / np.log(len(shares)))


def _by_class(columns: NDArray[np.int64], n_classes: int) -> list[NDArray[np.int64]]:
    """The entries of each block of classes, class after class for the products."""
    order = np.argsort(columns, kind="stable")
    edges = np.searchsorted(columns[order], np.arange(0, n_classes, _CLASSES_AT_ONCE))
    return np.split(order, edges[1:])


def _entries(
    graph: "csr_array",
    belief: "csr_array",
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    by_class: list[NDArray[np.int64]],
) -> NDArray[np.float32]:
    """The entries (rows, columns) of graph @ belief, float32."""
    found = np.empty(len(rows), np.float32)
    for block, part in enumerate(by_class):
        first = block * _CLASSES_AT_ONCE
        dense = belief[:, first : first + _CLASSES_AT_ONCE].toarray()
        found[part] = (graph @ dense)[rows[part], columns[part] - first]
    return found


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
