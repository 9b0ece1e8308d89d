"""ABS: the average over the candidates of a loss that is robust to wrong labels.

Lv, Liu, Feng, Xu, Xu, An, Niu, Geng and Sugiyama, "On the Robustness of Average Losses for
Partial-Label Learning", TPAMI 2023, https://arxiv.org/abs/2106.06152. Departure: while a belief
from outside is held, the average is weighted by it.
"""

from dataclasses import dataclass, field

from torch import Tensor

from cad_studio.algorithms._base import ALGORITHMS, Algorithm, Batch, StepResult
from cad_studio.algorithms._losses import restricted_softmax, uniform_on
from cad_studio.core.settings import check_settings

EXPONENT = 0.7
"""q of the generalised cross-entropy, as its authors and these choose it."""


@dataclass(frozen=True)
class AbsGceConfig:
    """Settings of ABS."""

    loss: str = field(
        default="gce",
        metadata={
            "help": "gce: generalised cross-entropy; mae: mean absolute error.",
            "choices": ("gce", "mae"),
        },
    )

    def __post_init__(self) -> None:
        """Check the choice.

        Raises:
            SettingError: It is none.
        """
        check_settings(self)


@ALGORITHMS.register("abs-gce")
class AbsGce(Algorithm):
    """Every candidate counts the same, for ever."""

    title = "ABS-GCE / ABS-MAE"
    paper = (
        "Lv et al., On the Robustness of Average Losses for Partial-Label Learning, TPAMI 2023, "
        "https://arxiv.org/abs/2106.06152"
    )
    config_type = AbsGceConfig

    def step(self, batch: Batch) -> StepResult:
        """As `Algorithm.step`."""
        logits = self.network(batch.views["cls"])
        inside = restricted_softmax(logits.detach(), batch.candidates)
        self.sureness = inside.amax(dim=1).mean()
        weights = self.belief[batch.row] if self.is_held else uniform_on(batch.candidates)
        loss = robust_losses(logits, weights, self.config.loss).mean()
        return StepResult(loss, {"classification": loss.detach()})

    def confidence(self) -> None:
        """None: the method keeps no belief."""
        return


def robust_losses(logits: Tensor, weights: Tensor, kind: str) -> Tensor:
    """Weighted sum of (1 - p^q) / q for `gce`, of 2 (1 - p) for `mae`.

    Args:
        logits: float (B, C).
        weights: float32 (B, C).
        kind: `gce` or `mae`.

    Returns:
        float32 (B,).
    """
    log_p = logits.float().log_softmax(dim=1)
    # A power of p itself has no finite gradient where p vanishes.
    losses = (
        2.0 * (1.0 - log_p.exp()) if kind == "mae" else (1.0 - (EXPONENT * log_p).exp()) / EXPONENT
    )
    return (weights * losses).sum(dim=1)
