"""IDGP: one network says which class is true, another which wrong classes join the set.

Qiao, Xu and Geng, "Decompositional Generation Process for Instance-Dependent Partial Label
Learning", ICLR 2023, https://arxiv.org/abs/2204.03845. A sample's true class j is drawn with
probability theta_j, and every other class k joins its set with probability z_k; both are networks
of the image, and both are pulled to what they said before (a Dirichlet and a Beta prior).
Departures: a candidate's weight is its whole posterior, theta_j (1 - z_j) / z_j on the candidates,
where the authors' code leaves theta out; one view instead of three, and no second cross-entropy to
the priors, which the code adds over the first 100 epochs.
"""

from copy import deepcopy
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from cad_studio.algorithms._base import ALGORITHMS, Algorithm, Batch, Setup, StepResult
from cad_studio.algorithms._losses import restricted_softmax, soft_cross_entropy
from cad_studio.core.settings import check_settings


@dataclass(frozen=True)
class IdgpConfig:
    """Settings of IDGP."""

    warm_up_epochs: int = field(
        default=5,
        metadata={
            "help": "Epochs in which each network learns from its prior alone; the paper's 10.",
            "minimum": 0,
        },
    )
    posterior: float = field(
        default=1.0,
        metadata={
            "help": "Weight of what the two networks tell each other, beside their priors.",
            "minimum": 0.0,
        },
    )

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            SettingError: A value is out of range.
        """
        check_settings(self)


@ALGORITHMS.register("idgp")
class Idgp(Algorithm):
    """Expectation and maximisation over which candidate is true, with two networks.

    Attributes:
        joining: The second network; its logits say which wrong classes join.
        joined: float32 (N, C). Prior of the second: what it said of each candidate, 0 elsewhere.
    """

    title = "IDGP"
    paper = (
        "Qiao et al., Decompositional Generation Process for Instance-Dependent Partial Label "
        "Learning, ICLR 2023, https://arxiv.org/abs/2204.03845"
    )
    config_type = IdgpConfig
    joined: Tensor

    def __init__(self, setup: Setup, config: IdgpConfig) -> None:
        """Start with a second network of the same weights, and all candidates joined."""
        super().__init__(setup, config)
        self.joining = deepcopy(setup.network)
        self.register_buffer("joined", setup.candidates.float())

    def step(self, batch: Batch) -> StepResult:
        """As `Algorithm.step`."""
        image, candidates = batch.views["cls"], batch.candidates
        logits, joining = self.network(image).float(), self.joining(image).float()
        classification = soft_cross_entropy(logits, self.belief[batch.row]).mean()
        joins = joining_losses(joining, self.joined[batch.row]).mean()
        if self.epoch >= self.config.warm_up_epochs:
            shares = posterior(logits.detach(), joining.detach(), candidates)
            believed = soft_cross_entropy(logits, shares).mean()
            classification = classification + self.config.posterior * believed
            wrong = candidates.float() - shares
            joins = joins + self.config.posterior * joining_losses(joining, wrong).mean()
        self.remember(batch.row, restricted_softmax(logits, candidates))
        self.joined[batch.row] = joining.detach().sigmoid() * candidates
        parts = {"classification": classification.detach(), "joining": joins.detach()}
        return StepResult(classification + joins, parts)


def posterior(logits: Tensor, joining: Tensor, candidates: Tensor) -> Tensor:
    """Which candidate is true, given the set: theta_j (1 - z_j) / z_j, made to sum to 1.

    Args:
        logits: float32 (B, C). Their softmax is theta.
        joining: float32 (B, C). Their sigmoid is z, so (1 - z) / z is exp(-joining).
        candidates: bool (B, C).

    Returns:
        float32 (B, C). Zero outside the candidates.
    """
    return restricted_softmax(logits.log_softmax(dim=1) - joining, candidates)


def joining_losses(joining: Tensor, joined: Tensor) -> Tensor:
    """Binary cross-entropy of which classes joined, summed over the classes.

    Args:
        joining: float32 (B, C). Logits.
        joined: float32 (B, C). 0 to 1.

    Returns:
        float32 (B,).
    """
    terms = torch.lerp(logsigmoid(-joining), logsigmoid(joining), joined)
    return -terms.sum(dim=1)
