"""CC: the probability of the whole candidate set is raised.

Feng, Lv, Han, Xu, Niu, Geng, An and Sugiyama, "Provably Consistent Partial-Label Learning",
NeurIPS 2020, https://arxiv.org/abs/2007.08929. Departure: while a belief from outside is held, the
loss is cross-entropy to it. The belief kept afterwards is for the set model and for the user; the
loss does not read it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from cad_studio.algorithms._base import ALGORITHMS, Algorithm, Batch, StepResult
from cad_studio.algorithms._losses import restricted_softmax, soft_cross_entropy


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
            # The likelihood of the whole set where a set model says how sets come about.
            losses = set_losses(logits, batch.candidates, self.evidence(batch.candidates))
        self.remember(batch.row, restricted_softmax(logits, batch.candidates))
        loss = losses.mean()
        return StepResult(loss, {"classification": loss.detach()})


def set_losses(logits: Tensor, candidates: Tensor, evidence: Tensor) -> Tensor:
    """-log of the sum over the candidates of their probability times exp(evidence).

    Args:
        logits: float (B, C).
        candidates: bool (B, C).
        evidence: float32 (B, C). Zero everywhere is the paper's loss.

    Returns:
        float32 (B,). Without evidence zero where all classes are candidates.
    """
    logits = logits.float()
    inside = (logits + evidence).masked_fill(~candidates, -torch.inf).logsumexp(dim=1)
    return logits.logsumexp(dim=1) - inside
