"""Numbers that say how well a run does: some from candidates alone, some from the truth.

Covering rate and approximated accuracy need no true label and may select a model (PLENCH: Wang et
al., "Realistic Evaluation of Deep Partial-Label Learning Algorithms", ICLR 2025,
https://openreview.net/forum?id=FtX6oAW7Dd). Everything that takes `truth` is for the reader's eyes
only and is called an oracle figure.
"""

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN


def covering_rate(logits: NDArray[np.float32], candidates: NDArray[np.bool_]) -> float | None:
    """Share of the samples whose predicted class is a candidate.

    Args:
        logits: float32 (N, C).
        candidates: bool (N, C).

    Returns:
        0 to 1; None without samples.
    """
    if not len(logits):
        return None
    return float(np.take_along_axis(candidates, _predicted(logits)[:, None], axis=1).mean())


def approximated_accuracy(
    logits: NDArray[np.float32], candidates: NDArray[np.bool_]
) -> float | None:
    """An estimate of the accuracy from candidates alone.

    The mean of p(predicted) / p(candidates) where the predicted class is a candidate, else 0.

    Args:
        logits: float32 (N, C).
        candidates: bool (N, C).

    Returns:
        0 to 1; None without samples.
    """
    if not len(logits):
        return None
    shifted = np.exp((logits - logits.max(axis=1, keepdims=True)).astype(np.float64))
    predicted = _predicted(logits)[:, None]
    covered = np.take_along_axis(candidates, predicted, axis=1)[:, 0]
    # The predicted class has exp(0) = 1, so the divisor is at least 1 where it counts.
    inside = np.where(candidates, shifted, 0.0).sum(axis=1)
    return float(np.where(covered, 1.0 / np.maximum(inside, 1.0), 0.0).mean())


def accuracy(predicted: NDArray[np.integer], truth: NDArray[np.integer]) -> float | None:
    """Share of the samples with a known truth that are predicted right; None without any."""
    known = truth != UNKNOWN
    if not known.any():
        return None
    return float((predicted[known] == truth[known]).mean())


def disambiguation(confidence: NDArray[np.floating], truth: NDArray[np.integer]) -> float | None:
    """Share of the training samples whose most believed candidate is true.

    Args:
        confidence: float (N, C).
        truth: integers (N,), `UNKNOWN` where not known.

    Returns:
        0 to 1; None where no truth is known.
    """
    return accuracy(confidence.argmax(axis=1), truth)


def pair_figures(
    predicted: NDArray[np.integer], truth: NDArray[np.integer], pairs: NDArray[np.integer]
) -> dict[str, float]:
    """How well entangled pairs are told apart.

    Args:
        predicted: integers (N,).
        truth: integers (N,). Known for all members of the pairs.
        pairs: integers (P, 2). Rows of the members, of different true classes.

    Returns:
        `instance_accuracy`: over the distinct members; `pair_accuracy`: share of the pairs with
        both members right; `swap_rate`: share of the members, over all pairs, that are predicted
        as their partner's class. Empty without pairs.
    """
    if not len(pairs):
        return {}
    right = predicted == truth
    members = np.zeros(len(truth), bool)  # a mask: millions of pairs would be sorted for a list
    members[pairs] = True
    partner = truth[pairs[:, ::-1]]
    return {
        "instance_accuracy": float(right[members].mean()),
        "pair_accuracy": float(right[pairs].all(axis=1).mean()),
        "swap_rate": float((predicted[pairs] == partner).mean()),
    }


def _predicted(logits: NDArray[np.float32]) -> NDArray[np.int64]:
    return logits.argmax(axis=1)
