"""CAVL: the candidate with the highest class activation value is taken for the label.

Zhang, Feng, Han, Liu, Niu, Qin and Sugiyama, "Exploiting Class Activation Value for Partial-Label
Learning", ICLR 2022, https://openreview.net/forum?id=qqdXHUGec9h. Departure: what is no candidate
is masked with -inf rather than multiplied by 0, which would win over negative values.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cad_studio.algorithms._base import ALGORITHMS, Algorithm, Batch, StepResult
from cad_studio.algorithms._losses import soft_cross_entropy


@dataclass(frozen=True)
class CavlConfig:
    """CAVL has no settings."""


@ALGORITHMS.register("cavl")
class Cavl(Algorithm):
    """Cross-entropy to one candidate, chosen anew at each visit."""

    title = "CAVL"
    paper = (
        "Zhang et al., Exploiting Class Activation Value for Partial-Label Learning, ICLR 2022, "
        "https://openreview.net/forum?id=qqdXHUGec9h"
    )
    config_type = CavlConfig

    def step(self, batch: Batch) -> StepResult:
        """As `Algorithm.step`."""
        logits = self.network(batch.views["cls"])
        loss = soft_cross_entropy(logits, self.belief[batch.row]).mean()
        chosen = choose_by_activation(logits.detach(), batch.candidates)
        self.remember(batch.row, nn.functional.one_hot(chosen, self.n_classes).float())
        return StepResult(loss, {"classification": loss.detach()})


def choose_by_activation(logits: Tensor, candidates: Tensor) -> Tensor:
    """The candidate with the highest class activation value, z * |1 - z|.

    Args:
        logits: float (B, C): z.
        candidates: bool (B, C).

    Returns:
        int64 (B,).
    """
    values = logits.float() * (1.0 - logits.float()).abs()
    return values.masked_fill(~candidates, -torch.inf).argmax(dim=1)
