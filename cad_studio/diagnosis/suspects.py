"""Samples to look at again, each with its reason; no true label is used.

The rule for sets that miss the truth follows confident learning (Northcutt, Jiang and Chuang,
"Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 2021,
https://arxiv.org/abs/1911.00068). There a sample counts as class j when its out-of-sample
probability of j is at least the mean one of the samples labelled j. Departure, as labels are sets
here: a sample speaks for the threshold of its best candidate, and is suspected when the most
probable class passes its threshold and is no candidate.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.partial_labels import PartialLabels
from cad_studio.diagnosis.beliefs import within

KINDS = {
    "outside": "Truth probably outside the set",
    "swapped": "Swapped with a look-alike",
    "duplicate": "Near-duplicates with different sets",
    "never-believed": "Candidate never believed",
    "outlier": "Unlike everything else",
}
"""Kinds of suspects and what they are called, the gravest first."""

_NEVER = 0.02
_LEAST_DUPLICATE = 0.95
_FAR = 4.0


@dataclass(frozen=True)
class Suspect:
    """One sample to look at again.

    Attributes:
        kind: A key of `KINDS`.
        row: The sample.
        score: How strongly it is suspected, 0 to 1; only to rank within its kind.
        values: Numbers of the reason, by name; each kind has its own.
        label: The class the reason is about, or -1.
        other: The other sample of the reason, or -1.
    """

    kind: str
    row: int
    score: float
    values: dict[str, float]
    label: int = -1
    other: int = -1


def sets_without_truth(
    shares: NDArray[np.float32], candidates: PartialLabels, rows: NDArray[np.int64]
) -> list[Suspect]:
    """Samples whose most probable class, out of sample, is no candidate.

    Args:
        shares: float32 (M, C). From `cross_fit`, of the samples `rows`.
        candidates: M sets, of the same samples.
        rows: int64 (M,). Their rows in the dataset.

    Returns:
        By falling margin: the most probable outside class over the most probable candidate.
        `values`: `outside` (probability outside the set), `probability` (of `label`), `usual`
        (the threshold of `label`).
    """
    dense = candidates.dense()
    inside = np.where(dense, shares, -1.0)
    best, place = inside.argmax(axis=1), np.arange(len(rows))
    n_classes = candidates.n_classes
    votes = np.bincount(best, minlength=n_classes)
    own = np.bincount(best, weights=shares[place, best], minlength=n_classes)
    usual = np.where(votes > 0, own / np.maximum(votes, 1), np.inf)
    top = shares.argmax(axis=1)
    highest = shares[place, top]
    found = np.flatnonzero(~dense[place, top] & (highest >= usual[top]))
    outside = np.where(dense, 0.0, shares).sum(axis=1)
    margin = highest - np.maximum(inside[place, best], 0.0)
    found = found[np.argsort(-margin[found], kind="stable")]
    return [
        Suspect(
            "outside", int(rows[at]), float(margin[at]),
            {"outside": float(outside[at]), "probability": float(highest[at]),
             "usual": float(usual[top[at]])},
            label=int(top[at]),
        )
        for at in found
    ]  # fmt: skip


def never_believed(
    history: NDArray[np.floating],
    shares: NDArray[np.float32],
    candidates: PartialLabels,
    rows: NDArray[np.int64],
) -> list[Suspect]:
    """Candidates that were given next to no belief at any epoch, one per sample.

    Args:
        history: float (E, sum of the set sizes). Belief of each candidate at each kept epoch,
            sample after sample and class after class.
        shares: float32 (M, C). Out-of-sample probabilities.
        candidates: M sets, in the order of `history`.
        rows: int64 (M,). Their rows in the dataset.

    Returns:
        The lowest belief first. `values`: `highest` (belief at its best epoch), `epochs`,
        `probability` (out of sample), `size` (of the set).
    """  # fmt: skip
    if not len(history):
        return []
    sizes = candidates.sizes()
    place = np.repeat(np.arange(len(rows)), sizes)
    classes = np.concatenate([np.zeros(0, np.int64), *map(np.asarray, candidates.lists())])
    classes = classes.astype(np.int64)
    highest = np.asarray(history, np.float32).max(axis=0)
    outer = shares[place, classes]
    # Neither the run nor a model that never saw the sample believes in it.
    low = (highest < _NEVER) & (outer < _NEVER) & (sizes[place] > 1)
    entries = np.flatnonzero(low)
    entries = entries[np.lexsort((outer[entries], highest[entries]))]
    _, first = np.unique(place[entries], return_index=True)
    entries = entries[np.sort(first)]
    return [
        Suspect(
            "never-believed", int(rows[place[at]]), float(1.0 - highest[at]),
            {"highest": float(highest[at]), "epochs": float(len(history)),
             "probability": float(outer[at]), "size": float(sizes[place[at]])},
            label=int(classes[at]),
        )
        for at in entries
    ]  # fmt: skip


def swapped_pairs(
    pairs: NDArray[np.integer],
    cosine: NDArray[np.floating],
    run_best: NDArray[np.integer],
    shares_best: NDArray[np.integer],
    candidates: PartialLabels,
) -> list[Suspect]:
    """Look-alikes of which the run takes each for what the other is out of sample.

    Args:
        pairs: integers (P, 2). Close pairs, rows of the dataset.
        cosine: float (P,).
        run_best: integers (N,). Best candidate by the run.
        shares_best: integers (N,). Best candidate out of sample, below 0 where not judged.
        candidates: N sets.

    Returns:
        One per first member, with its closest such look-alike, the closest first; `label` is what
        it is out of sample. `values`: `cosine`, `run` (class the run gives it).
    """
    i, j = pairs[:, 0], pairs[:, 1]
    crossed = (
        (run_best[i] == shares_best[j]) & (run_best[j] == shares_best[i])
        & (shares_best[i] != shares_best[j]) & (shares_best[i] >= 0) & (shares_best[j] >= 0)
    )  # fmt: skip
    crossed &= candidates.shared(i, j) > 0
    found = np.flatnonzero(crossed)
    found = found[np.argsort(-cosine[found], kind="stable")]
    _, first = np.unique(i[found], return_index=True)
    found = found[np.sort(first)]
    return [
        Suspect(
            "swapped", int(i[at]), float(max(cosine[at], 0.0)),
            {"cosine": float(cosine[at]), "run": float(run_best[i[at]])},
            label=int(shares_best[i[at]]), other=int(j[at]),
        )
        for at in found
    ]  # fmt: skip


def near_duplicates(
    index: NDArray[np.int64],
    cosine: NDArray[np.float32],
    candidates: PartialLabels,
    rows: NDArray[np.int64],
) -> list[Suspect]:
    """Samples that are almost the same picture, but were given different sets.

    Almost the same: cosine of 0.95 or more, and at least as close as 99 % of all nearest
    neighbours.

    Args:
        index: int64 (M, K). Neighbours of each sample, positions 0 to M - 1, nearest first.
        cosine: float32 (M, K).
        candidates: M sets.
        rows: int64 (M,). Rows in the dataset.

    Returns:
        One per couple, the least alike sets first. `values`: `cosine`, `shared` and `together`
        (classes in both sets, and in either).
    """
    if not index.size:
        return []
    least = max(_LEAST_DUPLICATE, float(np.quantile(cosine[:, 0], 0.99)))
    at, column = np.nonzero(cosine >= np.float32(least))
    other = index[at, column]
    couples = np.unique(np.sort(np.stack([at, other], axis=1)[other >= 0], axis=1), axis=0)
    if not len(couples):
        return []
    left, right = couples[:, 0], couples[:, 1]
    shared = candidates.shared(left, right)
    sizes = candidates.sizes()
    together = sizes[left] + sizes[right] - shared
    unlike = 1.0 - shared / np.maximum(together, 1)
    close = np.zeros(len(couples), np.float32)
    for place in range(index.shape[1]):
        hit = index[left, place] == right
        close[hit] = cosine[left[hit], place]
        back = (index[right, place] == left) & ~hit
        close[back] = np.maximum(close[back], cosine[right[back], place])
    found = np.flatnonzero(unlike > 0)
    found = found[np.lexsort((-close[found], -unlike[found]))]
    return [
        Suspect(
            "duplicate", int(rows[left[k]]), float(unlike[k]),
            {"cosine": float(close[k]), "shared": float(shared[k]),
             "together": float(together[k])},
            other=int(rows[right[k]]),
        )
        for k in found
    ]  # fmt: skip


def outliers(cosine: NDArray[np.float32], rows: NDArray[np.int64]) -> list[Suspect]:
    """Samples far from all others: mean cosine to the neighbours 4 spreads below the median.

    The spread is 1.4826 times the median absolute deviation, a standard deviation that outliers
    do not widen.

    Args:
        cosine: float32 (M, K). Of the K nearest of each sample.
        rows: int64 (M,).

    Returns:
        The farthest first. `values`: `cosine` (mean to its K nearest), `usual` (the median),
        `neighbours` (K).
    """
    if len(cosine) < 3 or not cosine.shape[1]:
        return []
    mean = cosine.mean(axis=1, dtype=np.float64)
    median = float(np.median(mean))
    usual = 1.4826 * float(np.median(np.abs(mean - median)))
    if usual < 1e-9:
        return []
    far = (median - mean) / usual
    found = np.flatnonzero(far > _FAR)
    found = found[np.argsort(-far[found], kind="stable")]
    return [
        Suspect(
            "outlier", int(rows[at]), float(1.0 - _FAR / far[at]),
            {"cosine": float(mean[at]), "usual": median, "neighbours": float(cosine.shape[1])},
        )
        for at in found
    ]  # fmt: skip


def best_candidates(shares: NDArray[np.float32], candidates: PartialLabels) -> NDArray[np.int64]:
    """The most probable candidate of each sample, int64 (M,)."""
    return within(shares, candidates.dense()).argmax(axis=1)
