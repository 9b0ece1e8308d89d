"""Numbers that say how well a run does: some from candidates alone, some from the truth.

Covering rate, approximated accuracy (PLENCH: Wang et
al., "Realistic Evaluation of Deep Partial-Label Learning Algorithms", ICLR 2025,
https://openreview.net/forum?id=FtX6oAW7Dd) and the likelihood of the sets need no true label.
Approximated accuracy grows with confidence, right or wrong, so the likelihood selects the model.
Everything that takes `truth` is for the reader's eyes
only and is called an oracle figure.
"""

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN

_TEMPERATURES = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)


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


FROM_SETS = {"covering_rate": covering_rate, "approximated_accuracy": approximated_accuracy}
"""Figures of logits and candidate sets alone: of an epoch, a question to a model, a diagnosis."""


def of_sets(logits: NDArray[np.float32], candidates: NDArray[np.bool_]) -> dict[str, float | None]:
    """Each figure of `FROM_SETS` by name; the shapes are theirs."""
    return {name: figure(logits, candidates) for name, figure in FROM_SETS.items()}


def mean_confidence(logits: NDArray[np.float32], candidates: NDArray[np.bool_]) -> float | None:
    """Mean probability of the likeliest candidate among the candidates.

    Args:
        logits: float32 (N, C).
        candidates: bool (N, C). Samples without candidates are left out.

    Returns:
        0 to 1; None without samples.
    """
    filled = candidates.any(axis=1)
    if not filled.any():
        return None
    inside = np.where(candidates, logits.astype(np.float64), -np.inf)[filled]
    return float(np.exp(inside.max(axis=1) - _log_sum_exp(inside)).mean())


def set_likelihood(
    logits: NDArray[np.float32], candidates: NDArray[np.bool_], table: NDArray[np.floating]
) -> float | None:
    """How well predictions explain the candidate sets of samples never learned from.

    The mean of log sum_j p_j P(S | y = j), classes taken to join a set independently given y. A
    network that takes one class for another is surprised by the sets of both, however sure it is.
    How sure it is shall not count: p is the softmax at the temperature that explains them best.

    Args:
        logits: float32 (N, C).
        candidates: bool (N, C).
        table: float (C, C). P(k in S | y = j), strictly between 0 and 1.

    Returns:
        In nats, at most 0; higher is better. None without samples.
    """
    if not len(logits):
        return None
    given = np.asarray(table, np.float64)
    absent = np.log1p(-given)
    of_set = candidates @ (np.log(given) - absent).T + absent.sum(axis=1)

    def explained(temperature: float) -> float:
        values = logits.astype(np.float64) / temperature
        log_p = values - _log_sum_exp(values)[:, None]
        return float(_log_sum_exp(log_p + of_set).mean())

    return max(map(explained, _TEMPERATURES))


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


def _log_sum_exp(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of the sum of exponentials of each row, float64 (N, C) -> (N,)."""
    highest = values.max(axis=1)
    return highest + np.log(np.exp(values - highest[:, None]).sum(axis=1))


def _predicted(logits: NDArray[np.float32]) -> NDArray[np.int64]:
    return logits.argmax(axis=1)
