"""What is known of a run after each epoch."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.training.data import TrainingData
from cad_studio.training.evaluation import (
    accuracy,
    approximated_accuracy,
    covering_rate,
    disambiguation,
    pair_figures,
    set_likelihood,
)


@dataclass(frozen=True)
class EpochReport:
    """The figures of one epoch.

    Attributes:
        epoch: From 0.
        learning_rate: Step size of its last step.
        losses: Mean over its steps of the loss and of each part.
        covering_rate: On the samples held out; None without any.
        approximated_accuracy: Likewise. It rewards whoever is sure, right or wrong: it says
            nothing without the mean confidence.
        set_likelihood: Likewise: mean log-likelihood of the sets held out; selects the model.
        mean_confidence: Mean over the steps of the highest probability that the method gave to a
            candidate; None for methods that do not say.
        epochs_in_force: Epochs so far in which the method's own belief was in force.
        oracle: Figures that took true labels: `test_accuracy`, `disambiguation`, and for each
            list of pairs `entangled/<name>/...`. They never influence a run.
        samples_per_second: Of its steps, views included.
        seconds: Since the run began, without the time it was stopped.
        memory_mb: Of the process, or the most taken on the GPU.
    """

    epoch: int
    learning_rate: float
    losses: dict[str, float]
    covering_rate: float | None
    approximated_accuracy: float | None
    set_likelihood: float | None
    mean_confidence: float | None
    epochs_in_force: int
    oracle: dict[str, float]
    samples_per_second: float
    seconds: float
    memory_mb: float


@dataclass(frozen=True)
class Judgement:
    """The part of a report that comes from asking the network."""

    covering_rate: float | None
    approximated_accuracy: float | None
    set_likelihood: float | None = None
    oracle: dict[str, float] = field(default_factory=dict)


def judge(
    data: TrainingData,
    held_rows: NDArray[np.int64],
    held_logits: NDArray[np.float32],
    test_logits: NDArray[np.float32],
    belief: NDArray[np.float32] | None,
    fit_rows: NDArray[np.int64],
    table: NDArray[np.float32] | None = None,
) -> Judgement:
    """Turn logits and belief into figures.

    Args:
        data: Candidates, and the truth where there is one.
        held_rows: int64 (H,). Rows held out.
        held_logits: float32 (H, C).
        test_logits: float32 (T, C), of `data.test_rows`.
        belief: float32 (N, C), or None.
        fit_rows: int64 (N,). Rows learned from.
        table: float32 (C, C), P(k in S | y = j) as learned from those rows, or None.
    """
    candidates = data.candidates.dense(held_rows)
    oracle: dict[str, float] = {}
    if data.truth is not None:
        truth = np.asarray(data.truth)
        tested = accuracy(test_logits.argmax(axis=1), truth[data.test_rows])
        if tested is not None:
            oracle["test_accuracy"] = tested
        found = None if belief is None else disambiguation(belief, truth[fit_rows])
        if found is not None:
            oracle["disambiguation"] = found
        predicted = np.full(len(truth), UNKNOWN)
        predicted[data.test_rows] = test_logits.argmax(axis=1)
        for name, pairs in data.pairs.items():
            for figure, value in pair_figures(predicted, truth, pairs).items():
                oracle[f"entangled/{name}/{figure}"] = value
    return Judgement(
        covering_rate(held_logits, candidates),
        approximated_accuracy(held_logits, candidates),
        None if table is None else set_likelihood(held_logits, candidates, table),
        oracle,
    )
