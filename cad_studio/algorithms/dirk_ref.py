"""DIRK-REF: a slow copy teaches with a belief in which every candidate beats all the others.

Wu, Wang and Zhang, "Distilling Reliable Knowledge for Instance-Dependent Partial Label Learning",
AAAI 2024, https://ojs.aaai.org/index.php/AAAI/article/view/29519. Departures: the queue starts
empty instead of with random rows, the slow copy is an exact copy at first, and its BatchNorm
statistics are copied.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from cad_studio.algorithms._base import ALGORITHMS, Algorithm, Batch, Setup, StepResult
from cad_studio.algorithms._contrast import (
    Columns,
    RingBuffer,
    attention,
    contrast_losses,
    moco_losses,
)
from cad_studio.algorithms._losses import restricted_softmax, soft_cross_entropy
from cad_studio.core.settings import check_settings
from cad_studio.models.ema import copy_network, update_ema


@dataclass(frozen=True)
class DirkRefConfig:
    """Settings of DIRK-REF."""

    contrast: float = field(
        default=1.0,
        metadata={"help": "Weight of the contrastive loss; 0 is DIRK alone.", "minimum": 0.0},
    )
    tau: float = field(
        default=0.07, metadata={"help": "Temperature of the contrast.", "minimum": 1e-3}
    )
    tau_d: float = field(
        default=0.4, metadata={"help": "Temperature among the positives.", "minimum": 1e-3}
    )
    queue_size: int = field(
        default=4096, metadata={"help": "Keys kept from earlier batches.", "minimum": 1}
    )
    momentum: float = field(
        default=0.99,
        metadata={"help": "Momentum of the slow copy.", "minimum": 0.0, "maximum": 1.0},
    )

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            SettingError: A value is out of range.
        """
        check_settings(self)


@ALGORITHMS.register("dirk-ref")
class DirkRef(Algorithm):
    """Cross-entropy to the rectified belief of the slow copy, and contrast by its likeness."""

    title = "DIRK-REF"
    paper = (
        "Wu et al., Distilling Reliable Knowledge for Instance-Dependent Partial Label Learning, "
        "AAAI 2024, https://ojs.aaai.org/index.php/AAAI/article/view/29519"
    )
    config_type = DirkRefConfig
    view_names = ("cls", "weak", "strong")

    def __init__(self, setup: Setup, config: DirkRefConfig) -> None:
        """Start with an exact copy and an empty queue."""
        super().__init__(setup, config)
        self.teacher = copy_network(setup.network)
        self.queue = RingBuffer(
            config.queue_size,
            features=setup.start.new_empty((0, setup.network.projection_width)),
            target=setup.start.new_empty((0, self.n_classes)),
            candidates=setup.candidates.new_empty((0, self.n_classes)),
        )

    def step(self, batch: Batch) -> StepResult:
        """As `Algorithm.step`."""
        n_samples = len(batch.row)
        with torch.no_grad():
            slow = self.teacher.features(torch.cat([batch.views["cls"], batch.views["weak"]]))
            taught, keys = self.teacher.classify(slow[:n_samples]), slow[n_samples:]
            keys = self.teacher.project(keys)
            self.remember(batch.row, restricted_softmax(taught, batch.candidates))
            target = rectify(taught, batch.candidates, self.belief[batch.row])
        features = self.network.features(torch.cat([batch.views["cls"], batch.views["strong"]]))
        logits = self.network.classify(features[:n_samples])
        queries = self.network.project(features[n_samples:])
        classification = soft_cross_entropy(logits, target).mean()
        contrast = self._contrast(batch, queries, keys, target)
        self.queue.push(features=keys, target=target, candidates=batch.candidates)
        parts = {"classification": classification.detach(), "contrast": contrast.detach()}
        return StepResult(classification + self.config.contrast * contrast, parts)

    def after_step(self) -> None:
        """Move the slow copy."""
        update_ema(self.teacher, self.network, self.config.momentum)

    def _contrast(self, batch: Batch, queries: Tensor, keys: Tensor, target: Tensor) -> Tensor:
        columns = Columns.build(queries, keys, self.queue.features, self.queue.usable)
        if self.epoch == 0:
            return moco_losses(columns, self.config.tau).mean()
        targets = torch.cat([target, target, self.queue.target])
        sets = torch.cat([batch.candidates, batch.candidates, self.queue.candidates])
        shared = batch.candidates.float() @ sets.float().T > 0
        alike = target.argmax(dim=1)[:, None] == targets.argmax(dim=1)
        positive = shared & alike & columns.comparable()
        weights = attention(target, targets, positive, self.config.tau_d)
        return contrast_losses(columns, weights, self.config.tau).mean()


def rectify(logits: Tensor, candidates: Tensor, inside: Tensor) -> Tensor:
    """A distribution in which no candidate is less likely than the best of the rest.

    With s the belief on the candidates, c the softmax on the rest and m the softmax mass of the
    candidates: a = c_max / (c_max + m * s_min), and the result is a s + (1 - a) c.

    Args:
        logits: float (B, C). Of the slow copy.
        candidates: bool (B, C).
        inside: float32 (B, C): s, zero outside the candidates, rows sum to 1.

    Returns:
        float32 (B, C). Rows sum to 1; `inside` itself where all classes are candidates.
    """
    outside = restricted_softmax(logits, ~candidates)
    mass = logits.float().softmax(dim=1).masked_fill(~candidates, 0.0).sum(dim=1, keepdim=True)
    highest = outside.amax(dim=1, keepdim=True)
    lowest = inside.masked_fill(~candidates, torch.inf).amin(dim=1, keepdim=True)
    # The formula's 1 / mass is multiplied out: a mass that rounds to 0 would give infinity.
    share = highest / (highest + lowest * mass)
    share = torch.where(candidates.all(dim=1, keepdim=True), torch.ones_like(share), share)
    return share * inside + (1.0 - share) * outside
