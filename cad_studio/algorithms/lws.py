"""LWS: a one-against-rest loss with weights on both sides, which follow the network.

Wen, Cui, Hang, Liu, Wang and Lin, "Leveraged Weighted Loss for Partial Label Learning", ICML 2021,
https://proceedings.mlr.press/v139/wen21a.html.
"""

from dataclasses import dataclass, field

from torch import Tensor

from cad_studio.algorithms._base import ALGORITHMS, Algorithm, Batch, Setup, StepResult
from cad_studio.algorithms._losses import restricted_softmax, uniform_on
from cad_studio.core.settings import check_settings


@dataclass(frozen=True)
class LwsConfig:
    """Settings of LWS."""

    outside_weight: float = field(
        default=2.0,
        metadata={"help": "Weight of the classes that are no candidates.", "minimum": 0.0},
    )

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            SettingError: A value is out of range.
        """
        check_settings(self)


@ALGORITHMS.register("lws")
class Lws(Algorithm):
    """Sigmoid loss, candidates up and the others down.

    Attributes:
        outside: float32 (N, C). Weights of what is no candidate; rows sum to 1, or to 0 where all
            classes are candidates.
    """

    title = "LWS"
    paper = (
        "Wen et al., Leveraged Weighted Loss for Partial Label Learning, ICML 2021, "
        "https://proceedings.mlr.press/v139/wen21a.html"
    )
    config_type = LwsConfig
    outside: Tensor

    def __init__(self, setup: Setup, config: LwsConfig) -> None:
        """Start with equal weights outside the candidates."""
        super().__init__(setup, config)
        self.register_buffer("outside", uniform_on(~setup.candidates))

    def step(self, batch: Batch) -> StepResult:
        """As `Algorithm.step`."""
        logits = self.network(batch.views["cls"])
        weights = self.belief[batch.row] + self.outside[batch.row]
        losses = leveraged_losses(logits, batch.candidates, weights, self.config.outside_weight)
        loss = losses.mean()
        self.remember(batch.row, restricted_softmax(logits, batch.candidates))
        self.outside[batch.row] = restricted_softmax(logits.detach(), ~batch.candidates)
        return StepResult(loss, {"classification": loss.detach()})


def leveraged_losses(
    logits: Tensor, candidates: Tensor, weights: Tensor, outside_weight: float
) -> Tensor:
    """Sum over candidates of w psi(z) and over the others of w psi(-z), psi(t) = 1 / (1 + e^t).

    Args:
        logits: float (B, C): z.
        candidates: bool (B, C).
        weights: float32 (B, C): w.
        outside_weight: Factor of the second sum.

    Returns:
        float32 (B,).
    """
    logits = logits.float()
    inside = (weights * (-logits).sigmoid()).masked_fill(~candidates, 0.0).sum(dim=1)
    outside = (weights * logits.sigmoid()).masked_fill(candidates, 0.0).sum(dim=1)
    return inside + outside_weight * outside
