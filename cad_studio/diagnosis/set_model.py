"""The set model: T[j, k] = P(k in S | y = j), estimated without true labels.

A true class is in every set of its samples, a distractor in nearly every one at most, so what is
missing from sets tells which class is mistaken for which. Classes are taken as independent given y:

    log P(S | y = j) = sum_{k in S} log T[j, k] + sum_{k not in S} log(1 - T[j, k])

`set_model` counts by a confidence over the candidates (propagated, or a network's). Without one,
`fit_set_model` finds both by expectation maximisation from a uniform confidence; the restriction of
y to its set ties every component of the mixture to its class.

Source: A. P. Dempster, N. M. Laird, D. B. Rubin. "Maximum Likelihood from Incomplete Data via the
EM Algorithm." Journal of the Royal Statistical Society B, 1977.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.partial_labels import PartialLabels

PSEUDO_COUNTS = 10.0
"""Samples that the share of all sets with a class counts for: of a class with few samples little is
known, so its row is drawn towards what holds of every set. The engine counts in the same way."""

STRENGTH = 0.5
"""Power of the likelihood in a weight. Classes are not independent given y, so the whole of it
counts the same evidence twice: on both bundled samples half of it comes nearer to the truth."""

MOST_PAIRS = 1_000_000
"""Sum of the squared set sizes that one fit goes through; of more sets, evenly spread ones."""

MOST_ROUNDS = 60
_FLOOR = 1e-3
_SETTLED = 1e-3
_AT_ONCE = 8192


@dataclass(frozen=True)
class SetModel:
    """The table of one set of samples over C classes.

    Attributes:
        table: float64 (C, C). P(k in S | y = j) in row j, column k, `_FLOOR` to 1 - `_FLOOR`; the
            diagonal is 1, for the truth is taken to be in every set.
        weight: float64 (C,). Samples that each row rests on.
        n_samples: Samples it was estimated from.
    """

    table: NDArray[np.float64]
    weight: NDArray[np.float64]
    n_samples: int


def set_model(
    candidates: PartialLabels,
    confidence: Callable[[slice], NDArray[np.floating]],
    pseudo_counts: float = PSEUDO_COUNTS,
) -> SetModel:
    """Estimate the table by a confidence that is known.

    Args:
        candidates: N sets over C classes; empty ones do not count.
        confidence: Slice of the rows -> float (B, C), 0 or more. What it says outside a set does
            not count; a row that says nothing inside its set is taken as uniform there.
        pseudo_counts: Samples that the share of all sets counts for in a row, 0 or more.
    """
    n_classes = candidates.n_classes
    together = np.zeros((n_classes, n_classes))
    weight, held = np.zeros(n_classes), np.zeros(n_classes)
    n_used = 0
    for start in range(0, len(candidates), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        dense = candidates.dense(part)
        kept = np.where(dense, confidence(part).astype(np.float64), 0.0)
        total = kept.sum(axis=1, keepdims=True)
        sizes = dense.sum(axis=1, keepdims=True)
        uniform = dense / np.maximum(sizes, 1)
        kept = np.where(total > 0, kept / np.where(total > 0, total, 1.0), uniform)
        together += kept.T @ dense
        weight += kept.sum(axis=0)
        held += dense.sum(axis=0)
        n_used += int((sizes > 0).sum())
    rate = held / max(n_used, 1)
    return SetModel(_table(together, weight, rate, pseudo_counts), weight, n_used)


def fit_set_model(
    candidates: PartialLabels,
    pseudo_counts: float = PSEUDO_COUNTS,
    strength: float = STRENGTH,
    most_pairs: int = MOST_PAIRS,
) -> SetModel:
    """Estimate the table from candidate sets alone, by expectation maximisation.

    Starts from a uniform confidence in every set. Classes are taken to be of about one size: with
    the shares of the classes left free as well, a large class takes its distractors over. Where the
    largest class has eight times the samples of the smallest, the mean error is about three times
    that of equal classes, and half that of the co-occurrence.

    Args:
        candidates: N sets over C classes; empty ones do not count.
        pseudo_counts: Samples that the share of all sets counts for in a row, 0 or more.
        strength: Power of the likelihood in a weight, above 0 to 1.
        most_pairs: Sum of the squared set sizes to go through at most.
    """
    sets, times, n_used = _distinct(candidates, most_pairs)
    n_classes = candidates.n_classes
    sizes = sets.sizes()
    row, column = np.nonzero(sets.dense())
    # Of every member of every set, all members of that set: the cells of T that it is about.
    reach = sizes[row]
    first = np.cumsum(reach) - reach
    inside = np.arange(reach.sum()) - np.repeat(first, reach)
    begin = (np.cumsum(sizes) - sizes)[row]
    cells = np.repeat(column, reach) * n_classes + column[np.repeat(begin, reach) + inside]
    starts = np.cumsum(sizes) - sizes
    rate = np.bincount(column, times[row], n_classes) / max(times.sum(), 1)

    confidence = 1.0 / sizes[row]
    table, weight = np.zeros((n_classes, n_classes)), np.zeros(n_classes)
    for _ in range(MOST_ROUNDS if len(sets) else 1):
        mass = confidence * times[row]
        together = np.bincount(cells, np.repeat(mass, reach), n_classes**2)
        weight = np.bincount(column, mass, n_classes)
        before, table = table, _table(together.reshape(table.shape), weight, rate, pseudo_counts)
        if np.abs(table - before).max() < _SETTLED:
            break
        bounded = np.minimum(table, 1.0 - _FLOOR)
        odds = (np.log(bounded) - np.log1p(-bounded)).ravel()
        evidence = np.add.reduceat(odds[cells], first) + np.log1p(-bounded).sum(axis=1)[column]
        evidence *= strength
        evidence -= np.repeat(np.maximum.reduceat(evidence, starts), sizes)
        raised = np.exp(evidence)
        confidence = raised / np.repeat(np.add.reduceat(raised, starts), sizes)
    return SetModel(table, weight, n_used)


def _distinct(
    candidates: PartialLabels, most_pairs: int
) -> tuple[PartialLabels, NDArray[np.int64], int]:
    """Different sets, how often each comes, int64 (U,), and the samples they stand for."""
    sizes = candidates.sizes()
    rows = np.flatnonzero(sizes > 0)
    packed, times = np.unique(candidates.packed[rows], axis=0, return_counts=True)
    sets = PartialLabels(packed, candidates.n_classes)
    pairs = int((sets.sizes() ** 2).sum())
    if pairs <= most_pairs:
        return sets, times, len(rows)
    kept = np.linspace(0, len(rows) - 1, max(1, int(len(rows) * most_pairs / pairs)))
    rows = rows[np.unique(kept.astype(np.int64))]
    packed, times = np.unique(candidates.packed[rows], axis=0, return_counts=True)
    return PartialLabels(packed, candidates.n_classes), times, len(rows)


def _table(
    together: NDArray[np.float64],
    weight: NDArray[np.float64],
    rate: NDArray[np.float64],
    pseudo_counts: float,
) -> NDArray[np.float64]:
    """Counts as probabilities, each row drawn towards the share of all sets that hold a class."""
    amount = (weight + pseudo_counts)[:, None]
    known = (together + pseudo_counts * rate) / np.maximum(amount, 1e-12)
    table = np.clip(np.where(amount > 0, known, rate), _FLOOR, 1.0 - _FLOOR)
    np.fill_diagonal(table, 1.0)
    return table
