"""PRODEN: the network's own probabilities on the candidates become the next targets.

Lv, Xu, Feng, Niu, Geng and Sugiyama, "Progressive Identification of True Labels for Partial-Label
Learning", ICML 2020, https://proceedings.mlr.press/v119/lv20a.html.
"""

from dataclasses import dataclass

from cad_studio.algorithms._base import ALGORITHMS, Algorithm, Batch, StepResult
from cad_studio.algorithms._losses import restricted_softmax, soft_cross_entropy


@dataclass(frozen=True)
class ProdenConfig:
    """PRODEN has no settings of its own."""


@ALGORITHMS.register("proden")
class Proden(Algorithm):
    """Cross-entropy to the belief, which then follows the network."""

    title = "PRODEN"
    paper = (
        "Lv et al., Progressive Identification of True Labels for Partial-Label Learning, "
        "ICML 2020, https://proceedings.mlr.press/v119/lv20a.html"
    )
    config_type = ProdenConfig

    def step(self, batch: Batch) -> StepResult:
        """As `Algorithm.step`."""
        logits = self.network(batch.views["cls"])
        loss = soft_cross_entropy(logits, self.belief[batch.row]).mean()
        self.remember(batch.row, restricted_softmax(logits, batch.candidates))
        return StepResult(loss, {"classification": loss.detach()})
