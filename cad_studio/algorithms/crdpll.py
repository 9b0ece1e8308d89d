"""CRDPLL: all views of a sample are to agree, and what is no candidate is pushed away.

Wu, Wang and Zhang, "Revisiting Consistency Regularization for Deep Partial Label Learning", ICML
2022, https://proceedings.mlr.press/v162/wu22l.html. Here with two views; the penalty is taken on
the weak one.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from cad_studio.algorithms._base import ALGORITHMS, Algorithm, Batch, StepResult
from cad_studio.algorithms._losses import negative_cross_entropy, restricted_softmax
from cad_studio.core.settings import check_settings


@dataclass(frozen=True)
class CrdpllConfig:
    """Settings of CRDPLL."""

    consistency: float = field(
        default=1.0,
        metadata={
            "help": "Weight of the agreement, reached after half of the training.",
            "minimum": 0.0,
        },
    )

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            SettingError: A value is out of range.
        """
        check_settings(self)


@ALGORITHMS.register("crdpll")
class Crdpll(Algorithm):
    """The belief is the geometric mean of the views' probabilities on the candidates."""

    title = "CRDPLL"
    paper = (
        "Wu et al., Revisiting Consistency Regularization for Deep Partial Label Learning, "
        "ICML 2022, https://proceedings.mlr.press/v162/wu22l.html"
    )
    config_type = CrdpllConfig
    view_names = ("weak", "strong")

    def step(self, batch: Batch) -> StepResult:
        """As `Algorithm.step`."""
        both = self.network(torch.cat([batch.views["weak"], batch.views["strong"]]))
        views = list(both.chunk(2))
        penalty = negative_cross_entropy(views[0], ~batch.candidates).mean()
        agreement = divergences(views, self.belief[batch.row]).mean()
        weight = self.config.consistency * min(1.0, 2.0 * self.epoch / self.epochs)
        self.remember(batch.row, agree_on(views, batch.candidates))
        parts = {"classification": penalty.detach(), "consistency": agreement.detach()}
        return StepResult(penalty + weight * agreement, parts)


def divergences(views: list[Tensor], belief: Tensor) -> Tensor:
    """Sum over the views of KL(belief, softmax).

    Args:
        views: V times float (B, C), logits.
        belief: float32 (B, C).

    Returns:
        float32 (B,).
    """
    certainty = torch.xlogy(belief, belief).sum(dim=1)
    total = belief.new_zeros(len(belief))
    for logits in views:
        total = total + certainty - (belief * logits.float().log_softmax(dim=1)).sum(dim=1)
    return total


def agree_on(views: list[Tensor], candidates: Tensor) -> Tensor:
    """Geometric mean of the views' probabilities, on the candidates.

    Args:
        views: V times float (B, C), logits.
        candidates: bool (B, C).

    Returns:
        float32 (B, C). Zero outside the candidates, rows sum to 1.
    """
    mean = torch.stack([logits.float().log_softmax(dim=1) for logits in views]).mean(dim=0)
    return restricted_softmax(mean, candidates)
