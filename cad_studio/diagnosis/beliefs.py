"""What a network says of each sample, with and without its candidate set."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.partial_labels import PartialLabels

_AT_ONCE = 16384


@dataclass(frozen=True)
class Beliefs:
    """The answers of one network about N samples, a few numbers each.

    Attributes:
        predicted: int32 (N,). Most probable class; `UNKNOWN` where logits are not finite.
        confidence: float32 (N,), 0 to 1. Its probability.
        best: int32 (N,). Most probable candidate; `UNKNOWN` for an empty set.
        believed: float32 (N,), 0 to 1. Its share of the probability within the set.
        outside: float32 (N,), 0 to 1. Probability of all classes that are no candidates.
    """

    predicted: NDArray[np.int32]
    confidence: NDArray[np.float32]
    best: NDArray[np.int32]
    believed: NDArray[np.float32]
    outside: NDArray[np.float32]


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Softmax of logits, float32 (N, C); rows that are not finite are 0 throughout."""
    logits = np.asarray(logits, np.float32)
    usable = np.isfinite(logits).all(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        out = raised / raised.sum(axis=1, keepdims=True)
    out[~usable] = 0.0
    return out


def within(shares: NDArray[np.float32], candidates: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Probabilities within the sets, made to sum to 1.

    Args:
        shares: float32 (N, C), 0 or more.
        candidates: bool (N, C).

    Returns:
        float32 (N, C); uniform on a set that was given nothing, 0 throughout for an empty one.
    """
    kept = np.where(candidates, shares, np.float32(0.0))
    total = kept.sum(axis=1, keepdims=True)
    sizes = np.maximum(candidates.sum(axis=1, keepdims=True), 1)
    uniform = candidates / sizes
    return np.where(total > 1e-12, kept / np.maximum(total, 1e-12), uniform).astype(np.float32)


def read_beliefs(logits: NDArray[np.float32], candidates: PartialLabels) -> Beliefs:
    """Turn logits and sets into `Beliefs`, some thousand rows at a time.

    Args:
        logits: float32 (N, C). May be memory-mapped.
        candidates: N sets over C classes.
    """
    n_samples = len(candidates)
    found = Beliefs(
        np.full(n_samples, UNKNOWN, np.int32),
        np.zeros(n_samples, np.float32),
        np.full(n_samples, UNKNOWN, np.int32),
        np.zeros(n_samples, np.float32),
        np.zeros(n_samples, np.float32),
    )
    for start in range(0, n_samples, _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        shares = probabilities(logits[part])
        dense = candidates.dense(part)
        usable = shares.any(axis=1)
        confidence = shares.max(axis=1)
        found.predicted[part] = np.where(usable, shares.argmax(axis=1), UNKNOWN)
        found.confidence[part] = confidence
        own = within(shares, dense)
        filled = dense.any(axis=1)
        found.best[part] = np.where(filled, own.argmax(axis=1), UNKNOWN)
        found.believed[part] = own.max(axis=1)
        found.outside[part] = np.where(usable, np.where(dense, 0.0, shares).sum(axis=1), 0.0)
    return found


def ambiguity(
    logits: NDArray[np.float32], candidates: PartialLabels, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """How much belief the samples of one best label give to each other class.

    Args:
        logits: float32 (N, C).
        candidates: N sets over C classes.
        rows: int64 (M,). Samples that count.

    Returns:
        float64 (C, C): entry (a, b) is the mean belief, within the sets, that samples whose best
        candidate is a give to b; rows sum to 1, or to 0 where no sample's best is a. And
        int64 (C,), how many samples each row rests on.
    """
    n_classes = candidates.n_classes
    total = np.zeros((n_classes, n_classes))
    counts = np.zeros(n_classes, np.int64)
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        dense = candidates.dense(part)
        own = within(probabilities(logits[part]), dense)
        filled = dense.any(axis=1)
        best = own.argmax(axis=1)[filled]
        order = np.argsort(best, kind="stable")
        classes, first = np.unique(best[order], return_index=True)
        if len(classes):
            total[classes] += np.add.reduceat(own[filled][order], first, axis=0, dtype=np.float64)
            counts += np.bincount(best, minlength=n_classes)
    return total / np.maximum(counts, 1)[:, None], counts
