"""What training has done to entanglement: distances, resolved pairs, accuracy by similarity."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.progress import Progress, Silent

MOST_LOOKED_AT = 200_000
"""Samples up to which every one is held against all; of more, 20,000 drawn at random are."""

_LOOKED_AT = 20_000
_BLOCK, _OTHERS = 2048, 32768
_SAMPLED_PAIRS = 500_000


@dataclass(frozen=True)
class CentreDistances:
    """How far apart the classes lie in some features, in units of the unit sphere (0 to 2).

    Attributes:
        between: Mean distance of two class centres; None with fewer than two classes.
        within: Mean distance of a sample to its own centre; None without samples.
        ratio: `between` over `within`; None where either is missing or nothing is spread.
    """

    between: float | None
    within: float | None
    ratio: float | None


def centre_distances(
    features: NDArray[np.float32],
    labels: NDArray[np.integer],
    n_classes: int,
    rows: NDArray[np.int64] | None = None,
) -> CentreDistances:
    """Mean distance of the class centres, and its ratio to the spread within the classes.

    Args:
        features: float32 (N, D). Unit length, or not finite, which leaves the row out; may be
            memory-mapped: some thousand rows are looked at at a time.
        labels: integers (N,). Class; below 0 leaves the row out.
        n_classes: C.
        rows: int64 (M,). Rows that count; None for all.
    """
    rows = np.arange(len(labels)) if rows is None else rows
    counts = np.zeros(n_classes, np.int64)
    totals = np.zeros((n_classes, features.shape[1]))
    for vectors, own in _labelled(features, labels, rows):
        order = np.argsort(own, kind="stable")
        classes, first = np.unique(own[order], return_index=True)
        totals[classes] += np.add.reduceat(vectors[order], first, axis=0, dtype=np.float64)
        counts += np.bincount(own, minlength=n_classes)
    held = np.flatnonzero(counts)
    if not len(held):
        return CentreDistances(None, None, None)
    centres = totals / np.maximum(counts, 1)[:, None]
    total = 0.0
    for vectors, own in _labelled(features, labels, rows):
        gaps = vectors - centres[own]
        total += float(np.sqrt(np.vecdot(gaps, gaps)).sum())
    within = total / int(counts.sum())
    if len(held) < 2:
        return CentreDistances(None, within, None)
    known = centres[held]
    norms = np.vecdot(known, known)
    # By products: all differences of 500 centres at once would take a gigabyte.
    gaps = np.sqrt(np.maximum(norms[:, None] + norms - 2.0 * known @ known.T, 0.0))
    between = float(gaps[np.triu_indices(len(held), k=1)].mean())
    return CentreDistances(between, within, between / within if within > 1e-9 else None)


def _labelled(
    features: NDArray[np.float32], labels: NDArray[np.integer], rows: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.integer]]]:
    """Finite vectors with their classes, some at a time: float32 (B, D) and integers (B,)."""
    rows = rows[labels[rows] >= 0]
    for start in range(0, len(rows), _BLOCK):
        part = rows[start : start + _BLOCK]
        vectors = features[part]
        usable = np.isfinite(vectors).all(axis=1)
        if usable.any():
            yield vectors[usable], labels[part][usable]


def nearest_other_class(
    features: NDArray[np.float32],
    labels: NDArray[np.integer],
    progress: Progress | None = None,
    most: int = MOST_LOOKED_AT,
    first: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Of each sample the most similar sample of another class; of very many, of some at random.

    Args:
        features: float32 (N, D). Unit length; may be memory-mapped.
        labels: integers (N,). Class; samples below 0 have no answer and are none.
        progress: Told after every block.
        most: Samples up to which each is held against all.
        first: int64 (M,). Rows that are looked at before others are drawn, as those of the test.

    Returns:
        Cosines, float32 (N,), -1 where there is no sample of another class, NaN where it was not
        looked for; and rows, int64 (N,), -1 there.
    """
    n_samples = len(labels)
    cosine = np.full(n_samples, -1.0, np.float32)
    nearest = np.full(n_samples, -1, np.int64)
    usable = (labels >= 0) & np.isfinite(features).all(axis=1)
    # Sorted by class, what is to be left out of a block of one class is one run of columns.
    order = np.flatnonzero(usable)
    order = order[np.argsort(labels[order], kind="stable")]
    classes, begins = np.unique(labels[order], return_index=True)
    if len(classes) < 2:
        return cosine, nearest
    columns = np.ascontiguousarray(features[order], np.float32)
    edges = np.append(begins, len(order))
    asking = np.arange(len(order))
    if len(order) > most:
        drawn = np.random.default_rng(0).permutation(len(order))
        if first is not None:
            comes_later = ~np.isin(order[drawn], first)
            drawn = drawn[np.argsort(comes_later, kind="stable")]
        asking = np.sort(drawn[:_LOOKED_AT])
        cosine[order] = np.nan
    parts = np.split(asking, np.searchsorted(asking, edges[1:-1]))
    for place, own in enumerate(parts):
        low, high = edges[place], edges[place + 1]
        for start in range(0, len(own), _BLOCK):
            some = own[start : start + _BLOCK]
            best = np.full(len(some), -np.inf, np.float32)
            where = np.zeros(len(some), np.int64)
            for others in (*_runs(0, low), *_runs(high, len(order))):
                products = columns[some] @ columns[others].T
                at = products.argmax(axis=1)
                value = products[np.arange(len(at)), at]
                better = value > best
                best[better] = value[better]
                where[better] = at[better] + others.start
            cosine[order[some]] = np.clip(best, -1.0, 1.0)
            nearest[order[some]] = order[where]
            (progress or Silent()).report(some[-1] / len(order), "Comparing the classes")
    return cosine, nearest


def _runs(start: int, stop: int) -> list[slice]:
    """From one row to another, as many at a time as products have room for."""
    return [slice(at, min(at + _OTHERS, stop)) for at in range(start, stop, _OTHERS)]


def accuracy_by_similarity(
    similarity: NDArray[np.floating], right: NDArray[np.bool_], n_bins: int = 10
) -> dict[str, list[float]]:
    """Accuracy of samples by how close their nearest sample of another class is.

    Bins hold equally many samples, so that each point of the curve rests on the same number.

    Args:
        similarity: float (N,). From `nearest_other_class`.
        right: bool (N,).
        n_bins: Points of the curve; fewer where there are few samples.

    Returns:
        `similarity` (mean of each bin, rising), `accuracy` (0 to 1) and `n`.
    """
    order = np.argsort(similarity, kind="stable")
    parts = [part for part in np.array_split(order, min(n_bins, len(order) or 1)) if len(part)]
    return {
        "similarity": [float(similarity[part].mean()) for part in parts],
        "accuracy": [float(right[part].mean()) for part in parts],
        "n": [len(part) for part in parts],
    }


def cosines_of(features: NDArray[np.float32], pairs: NDArray[np.integer]) -> NDArray[np.float32]:
    """Cosine of the members of each pair, float32 (P,).

    Args:
        features: float32 (N, D). Unit length.
        pairs: integers (P, 2).
    """
    out = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), 65536):
        part = pairs[start : start + 65536]
        out[start : start + 65536] = np.vecdot(features[part[:, 0]], features[part[:, 1]])
    return out


def cross_class_threshold(
    features: NDArray[np.float32], labels: NDArray[np.integer], share: float, seed: int = 0
) -> float:
    """The cosine that this share of the cross-class pairs reaches, from random pairs.

    Args:
        features: float32 (N, D). Unit length.
        labels: integers (N,). Samples below 0 are left out.
        share: 0 to 1.
        seed: Random seed.

    Returns:
        A cosine; above 1 without cross-class pairs.
    """
    rows = np.flatnonzero(labels >= 0)
    if len(rows) < 2:
        return 1.1
    left, right = rows[np.random.default_rng(seed).integers(0, len(rows), (2, _SAMPLED_PAIRS))]
    cross = labels[left] != labels[right]
    if not cross.any():
        return 1.1
    values = cosines_of(features, np.stack([left[cross], right[cross]], axis=1))
    return float(np.quantile(values, 1.0 - share))


def resolved_by_classes(
    pairs: NDArray[np.integer],
    cosine: NDArray[np.floating],
    threshold: float,
    labels: NDArray[np.integer],
    limit: int,
) -> list[dict[str, float | int]]:
    """Of each pair of classes, how many entangled pairs have come apart.

    Args:
        pairs: integers (P, 2). Entangled before training.
        cosine: float (P,). In the features of the run.
        threshold: Below it a pair is entangled no more.
        labels: integers (N,). Classes of the samples.
        limit: Longest list.

    Returns:
        `a`, `b` (classes, a < b), `n` (pairs) and `resolved` (share, 0 to 1), the most pairs first.
    """
    if not len(pairs):
        return []
    ends = labels[pairs]
    held = np.flatnonzero(np.bincount(ends.ravel()))
    place = np.zeros(held[-1] + 1, np.int64)
    place[held] = np.arange(len(held))
    cell = place[ends.min(axis=1)] * len(held) + place[ends.max(axis=1)]
    counts = np.bincount(cell, minlength=len(held) ** 2)
    apart = np.bincount(cell, weights=cosine < threshold, minlength=len(held) ** 2)
    order = np.argsort(-counts, kind="stable")[:limit]
    return [
        {
            "a": int(held[at // len(held)]),
            "b": int(held[at % len(held)]),
            "n": int(counts[at]),
            "resolved": float(apart[at] / counts[at]),
        }
        for at in order
        if counts[at]
    ]
