"""CC: the probability of the whole candidate set is raised.

Feng, Lv, Han, Xu, Niu, Geng, An and Sugiyama, "Provably Consistent Partial-Label Learning",
NeurIPS 2020, https://arxiv.org/abs/2007.08929. Departure: while a belief from outside is held, the
loss is cross-entropy to it, since the method itself knows no belief.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from cad_studio.algorithms._base import ALGORITHMS, Algorithm, Batch, StepResult
from cad_studio.algorithms._losses import soft_cross_entropy


@dataclass(frozen=True)
class CcConfig:
    """CC has no settings."""


@ALGORITHMS.register("cc")
class Cc(Algorithm):
    """Classifier-consistent: -log of the candidates' total probability."""

    title = "CC"
    paper = (
        "Feng et al., Provably Consistent Partial-Label Learning, NeurIPS 2020, "
        "https://arxiv.org/abs/2007.08929"
    )
    config_type = CcConfig

    def step(self, batch: Batch) -> StepResult:
        """As `Algorithm.step`."""
        logits = self.network(batch.views["cls"])
        if self.is_held:
            losses = soft_cross_entropy(logits, self.belief[batch.row])
        else:
            losses = set_losses(logits, batch.candidates)
        loss = losses.mean()
        return StepResult(loss, {"classification": loss.detach()})

    def confidence(self) -> None:
        """None: the method keeps no belief."""
        return


def set_losses(logits: Tensor, candidates: Tensor) -> Tensor:
    """-log of the probability that the label is a candidate.

    Args:
        logits: float (B, C).
        candidates: bool (B, C).

    Returns:
        float32 (B,). Zero where all classes are candidates.
    """
    logits = logits.float()
    inside = logits.masked_fill(~candidates, -torch.inf).logsumexp(dim=1)
    return logits.logsumexp(dim=1) - inside
