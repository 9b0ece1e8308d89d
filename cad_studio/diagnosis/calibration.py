"""Whether confidence can be believed: reliability diagrams and the expected calibration error.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
https://proceedings.mlr.press/v70/guo17a.html: bins of equal width over the confidence of the
predicted class; the error is the mean gap between accuracy and confidence, weighted by bin size.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

N_BINS = 15


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram of `N_BINS` bins from 0 to 1.

    Attributes:
        counts: int64 (bins,). Samples in each bin.
        confidence: float64 (bins,), 0 to 1. Their mean confidence, 0 in an empty bin.
        accuracy: float64 (bins,), 0 to 1. Their accuracy, 0 in an empty bin.
        ece: Expected calibration error, 0 to 1; None without samples.
    """

    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    ece: float | None


def reliability(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], n_bins: int = N_BINS
) -> Reliability:
    """The reliability diagram of some predictions.

    Args:
        confidence: float (N,), 0 to 1. Probability of the predicted class.
        right: bool (N,). Whether it is the true one.
        n_bins: Bins of equal width.
    """
    # A bin holds its upper edge, as in the paper: (0, 1/n], (1/n, 2/n], ...
    place = np.clip(np.ceil(confidence.astype(np.float64) * n_bins).astype(int) - 1, 0, n_bins - 1)
    counts = np.bincount(place, minlength=n_bins)
    filled = np.maximum(counts, 1)
    mean = np.bincount(place, weights=confidence, minlength=n_bins) / filled
    accuracy = np.bincount(place, weights=right, minlength=n_bins) / filled
    ece = None
    if len(confidence):
        ece = float((counts * np.abs(accuracy - mean)).sum() / len(confidence))
    return Reliability(counts, mean, accuracy, ece)


def class_errors(
    confidence: NDArray[np.floating],
    right: NDArray[np.bool_],
    predicted: NDArray[np.integer],
    n_classes: int,
) -> list[float | None]:
    """The calibration error among the samples predicted as each class; None where there are none.

    Args:
        confidence: float (N,).
        right: bool (N,).
        predicted: integers (N,), 0 to C - 1.
        n_classes: C.
    """
    order = np.argsort(predicted, kind="stable")
    edges = np.searchsorted(predicted[order], np.arange(n_classes + 1))
    return [reliability(confidence[order[a:b]], right[order[a:b]]).ece for a, b in pairwise(edges)]
