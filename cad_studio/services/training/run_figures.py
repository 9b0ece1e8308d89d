"""The figures of one run, from its stored answers: the same for page, command and report."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.figures import FIGURES
from cad_studio.diagnosis.calibration import Reliability, reliability
from cad_studio.diagnosis.entanglement import (
    accuracy_by_similarity,
    centre_distances,
    resolved_by_classes,
)
from cad_studio.services.diagnosis.answers import Predictions
from cad_studio.services.training.inputs import ENTANGLED_QUANTILES, n_cross_class, split_rows

_MOST_CLASS_PAIRS = 200


def figures_of(found: Predictions, split: str | None) -> dict[str, float | None]:
    """Every figure of `FIGURES`, None where it cannot be had.

    Args:
        found: The run.
        split: Where the run is judged; None for the split runs are judged by.
    """
    return found.kept(f"figures {found.key_of(split)}", lambda: _figures(found, split))


def _figures(found: Predictions, split: str | None) -> dict[str, float | None]:
    from cad_studio.training import evaluation

    rows, beliefs, truth = found.rows(split), found.beliefs, found.truth
    candidates, logits = found.candidates.dense(rows), found.logits[rows]
    distances = distances_of(found, split)
    out: dict[str, float | None] = dict.fromkeys(figure.key for figure in FIGURES)
    out |= evaluation.of_sets(logits, candidates)
    filled = rows[found.sizes[rows] > 0]
    out["mean_confidence"] = float(beliefs.believed[filled].mean()) if len(filled) else None
    out["centre_distance"] = distances["between"]
    out["centre_ratio"] = distances["ratio"]
    if truth is not None:
        out["accuracy"] = evaluation.accuracy(beliefs.predicted[rows], truth[rows])
        out["ece"] = reliability_of(found, rows).ece
        train_rows, _ = split_rows(found.data)
        learned = train_rows[found.sizes[train_rows] > 0]
        out["disambiguation"] = evaluation.accuracy(beliefs.best[learned], truth[learned])
        told = entangled_of(found, part_of(found, split)).get("0.1", {})
        out["entangled_accuracy"] = told.get("instance_accuracy")
        out["swap_rate"] = told.get("swap_rate")
    return out


def part_of(found: Predictions, split: str | None) -> str:
    """Which list of entangled pairs belongs to a split: `train` or `test`."""
    _, test_rows = split_rows(found.data)
    if split is None:
        return "test" if len(test_rows) else "train"
    rows = found.rows(split)
    is_test = len(test_rows) and np.array_equal(rows, test_rows)
    return "test" if is_test else "train"


def reliability_of(
    found: Predictions, rows: NDArray[np.int64], label: int | None = None
) -> Reliability:
    """The reliability diagram over the rows whose truth is known (oracle).

    Of a class, over those that are predicted as it.
    """
    predicted, truth = found.beliefs.predicted, found.truth
    if truth is None:
        return reliability(found.beliefs.confidence[:0], np.zeros(0, bool))
    given = predicted[rows] >= 0 if label is None else predicted[rows] == label
    known = rows[(truth[rows] != UNKNOWN) & given]
    return reliability(found.beliefs.confidence[known], predicted[known] == truth[known])


def entangled_of(found: Predictions, part: str) -> dict[str, dict[str, float]]:
    """How well the closest pairs are told apart (oracle), by the share of the pairs in per cent.

    Of each: `instance_accuracy`, `pair_accuracy`, `swap_rate` and `n` (instances); nothing
    without true labels.
    """
    if found.truth is None:
        return {}
    return found.once(f"entangled {part}", lambda: _entangled(found, part))


def _entangled(found: Predictions, part: str) -> dict[str, dict[str, float]]:
    from cad_studio.training.evaluation import pair_figures

    assert found.truth is not None
    pairs = np.asarray(found.pairs(part))
    known = (found.truth[pairs] != UNKNOWN).all(axis=1)
    train_rows, test_rows = split_rows(found.data)
    rows = test_rows if part == "test" else train_rows[found.sizes[train_rows] > 0]
    labels = found.labels[rows]
    n_cross = n_cross_class(labels[labels >= 0])
    out = {}
    for name, share in ENTANGLED_QUANTILES.items():
        some = slice(0, math.ceil(share * n_cross))
        chosen = pairs[some][known[some]]
        told = pair_figures(found.beliefs.predicted, found.truth, chosen)
        if told:
            members = np.zeros(len(found.data), bool)
            members[chosen] = True
            out[name] = {**told, "n": int(members.sum()), "n_pairs": len(chosen)}
    return out


def distances_of(found: Predictions, split: str | None) -> dict[str, float | None]:
    """How far apart the classes are in the run's own features: `between`, `within`, `ratio`."""
    return found.once(
        f"distances {found.key_of(split)}",
        lambda: asdict(
            centre_distances(
                found.features, found.labels, found.data.record.n_classes, found.rows(split)
            )
        ),
    )


def similarity_curve(found: Predictions, split: str | None) -> dict[str, list[float]] | None:
    """Accuracy by the cosine of the nearest sample of another class (oracle), or None."""
    truth = found.truth
    if truth is None:
        return None
    rows, similarity = found.rows(split), np.asarray(found.similarity)
    known = rows[(truth[rows] != UNKNOWN) & (similarity[rows] > -1)]
    right = found.beliefs.predicted[known] == truth[known]
    return accuracy_by_similarity(similarity[known], right)


def resolved_of(found: Predictions, part: str) -> dict[str, Any]:
    """Which of the closest pairs of training came apart in the run's own features.

    Returns:
        `n` (pairs), `resolved` (share, None without pairs), `threshold` (the cosine that the same
        share of the cross-class pairs reaches in the run's own features) and `classes`, the same
        for each pair of classes.
    """
    return found.once(f"resolved {part}", lambda: _resolved(found, part))


def _resolved(found: Predictions, part: str) -> dict[str, Any]:
    pairs = np.asarray(found.pairs(part))
    cosine, threshold = found.apart(part)
    names = found.data.record.class_names
    by_class = resolved_by_classes(pairs, cosine, threshold, found.labels, _MOST_CLASS_PAIRS)
    return {
        "n": len(pairs),
        "resolved": float((cosine < threshold).mean()) if len(pairs) else None,
        "threshold": threshold if len(pairs) else None,
        "classes": [{**each, "names": [names[each["a"]], names[each["b"]]]} for each in by_class],
    }
