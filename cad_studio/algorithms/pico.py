"""PiCO: class prototypes of contrastive features tell the candidates apart.

Wang, Xiao, Li, Feng, Niu, Chen and Zhao, "PiCO: Contrastive Label Disambiguation for Partial Label
Learning", ICLR 2022, https://arxiv.org/abs/2201.08984. Departures: the queue starts empty instead
of with random rows, and the slow copy is an exact copy at first.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from cad_studio.algorithms._base import ALGORITHMS, Algorithm, Batch, Setup, StepResult
from cad_studio.algorithms._contrast import (
    Columns,
    RingBuffer,
    contrast_losses,
    equal_weights,
    moco_losses,
)
from cad_studio.algorithms._losses import restricted_softmax, soft_cross_entropy
from cad_studio.core.settings import check_settings
from cad_studio.models.ema import copy_network, update_ema


@dataclass(frozen=True)
class PicoConfig:
    """Settings of PiCO."""

    contrast: float = field(
        default=0.5, metadata={"help": "Weight of the contrastive loss.", "minimum": 0.0}
    )
    tau: float = field(
        default=0.07, metadata={"help": "Temperature of the contrast.", "minimum": 1e-3}
    )
    queue_size: int = field(
        default=8192, metadata={"help": "Keys kept from earlier batches.", "minimum": 1}
    )
    momentum: float = field(
        default=0.999,
        metadata={"help": "Momentum of the slow copy.", "minimum": 0.0, "maximum": 1.0},
    )
    prototype_momentum: float = field(
        default=0.99,
        metadata={"help": "Momentum of the prototypes.", "minimum": 0.0, "maximum": 1.0},
    )
    first_phi: float = field(
        default=0.95,
        metadata={"help": "Momentum of the belief at first.", "minimum": 0.0, "maximum": 1.0},
    )
    last_phi: float = field(
        default=0.8,
        metadata={"help": "Momentum of the belief at last.", "minimum": 0.0, "maximum": 1.0},
    )
    prototypes_from: int = field(
        default=1,
        metadata={"help": "Epoch from which prototypes and classes are used.", "minimum": 0},
    )

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            SettingError: A value is out of range.
        """
        check_settings(self)


@ALGORITHMS.register("pico")
class Pico(Algorithm):
    """Cross-entropy to a belief that drifts towards the nearest prototype, with contrast.

    Attributes:
        prototypes: float32 (C, D). Unit length once a class was seen, zero before.
    """

    title = "PiCO"
    paper = (
        "Wang et al., PiCO: Contrastive Label Disambiguation for Partial Label Learning, "
        "ICLR 2022, https://arxiv.org/abs/2201.08984"
    )
    config_type = PicoConfig
    view_names = ("weak", "strong")
    prototypes: Tensor

    def __init__(self, setup: Setup, config: PicoConfig) -> None:
        """Start with an exact copy, an empty queue and no prototype."""
        super().__init__(setup, config)
        self.teacher = copy_network(setup.network)
        width = setup.network.projection_width
        start = setup.start
        self.register_buffer("prototypes", start.new_zeros((self.n_classes, width)))
        self.queue = RingBuffer(
            config.queue_size,
            features=start.new_empty((0, width)),
            label=setup.candidates.new_empty(0, dtype=torch.int64),
        )

    def step(self, batch: Batch) -> StepResult:
        """As `Algorithm.step`."""
        features = self.network.features(batch.views["weak"])
        logits, queries = self.network.classify(features), self.network.project(features)
        with torch.no_grad():
            keys = self.teacher.project(self.teacher.features(batch.views["strong"]))
            predicted = restricted_softmax(logits, batch.candidates).argmax(dim=1)
        is_ready = self.epoch >= self.config.prototypes_from
        if is_ready:
            self._follow_prototypes(batch, queries.detach())
        moved = move_prototypes(
            self.prototypes, queries.detach(), predicted, self.config.prototype_momentum
        )
        self.prototypes.copy_(moved)
        classification = soft_cross_entropy(logits, self.belief[batch.row]).mean()

        columns = Columns.build(queries, keys, self.queue.features, self.queue.usable)
        if is_ready:
            labels = torch.cat([predicted, predicted, self.queue.label])
            positive = (predicted[:, None] == labels) & columns.comparable()
            losses = contrast_losses(columns, equal_weights(positive), self.config.tau)
        else:
            losses = moco_losses(columns, self.config.tau)
        contrast = losses.mean()
        self.queue.push(features=keys, label=predicted)
        parts = {"classification": classification.detach(), "contrast": contrast.detach()}
        return StepResult(classification + self.config.contrast * contrast, parts)

    def after_step(self) -> None:
        """Move the slow copy."""
        update_ema(self.teacher, self.network, self.config.momentum)

    def _follow_prototypes(self, batch: Batch, queries: Tensor) -> None:
        done = min(1.0, self.epoch / self.epochs)
        phi = self.config.first_phi + (self.config.last_phi - self.config.first_phi) * done
        likeness = queries @ self.prototypes.T / self.config.tau + self.evidence(batch.candidates)
        nearest = likeness.masked_fill(~batch.candidates, -torch.inf).argmax(dim=1)
        chosen = nn.functional.one_hot(nearest, self.n_classes)
        belief = phi * self.belief[batch.row] + (1.0 - phi) * chosen
        self.remember(batch.row, belief, is_final=True)


def move_prototypes(
    prototypes: Tensor, features: Tensor, labels: Tensor, momentum: float
) -> Tensor:
    """Move each prototype towards its samples, one after the other, and normalise at the end.

    Args:
        prototypes: float32 (C, D).
        features: float32 (B, D).
        labels: int64 (B,).
        momentum: What is kept of a prototype at each sample.

    Returns:
        float32 (C, D). Unit length; classes without a sample as before.
    """
    member = nn.functional.one_hot(labels, len(prototypes)).float()
    # How many of the same class come after: the weights of one update after the other.
    later = (member.sum(dim=0) - member.cumsum(dim=0)).gather(1, labels[:, None])
    weights = (1.0 - momentum) * momentum**later
    kept = momentum ** member.sum(dim=0)
    # In full precision: a step of 1 % would be lost in the rounding of bf16.
    with torch.autocast(features.device.type, enabled=False):
        moved = kept[:, None] * prototypes + (member * weights).T @ features
    return nn.functional.normalize(moved, dim=1)
