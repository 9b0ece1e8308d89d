"""What is known of a run after each epoch."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.training.data import TrainingData
from cad_studio.training.evaluation import (
    FROM_SETS,
    accuracy,
    disambiguation,
    of_sets,
    pair_figures,
    set_likelihood,
)

HELD_OUT = (*FROM_SETS, "set_likelihood")
"""Figures on the samples held out, which have a place of their own among the plain values."""


@dataclass(frozen=True)
class EpochReport:
    """The figures of one epoch.

    Attributes:
        epoch: From 0.
        learning_rate: Step size of its last step.
        losses: Mean over its steps of the loss and of each part.
        held_out: The figures of `HELD_OUT`; None each without samples held out. Approximated
            accuracy rewards whoever is sure, right or wrong: it says nothing without the mean
            confidence. The mean log-likelihood of the sets selects the model.
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
    held_out: dict[str, float | None]
    mean_confidence: float | None
    epochs_in_force: int
    oracle: dict[str, float]
    samples_per_second: float
    seconds: float
    memory_mb: float

    def plain(self) -> dict[str, Any]:
        """Plain values, as files and rows keep them."""
        values = asdict(self)
        return values | values.pop("held_out")

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> "EpochReport":
        """Back from `plain`.

        Raises:
            TypeError: A value is missing, or there is one too many.
        """
        held_out = {name: values.get(name) for name in HELD_OUT}
        rest = {name: value for name, value in values.items() if name not in held_out}
        return cls(held_out=held_out, **rest)


@dataclass(frozen=True)
class Judgement:
    """The part of a report that comes from asking the network."""

    held_out: dict[str, float | None]
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
    explained = None if table is None else set_likelihood(held_logits, candidates, table)
    return Judgement(of_sets(held_logits, candidates) | {"set_likelihood": explained}, oracle)
