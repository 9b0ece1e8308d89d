"""POP: PRODEN that strikes out candidates which stay unlikely.

Xu, Liu, Lv, Qiao and Geng, "Progressive Purification for Instance-Dependent Partial Label
Learning", ICML 2023, https://arxiv.org/abs/2206.00830. The two views' losses are averaged and the
belief follows the mean of their probabilities, where the paper leaves it open. The paper's step
size is 0.05.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from cad_studio.algorithms._base import ALGORITHMS, Algorithm, Batch, Setup, StepResult
from cad_studio.algorithms._losses import restricted_softmax, soft_cross_entropy
from cad_studio.core.settings import check_settings

MEMORY_EPOCHS = 5
"""A candidate is judged by its mean belief over so many epochs."""

GROWTH = 1.001
"""The bar rises by this factor per epoch."""

HIGHEST_BAR = 0.4

_TINY = 1e-30


@dataclass(frozen=True)
class PopConfig:
    """Settings of POP."""

    warm_up_epochs: int = field(
        default=20,
        metadata={"help": "Epochs before the first candidate is struck out.", "minimum": 0},
    )
    bar: float = field(
        default=1e-3,
        metadata={
            "help": "A candidate is struck out below this share of the best one's belief; "
            "rises slowly.",
            "minimum": 0.0,
            "maximum": 1.0,
        },
    )

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            SettingError: A value is out of range.
        """
        check_settings(self)


@ALGORITHMS.register("pop")
class Pop(Algorithm):
    """Cross-entropy to the belief over the candidates that are left.

    Attributes:
        kept: bool (N, C). Candidates not struck out; at least one per row.
        history: float16 (5, N, C). Beliefs at the end of the latest epochs.
    """

    title = "POP"
    paper = (
        "Xu et al., Progressive Purification for Instance-Dependent Partial Label Learning, "
        "ICML 2023, https://arxiv.org/abs/2206.00830"
    )
    config_type = PopConfig
    view_names = ("weak", "strong")
    kept: Tensor
    history: Tensor

    def __init__(self, setup: Setup, config: PopConfig) -> None:
        """Start with all candidates."""
        super().__init__(setup, config)
        self.register_buffer("kept", setup.candidates.clone())
        history = setup.start.to(torch.float16).expand(MEMORY_EPOCHS, -1, -1).clone()
        self.register_buffer("history", history)

    def step(self, batch: Batch) -> StepResult:
        """As `Algorithm.step`."""
        both = self.network(torch.cat([batch.views["weak"], batch.views["strong"]]))
        belief = self.belief[batch.row]
        loss = soft_cross_entropy(both, belief.repeat(2, 1)).mean()
        log_p = both.detach().float().log_softmax(dim=1).chunk(2)
        # The mean is taken in logarithms: all that is left of a row may round to 0.
        mean = torch.logaddexp(log_p[0], log_p[1])
        self.remember(batch.row, restricted_softmax(mean, self.kept[batch.row]))
        return StepResult(loss, {"classification": loss.detach()})

    @torch.no_grad()
    def end_epoch(self) -> None:
        """Strike out what stayed unlikely."""
        self.history[self.epoch % MEMORY_EPOCHS] = self.belief.to(self.history.dtype)
        if self.is_held or self.epoch < self.config.warm_up_epochs:
            return
        risen = GROWTH ** (self.epoch - self.config.warm_up_epochs)
        bar = max(self.config.bar, min(self.config.bar * risen, HIGHEST_BAR))
        self.kept &= ~find_unlikely(self.history.float().mean(dim=0), bar)
        self.belief.copy_(_restrict(self.belief, self.kept))

    def adopt(self, belief: Tensor) -> None:
        """As `Algorithm.adopt`; what was struck out stays so."""
        super().adopt(_restrict(belief, self.kept))


def find_unlikely(belief: Tensor, bar: float) -> Tensor:
    """Where the belief is below a share of the row's highest.

    Args:
        belief: float32 (N, C).
        bar: The share, 0 to 1.

    Returns:
        bool (N, C). Never the highest itself.
    """
    return belief < bar * belief.amax(dim=1, keepdim=True)


def _restrict(belief: Tensor, kept: Tensor) -> Tensor:
    # Through logarithms, so that rows whose kept beliefs are all 0 become uniform, not NaN.
    return restricted_softmax(belief.clamp(min=_TINY).log(), kept)
