"""The two losses of CAD.

Zhao, Shi, Sun and Dong, "Mitigating Instance Entanglement in Instance-Dependent Partial Label
Learning", CVPR 2026, https://arxiv.org/abs/2603.04825. Departure: the authors' form of the
classification loss has gradients of 1e11 or NaN at confident logits; this one is computed from
logarithms and has not.
"""

import torch
from torch import Tensor

from cad_studio.algorithms._losses import (
    negative_cross_entropy,
    restricted_softmax,
    soft_cross_entropy,
)


def confidence_weights(logits: Tensor, candidates: Tensor) -> Tensor:
    """omega: the slow copy's probabilities, normalised on the candidates and off them.

    Args:
        logits: float (B, C). Of the slow copy.
        candidates: bool (B, C).

    Returns:
        float32 (B, C). The candidates of a row sum to 1; the others sum to 1, or to 0 where there
        are none.
    """
    return restricted_softmax(logits, candidates) + restricted_softmax(logits, ~candidates)


def adjusted_losses(logits: Tensor, candidates: Tensor, weights: Tensor) -> Tensor:
    """- sum over candidates of omega log p - sum over the others of omega log (1 - p).

    Args:
        logits: float (B, C). Of the network that learns.
        candidates: bool (B, C).
        weights: float32 (B, C): omega.

    Returns:
        float32 (B,).
    """
    inside = weights.masked_fill(~candidates, 0.0)
    outside = weights.masked_fill(candidates, 0.0)
    return soft_cross_entropy(logits, inside) + negative_cross_entropy(logits, outside)


def reduce_contrast(losses: Tensor, source: Tensor, n_samples: int, reduction: str) -> Tensor:
    """Mean of the contrastive losses.

    Args:
        losses: float32 (M,).
        source: int64 (M,). Sample behind each class view, 0 to B - 1.
        n_samples: B; some may have no class view.
        reduction: `per_augmentation` gives every class view the same weight, as the authors' code
            does; `per_instance` every sample, as the paper says.

    Returns:
        float32 ().
    """
    if reduction == "per_augmentation":
        return losses.mean()
    # Not `bincount`, which waits for a GPU.
    counts = losses.new_zeros(n_samples).index_add_(0, source, torch.ones_like(losses))
    return (losses / counts[source]).sum() / (counts > 0).sum()
