"""What the candidate sets of a dataset say of its classes, as plain values.

Two things that look alike are kept apart here. With true labels: how often each class's most
frequent distractor is in its sets, P(j in S | y). Without: the class that each class is most often
held together with, P(j in S | k in S), and the set model, which estimates P(k in S | y) by the sets
alone.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.diagnosis.distractors import FREQUENT, Distractors, held_with
from cad_studio.services.datasets.loaded import LoadedDataset


def worst_distractor(data: LoadedDataset) -> dict[str, Any] | None:
    """How often the most frequent distractor of each class is in its sets (uses true labels).

    Returns:
        `uses_true_labels` (True), `n_known` samples of known truth, `classes` (of each `class`, `n`
        of its samples, `distractor` and `share` of its sets that hold it, both None where there is
        none), `mean` and `largest` of the shares, `threshold`, `carrying` (share of the samples
        whose set holds a distractor at or above the threshold) and `warning` (empty, or a sentence
        about classes above it). None where no true label is known.
    """
    found, names = data.distractors, data.record.class_names
    if found is None:
        return None
    shares = [found.worst_share(label) for label in range(len(names))]
    known = found.n_samples > 0
    return {
        "uses_true_labels": True,
        "n_known": int(found.n_samples.sum()),
        "classes": [
            {
                "class": name,
                "n": int(found.n_samples[label]),
                "distractor": None if found.worst[label] == UNKNOWN else names[found.worst[label]],
                "share": None if found.worst[label] == UNKNOWN else round(shares[label], 4),
            }
            for label, name in enumerate(names)
        ],
        "mean": round(float(np.mean(np.array(shares)[known])), 4),
        "largest": round(max(shares), 4),
        "threshold": FREQUENT,
        "carrying": round(found.carrying, 4),
        "warning": _warning(found, shares, names),
    }


def held_together(data: LoadedDataset) -> dict[str, Any]:
    """The class each class is most often held together with, by the sets alone.

    Returns:
        `uses_true_labels` (False), `about` (what it is not), and `classes`: of each `class`, `n`
        sets that hold it, the `other` class most often with it, `share` of those sets that hold
        the other, and `back`, the share of the other's sets that hold this one; None where it is
        never held with another.
    """
    counts, names = data.together, data.record.class_names
    other, share = held_with(counts)
    return {
        "uses_true_labels": False,
        "about": "How often two candidates are held together, whichever of them is true. It is "
        "not how often a distractor is in the sets of a class: no true label says whose set it is.",
        "classes": [
            {
                "class": name,
                "n": int(counts[label, label]),
                "other": None if other[label] == UNKNOWN else names[other[label]],
                "share": None
                if other[label] == UNKNOWN
                else round(float(share[label, other[label]]), 4),
                "back": None
                if other[label] == UNKNOWN
                else round(float(share[other[label], label]), 4),
            }
            for label, name in enumerate(names)
        ],
    }


def set_model(data: LoadedDataset, shown: NDArray[np.int64]) -> dict[str, Any]:
    """The set model of a dataset, by its sets alone.

    Args:
        data: The dataset.
        shown: int64 (M,). Classes to show.

    Returns:
        `uses_true_labels` (False), `classes` shown, `n_classes`, `n_samples` it was estimated
        from, `table` (their P(column in S | y = row), the diagonal 1) and `weight` (samples that
        each row rests on).
    """
    found = data.set_model
    return {
        "uses_true_labels": False,
        "classes": shown.tolist(),
        "n_classes": data.record.n_classes,
        "n_samples": found.n_samples,
        "table": np.round(found.table[np.ix_(shown, shown)], 4).tolist(),
        "weight": np.round(found.weight[shown], 1).tolist(),
    }


def mistaken_for(data: LoadedDataset) -> dict[str, Any]:
    """Of each class the one it is most often mistaken for, by the sets alone.

    Returns:
        `uses_true_labels` (False), `n_samples`, and `classes`: of each `class`, the `other` with
        the largest P(other in S | y = class) of the set model, that `share`, and `back`, the
        share with the two exchanged.
    """
    found, names = data.set_model, data.record.class_names
    others = found.table.copy()
    np.fill_diagonal(others, -1.0)
    other = others.argmax(axis=1)
    return {
        "uses_true_labels": False,
        "n_samples": found.n_samples,
        "classes": [
            {
                "class": name,
                "other": names[other[label]],
                "share": round(float(found.table[label, other[label]]), 4),
                "back": round(float(found.table[other[label], label]), 4),
            }
            for label, name in enumerate(names)
        ],
    }


def _warning(found: Distractors, shares: list[float], names: list[str]) -> str:
    above = [label for label in np.argsort(shares)[::-1].tolist() if shares[label] > FREQUENT]
    if not above:
        return ""
    worst = above[0]
    one = len(above) == 1
    return (
        f"{len(above)} of {len(names)} classes {'has' if one else 'have'} a distractor in more "
        f"than {FREQUENT:.0%} of {'its' if one else 'their'} sets (worst: "
        f"{names[found.worst[worst]]} in {shares[worst]:.1%} of the sets of {names[worst]}). Only "
        "the few sets that lack it tell such a class from its distractor."
    )
