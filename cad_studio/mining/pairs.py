"""Entangled pairs as found, and what can be read off them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.partial_labels import PartialLabels

BINS_PER_UNIT = 1000
"""Cosine bins are 0.001 wide."""


@dataclass(frozen=True)
class Pairs:
    """The closest M of the `n_pairs` entangled pairs that were found.

    Attributes:
        i: int32 (M,). Smaller row of each pair.
        j: int32 (M,). Larger row. Pairs are sorted by falling similarity, then i, then j.
        similarity: float32 (M,). Cosine, computed in float64.
        shared: uint16 (M,). Candidates in common, 1 or more.
        unknown: bool (M,). The label of at least one member is not known.
        n_pairs: Pairs found; more than M when the limit cut some off.
        n_instances: Samples that are in at least one found pair.
        threshold: The cosine at or above which a pair counts (float32 value).
        n_cross: Size of P: pairs whose labels differ or are not both known, at any distance.
        histogram: int64 (bins,). Found pairs per cosine bin of 0.001, from `floor` up to 1; the
            last bin holds 1 itself.
        cross_histogram: int64 (bins,). The same for all of P, shared candidate or not.
        cross_sample: int64 (2000,). Randomly drawn pairs of P per cosine bin, from -1 up to 1.
        per_class: int64 (C, C), symmetric. Found pairs per pair of classes, where both are known.
        method: `exact` or `ivf`.
        recall: Share of the pairs that `ivf` found, on a sample of rows; None when exact.
        seconds: How long the search took.
    """

    i: NDArray[np.int32]
    j: NDArray[np.int32]
    similarity: NDArray[np.float32]
    shared: NDArray[np.uint16]
    unknown: NDArray[np.bool_]
    n_pairs: int
    n_instances: int
    threshold: float
    n_cross: int
    histogram: NDArray[np.int64]
    cross_histogram: NDArray[np.int64]
    cross_sample: NDArray[np.int64]
    per_class: NDArray[np.int64]
    method: str
    recall: float | None
    seconds: float

    def __len__(self) -> int:
        """M."""
        return len(self.i)

    @property
    def floor(self) -> float:
        """Lower edge of the first bin of the histograms."""
        return 1.0 - len(self.histogram) / BINS_PER_UNIT

    def count_at(self, thresholds: NDArray[np.floating]) -> NDArray[np.int64]:
        """How many pairs remain at stricter thresholds.

        Exact where the kept pairs reach down to the threshold; below that, read off the
        histogram, spread evenly within a bin.

        Args:
            thresholds: float (T,). Values below the pairs' own threshold count all that were
                found.

        Returns:
            int64 (T,).
        """
        wanted = np.asarray(thresholds, np.float32)
        kept = np.searchsorted(-self.similarity, -wanted, side="right")
        if self.n_pairs == len(self):
            return kept.astype(np.int64)
        rough = np.round(_count_above(self.histogram, wanted)).astype(np.int64)
        weakest = self.similarity[-1] if len(self) else np.float32(np.inf)
        # A value tied with the weakest kept pair may have been cut off, so it is not exact.
        return np.where(wanted > weakest, kept, np.clip(rough, len(self), self.n_pairs))

    def closer_than(self, similarity: float) -> float:
        """Share of the cross-class pairs (P) that are less similar, 0 to 1.

        Exact to a bin from the threshold up, from a random sample below it.
        """
        if not self.n_cross:
            return 0.0
        wanted = np.array([similarity], np.float32)
        if similarity >= self.threshold:
            above = _count_above(self.cross_histogram, wanted)[0] / self.n_cross
        else:
            drawn = max(1, int(self.cross_sample.sum()))
            above = _count_above(self.cross_sample, wanted)[0] / drawn
            above = max(above, int(self.cross_histogram.sum()) / self.n_cross)
        return float(1.0 - min(above, 1.0))


def cosine_bins(similarity: NDArray[np.floating], n_bins: int) -> NDArray[np.int64]:
    """The bin of each cosine, counted so that bin `n_bins - 1` ends at 1.

    Args:
        similarity: float (M,).
        n_bins: Bins of 0.001; lower values fall in bin 0.

    Returns:
        int64 (M,), 0 to n_bins - 1.
    """
    # 1e-4 of a bin keeps float32(0.9), a hair below 0.9, in the bin that starts there.
    bins = np.floor(similarity.astype(np.float64) * BINS_PER_UNIT + 1e-4).astype(np.int64)
    return np.clip(bins - (BINS_PER_UNIT - n_bins), 0, n_bins - 1)


def n_bins_above(floor: float) -> int:
    """How many bins of 0.001 reach from a cosine up to 1, at least 1."""
    return max(1, BINS_PER_UNIT - int(np.floor(floor * BINS_PER_UNIT + 1e-4)))


def agreement(first: Pairs, second: Pairs, top: int) -> float:
    """Share of the closest pairs that two searches have in common.

    Args:
        first: One search.
        second: Another over the same rows, e.g. with other features.
        top: How many of the closest pairs to compare; fewer where one search kept fewer.

    Returns:
        0 to 1; 0 when one of them has no pair.
    """
    n_compared = min(top, len(first), len(second))
    if n_compared == 0:
        return 0.0
    one, other = (
        pairs.i[:n_compared].astype(np.int64) << 32 | pairs.j[:n_compared]
        for pairs in (first, second)
    )
    return len(np.intersect1d(one, other, assume_unique=True)) / n_compared


def label_sharing(candidates: PartialLabels, labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """How often the sets of two classes hold both of them.

    Args:
        candidates: N sets over C classes.
        labels: int (N,). Class, or -1 where not known; those samples do not count.

    Returns:
        float64 (C, C), symmetric. Entry (a, b) is the fraction of the samples of a or b whose set
        holds a and b; 0 where there are none.
    """
    n_classes = candidates.n_classes
    holds_both = np.zeros((n_classes, n_classes))
    rows = np.flatnonzero(candidates.contains(labels))
    rows = rows[np.argsort(labels[rows], kind="stable")]
    for start in range(0, len(rows), 65536):
        part = rows[start : start + 65536]
        classes, first = np.unique(labels[part], return_index=True)
        dense = candidates.dense(part)
        holds_both[classes] += np.add.reduceat(dense, first, axis=0, dtype=np.int64)
    sizes = np.bincount(labels[labels >= 0], minlength=n_classes)
    either = np.add.outer(sizes, sizes)
    np.fill_diagonal(either, sizes)
    both = holds_both + holds_both.T
    np.fill_diagonal(both, np.diag(holds_both))
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)


def _count_above(
    histogram: NDArray[np.int64], thresholds: NDArray[np.float32]
) -> NDArray[np.float64]:
    # Entries at or above each threshold, spread evenly within a bin.
    reversed_total = np.concatenate([[0], np.cumsum(histogram[::-1])])
    bins_from_top = (1.0 - thresholds.astype(np.float64)) * BINS_PER_UNIT
    return np.interp(bins_from_top, np.arange(len(reversed_total)), reversed_total)
