"""Entangled pairs: close in feature space, with a shared candidate and different labels."""

import math
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Part, Progress
from cad_studio.core.workers import ALONE, Workers
from cad_studio.mining.collector import Collector
from cad_studio.mining.cosine import SLACK, Cosine
from cad_studio.mining.inverted_file import InvertedFile
from cad_studio.mining.pairs import BINS_PER_UNIT, Pairs, cosine_bins
from cad_studio.mining.scan import Scan
from cad_studio.mining.settings import MiningConfig
from cad_studio.mining.threshold import (
    MOST_RANKED,
    closest_pairs,
    counted_threshold,
    n_cross_pairs,
    sampled_histogram,
    sampled_threshold,
)

MOST_EXACT = 200_000
"""Up to this many samples all pairs are compared by default."""

_FED_AT_ONCE = 1 << 20


def find_pairs(
    features: NDArray[np.float32],
    candidates: PartialLabels,
    labels: NDArray[np.int32],
    settings: MiningConfig,
    progress: Progress,
    workers: Workers = ALONE,
) -> Pairs:
    """Find all entangled pairs and keep the closest.

    P is the set of pairs i < j whose labels differ or are not both known. A pair of P is entangled
    when its cosine is at least the threshold and the candidate sets meet. With a quantile q the
    threshold is the cosine of the ceil(q |P|)-th closest pair of P, shared candidate or not.

    Memory on top of the features stays below 2 GB however many pairs there are.

    Args:
        features: float32 (N, D). Rows have unit length.
        candidates: N sets over C classes.
        labels: int32 (N,). True or best current label, `UNKNOWN` where there is neither.
        settings: Cut-off, limit and method. With `ivf` a quantile's threshold is estimated on
            random rows.
        progress: Told how far it is; may raise `JobCancelled`.
        workers: Who compares; the pairs are the same whoever does.

    Returns:
        The pairs. Where P is empty there are none and the threshold is the one asked for, or 1.
    """
    if not len(features) == len(candidates) == len(labels):
        raise ValueError(f"{len(features)} vectors, {len(candidates)} sets, {len(labels)} labels")
    began = perf_counter()
    labels = np.ascontiguousarray(labels, np.int32)
    cosine = Cosine(features)
    n_cross = n_cross_pairs(labels)
    method = settings.method
    if method == "auto":
        method = "exact" if len(features) <= MOST_EXACT else "ivf"
    threshold = 1.0 if settings.threshold is None else settings.threshold
    recall = None
    if n_cross == 0:
        collector = Collector(cosine, candidates, labels, threshold, settings.limit)
        recall = 1.0 if method == "ivf" else None
    elif method == "exact":
        collector, threshold = _compare_all(
            cosine, candidates, labels, settings, n_cross, progress, workers
        )
    else:
        progress.report(0.0, "Clustering the features")
        if settings.quantile is not None:
            drawn = sampled_histogram(cosine, labels, settings.seed)
            threshold = sampled_threshold(drawn, settings.quantile)
        cells = InvertedFile(cosine, labels, settings.n_probes, settings.seed)
        collector = Collector(cosine, candidates, labels, threshold, settings.limit)
        word = "Comparing neighbouring cells"
        compared = Part(progress, 0.1, 0.95)
        cells.above(threshold, collector.sieve, collector.add, workers, compared, word)
        recall = cells.recall(threshold, settings.seed)
    progress.report(0.97, "Sorting the pairs")
    i, j, similarity = collector.best()
    return Pairs(
        i=i,
        j=j,
        similarity=similarity,
        shared=candidates.shared(i, j).astype(np.uint16),
        unknown=(labels[i] == UNKNOWN) | (labels[j] == UNKNOWN),
        n_pairs=collector.n_pairs,
        n_instances=collector.n_instances,
        threshold=float(np.float32(threshold)),
        n_cross=n_cross,
        histogram=collector.histogram,
        cross_histogram=collector.cross_histogram,
        cross_sample=_drawn_pairs(cosine, labels, settings.seed),
        per_class=collector.per_class,
        method=method,
        recall=recall,
        seconds=perf_counter() - began,
    )


def _compare_all(
    cosine: Cosine,
    candidates: PartialLabels,
    labels: NDArray[np.int32],
    settings: MiningConfig,
    n_cross: int,
    progress: Progress,
    workers: Workers,
) -> tuple[Collector, float]:
    progress.report(0.0, "Preparing the features")
    scan = Scan(cosine, labels, workers)
    reach = Part(progress, 0.02, 0.95)
    threshold, ranking = settings.threshold, None
    if settings.quantile is not None:
        # A float just above the true product must not ask for one pair more.
        rank = min(n_cross, max(1, math.ceil(settings.quantile * n_cross * (1 - 1e-12))))
        found = None
        if rank <= MOST_RANKED:
            start = _first_bar(cosine, labels, rank / n_cross, settings.seed)
            found = closest_pairs(scan, cosine, rank, start, reach)
        if found is not None:
            threshold, ranking = found
        else:
            threshold = counted_threshold(scan, cosine, rank, Part(reach, 0.0, 0.6))
            reach = Part(reach, 0.6, 1.0)
    assert threshold is not None
    collector = Collector(cosine, candidates, labels, threshold, settings.limit)
    if ranking is None:
        bar = float(threshold)
        scan.above(lambda: bar, collector.sieve, collector.add, reach, "Comparing all pairs")
    else:
        i, j, values = ranking.held()
        for start in range(0, len(i), _FED_AT_ONCE):
            part = slice(start, start + _FED_AT_ONCE)
            near = values[part] >= np.float32(threshold) - SLACK
            collector.add(collector.sieve(i[part][near], j[part][near], values[part][near]))
    return collector, threshold


def _first_bar(cosine: Cosine, labels: NDArray[np.int32], quantile: float, seed: int) -> float:
    """A cosine that somewhat more pairs reach than are wanted."""
    drawn = sampled_histogram(cosine, labels, seed)
    n_drawn = int(drawn.sum())
    if n_drawn == 0:
        return -1.1
    # The 16 more guard against a sample that holds almost none of the closest pairs.
    return sampled_threshold(drawn, min(1.0, 1.4 * quantile + 16 / n_drawn)) - 2 * SLACK


def _drawn_pairs(cosine: Cosine, labels: NDArray[np.int32], seed: int) -> NDArray[np.int64]:
    """About 200,000 random pairs of P by cosine, int64 (2000,)."""
    generator = np.random.default_rng(seed)
    left, right = generator.integers(0, len(labels), (2, 250_000))
    inside = (left != right) & ((labels[left] != labels[right]) | (labels[left] == UNKNOWN))
    values = cosine.exact(left[inside][:200_000], right[inside][:200_000])
    return np.bincount(cosine_bins(values, 2 * BINS_PER_UNIT), minlength=2 * BINS_PER_UNIT)
