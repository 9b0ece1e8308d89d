"""Training on the true labels: the upper bound of every method, and no partial-label method."""

from dataclasses import dataclass

from torch import nn

from cad_studio.algorithms._base import ALGORITHMS, Algorithm, Batch, StepResult


@dataclass(frozen=True)
class SupervisedConfig:
    """Supervised training has no settings of its own."""


@ALGORITHMS.register("supervised")
class Supervised(Algorithm):
    """Cross-entropy to the truth."""

    title = "Supervised (true labels, upper bound)"
    paper = "None: an upper bound that sees the true labels."
    config_type = SupervisedConfig
    uses_truth = True

    def step(self, batch: Batch) -> StepResult:
        """As `Algorithm.step`."""
        assert batch.truth is not None
        logits = self.network(batch.views["cls"]).float()
        loss = nn.functional.cross_entropy(logits, batch.truth)
        return StepResult(loss, {"classification": loss.detach()})

    def confidence(self) -> None:
        """None: the method keeps no belief."""
        return
