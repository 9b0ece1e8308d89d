"""ABLE: a sample is drawn to those predicted as each of its candidates, by how likely each is.

Xia, Lv, Xu and Geng, "Ambiguity-Induced Contrastive Learning for Instance-Dependent Partial Label
Learning", IJCAI 2022, https://www.ijcai.org/proceedings/2022/502. Departure: the authors' code
looks the belief up by position in the batch, this one by row of the dataset.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from cad_studio.algorithms._base import ALGORITHMS, Algorithm, Batch, StepResult
from cad_studio.algorithms._contrast import Columns, contrast_losses
from cad_studio.algorithms._losses import restricted_softmax, soft_cross_entropy
from cad_studio.core.settings import check_settings


@dataclass(frozen=True)
class AbleConfig:
    """Settings of ABLE."""

    contrast: float = field(
        default=1.0, metadata={"help": "Weight of the contrastive loss.", "minimum": 0.0}
    )
    tau: float = field(
        default=0.1, metadata={"help": "Temperature of the contrast.", "minimum": 1e-3}
    )

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            SettingError: A value is out of range.
        """
        check_settings(self)


@ALGORITHMS.register("able")
class Able(Algorithm):
    """PRODEN beside a contrast within the batch, over two views of each sample."""

    title = "ABLE"
    paper = (
        "Xia et al., Ambiguity-Induced Contrastive Learning for Instance-Dependent Partial Label "
        "Learning, IJCAI 2022, https://www.ijcai.org/proceedings/2022/502"
    )
    config_type = AbleConfig
    view_names = ("weak", "strong")

    def step(self, batch: Batch) -> StepResult:
        """As `Algorithm.step`."""
        n_samples = len(batch.row)
        features = self.network.features(torch.cat([batch.views["weak"], batch.views["strong"]]))
        logits = self.network.classify(features[:n_samples])
        belief = self.belief[batch.row]
        classification = soft_cross_entropy(logits, belief).mean()
        inside = restricted_softmax(logits.detach(), batch.candidates)

        queries = self.network.project(features)
        in_batch = torch.ones(len(queries), dtype=torch.bool, device=queries.device)
        columns = Columns(queries, queries[:0], in_batch)
        predicted = inside.argmax(dim=1).repeat(2)
        weights = group_weights(belief.repeat(2, 1), predicted)
        contrast = contrast_losses(columns, weights, self.config.tau).mean()

        self.remember(batch.row, inside)
        parts = {"classification": classification.detach(), "contrast": contrast.detach()}
        return StepResult(classification + self.config.contrast * contrast, parts)


def group_weights(belief: Tensor, predicted: Tensor) -> Tensor:
    """How much each column counts: the belief in its predicted class, shared by the group.

    Args:
        belief: float32 (M, C). Of the anchors, zero outside the candidates.
        predicted: int64 (M,). Class each of the M columns is predicted as.

    Returns:
        float32 (M, M). Zero on the diagonal.
    """
    weights = belief[:, predicted]
    same = predicted[:, None] == predicted[None, :]
    # The anchor is no positive of its own, so its own group is one smaller. Not `bincount`, which
    # waits for a GPU.
    sizes = same.sum(dim=1)[None, :] - same.int()
    return (weights / sizes.clamp(min=1)).fill_diagonal_(0.0)
