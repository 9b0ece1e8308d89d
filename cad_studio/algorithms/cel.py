"""CEL: one embedding per class and sample; those of the candidates attract each other.

Yang, Cheng, Liu, Dong, Jia and Hou, "Mixed Blessing: Class-Wise Embedding Guided
Instance-Dependent Partial Label Learning", 2024, https://arxiv.org/abs/2412.05029. The authors'
release does not run; weights that the paper leaves to a search are 1 here, and the embeddings have
the width of the features.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from cad_studio.algorithms._base import ALGORITHMS, Algorithm, Batch, Setup, StepResult
from cad_studio.algorithms._losses import restricted_softmax, soft_cross_entropy
from cad_studio.core.settings import check_settings

N_HEADS = 8
PROTOTYPE_MOMENTUM = 0.99


@dataclass(frozen=True)
class CelConfig:
    """Settings of CEL."""

    association: float = field(
        default=1.0,
        metadata={"help": "Weight of the loss among a sample's embeddings.", "minimum": 0.0},
    )
    discrimination: float = field(
        default=1.0,
        metadata={
            "help": "Weight of the loss against the prototypes, from half of the training on.",
            "minimum": 0.0,
        },
    )
    gamma_association: float = field(
        default=1.0,
        metadata={"help": "Weight of pairs of candidate and non-candidate.", "minimum": 0.0},
    )
    gamma_discrimination: float = field(
        default=1.0,
        metadata={"help": "Weight of the prototypes of other classes.", "minimum": 0.0},
    )

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            SettingError: A value is out of range.
        """
        check_settings(self)


@ALGORITHMS.register("cel")
class Cel(Algorithm):
    """PRODEN on two views, beside a transformer decoder that reads the map for each class.

    Attributes:
        asked: float32 (C, F). Fixed random queries, one per class.
        prototypes: float32 (C, F). Mean embedding of each class; unit length, zero before one was
            seen.
    """

    title = "CEL"
    paper = (
        "Yang et al., Mixed Blessing: Class-Wise Embedding Guided Instance-Dependent Partial "
        "Label Learning, 2024, https://arxiv.org/abs/2412.05029"
    )
    config_type = CelConfig
    view_names = ("weak", "strong")
    needs_images = True
    asked: Tensor
    prototypes: Tensor

    def __init__(self, setup: Setup, config: CelConfig) -> None:
        """Draw the decoder and the queries."""
        super().__init__(setup, config)
        width = setup.network.width
        seed = int(torch.randint(2**31, (), generator=setup.generator))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.decoder = nn.TransformerDecoderLayer(
                width, _n_heads(width), 2 * width, dropout=0.0, batch_first=True
            ).to(setup.device)
            asked = torch.randn((setup.n_classes, width)).to(setup.device)
        self.register_buffer("asked", asked)
        self.register_buffer("prototypes", torch.zeros_like(asked))

    def step(self, batch: Batch) -> StepResult:
        """As `Algorithm.step`."""
        maps = self.network.feature_map(torch.cat([batch.views["weak"], batch.views["strong"]]))
        logits = self.network.classify(maps.mean(dim=(2, 3)))
        belief = self.belief[batch.row]
        classification = soft_cross_entropy(logits, belief.repeat(2, 1)).mean()

        embeddings = self._embed(maps)
        candidates = batch.candidates.repeat(2, 1)
        association = association_losses(embeddings, candidates, self.config.gamma_association)
        likely = belief.argmax(dim=1).repeat(2)
        loss = classification + self.config.association * association.mean()
        parts = {
            "classification": classification.detach(),
            "association": association.mean().detach(),
        }
        if 2 * self.epoch >= self.epochs:
            # A copy: the prototypes move before the gradient is taken.
            discrimination = discrimination_losses(
                embeddings, self.prototypes.clone(), likely, self.config.gamma_discrimination
            ).mean()
            loss = loss + self.config.discrimination * discrimination
            parts["discrimination"] = discrimination.detach()
        self._move_prototypes(embeddings.detach(), likely)

        weak, strong = logits.detach().float().log_softmax(dim=1).chunk(2)
        inside = restricted_softmax(torch.logaddexp(weak, strong), batch.candidates)
        self.remember(batch.row, inside)
        return StepResult(loss, parts)

    def _embed(self, maps: Tensor) -> Tensor:
        """One embedding per class, float (B, F, h, w) -> float32 (B, C, F) of unit length."""
        places = maps.flatten(2).transpose(1, 2)
        asked = self.asked.expand(len(maps), -1, -1).to(places.dtype)
        return nn.functional.normalize(self.decoder(asked, places).float(), dim=2)

    @torch.no_grad()
    def _move_prototypes(self, embeddings: Tensor, likely: Tensor) -> None:
        own = embeddings[torch.arange(len(likely), device=likely.device), likely]
        member = nn.functional.one_hot(likely, self.n_classes).float()
        count = member.sum(dim=0)
        with torch.autocast(own.device.type, enabled=False):
            mean = (member.T @ own) / count.clamp(min=1)[:, None]
        # A class seen for the first time starts at its mean rather than near zero.
        kept = PROTOTYPE_MOMENTUM * (self.prototypes.norm(dim=1) > 0)
        kept = torch.where(count > 0, kept, torch.ones_like(kept))[:, None]
        moved = kept * self.prototypes + (1.0 - kept) * mean
        self.prototypes.copy_(nn.functional.normalize(moved, dim=1))


def association_losses(embeddings: Tensor, candidates: Tensor, gamma: float) -> Tensor:
    """1 - mean cosine among candidates + gamma * mean |cosine| of candidate to non-candidate.

    Args:
        embeddings: float32 (B, C, F). Unit length.
        candidates: bool (B, C).
        gamma: Weight of the second mean, which is 0 where all classes are candidates.

    Returns:
        float32 (B,).
    """
    cosine = embeddings @ embeddings.transpose(1, 2)
    inside, outside = candidates.float(), (~candidates).float()
    among = inside[:, :, None] * inside[:, None, :]
    across = inside[:, :, None] * outside[:, None, :]
    attract = (cosine * among).sum(dim=(1, 2)) / among.sum(dim=(1, 2))
    repel = (cosine.abs() * across).sum(dim=(1, 2)) / across.sum(dim=(1, 2)).clamp(min=1)
    return 1.0 - attract + gamma * repel


def discrimination_losses(
    embeddings: Tensor, prototypes: Tensor, likely: Tensor, gamma: float
) -> Tensor:
    """1 - cosine to the own prototype + gamma * mean |cosine| to the others.

    Args:
        embeddings: float32 (B, C, F). Unit length.
        prototypes: float32 (C, F). Unit length or zero.
        likely: int64 (B,). The most believed candidate: its embedding is compared.
        gamma: Weight of the mean.

    Returns:
        float32 (B,).
    """
    rows = torch.arange(len(likely), device=likely.device)
    cosine = embeddings[rows, likely] @ prototypes.T
    own = cosine[rows, likely]
    others = cosine.abs().sum(dim=1) - own.abs()
    return 1.0 - own + gamma * others / max(1, len(prototypes) - 1)


def _n_heads(width: int) -> int:
    # The heads share the width evenly.
    return next(n for n in range(N_HEADS, 0, -1) if width % n == 0)
