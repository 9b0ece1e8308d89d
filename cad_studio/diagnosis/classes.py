"""Figures of each class: how many, how well, how sure, how ambiguous."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.diagnosis.calibration import class_errors
from cad_studio.diagnosis.confusion import confusion


def class_table(
    truth: NDArray[np.integer] | None,
    predicted: NDArray[np.integer],
    confidence: NDArray[np.floating],
    best: NDArray[np.integer],
    sizes: NDArray[np.integer],
    n_classes: int,
) -> list[dict[str, Any]]:
    """One row per class.

    Args:
        truth: integers (N,), below 0 where not known, or None.
        predicted: integers (N,).
        confidence: float (N,). Of the predicted class.
        best: integers (N,). Best candidate, below 0 where there is none.
        sizes: integers (N,). Candidates of each sample.
        n_classes: C.

    Returns:
        Of each class: `n` (samples of that class: true, or else best label), `n_predicted`,
        `mean_candidates` (of those samples, None without any), and with truth `precision`,
        `recall`, `f1`, `ece` (None where they are not defined).
    """
    known = np.zeros(len(predicted), bool) if truth is None else truth >= 0
    has_truth = truth is not None and bool(known.any())
    own = truth if has_truth and truth is not None else best
    members = own >= 0
    n_own = np.bincount(own[members], minlength=n_classes)
    mass = np.bincount(own[members], weights=sizes[members], minlength=n_classes)
    given = predicted >= 0
    n_predicted = np.bincount(predicted[given], minlength=n_classes)
    rows: list[dict[str, Any]] = [
        {
            "n": int(n_own[c]),
            "n_predicted": int(n_predicted[c]),
            "mean_candidates": float(mass[c] / n_own[c]) if n_own[c] else None,
            "precision": None,
            "recall": None,
            "f1": None,
            "ece": None,
        }
        for c in range(n_classes)
    ]
    if not has_truth or truth is None:
        return rows
    counts = confusion(truth, predicted, n_classes)
    right, as_class, of_class = np.diag(counts), counts.sum(axis=0), counts.sum(axis=1)
    judged = known & given
    errors = class_errors(
        confidence[judged], truth[judged] == predicted[judged], predicted[judged], n_classes
    )
    for c, row in enumerate(rows):
        row["precision"] = float(right[c] / as_class[c]) if as_class[c] else None
        row["recall"] = float(right[c] / of_class[c]) if of_class[c] else None
        if as_class[c] + of_class[c]:
            row["f1"] = float(2 * right[c] / (as_class[c] + of_class[c]))
        row["ece"] = errors[c]
    return rows
