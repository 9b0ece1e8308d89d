"""Formulas that at least three methods share; all compute in float32."""

import torch
from torch import Tensor


def restricted_softmax(logits: Tensor, allowed: Tensor) -> Tensor:
    """Softmax over some classes only.

    Args:
        logits: float (B, C).
        allowed: bool (B, C).

    Returns:
        float32 (B, C). Zero where not allowed; rows sum to 1, or to 0 where nothing is allowed.
    """
    # Masked before the softmax: dividing afterwards is 0 / 0 when all allowed classes vanish.
    shares = logits.float().masked_fill(~allowed, -torch.inf).softmax(dim=1)
    return shares.masked_fill(~allowed, 0.0)


def uniform_on(allowed: Tensor) -> Tensor:
    """Equal shares, bool (B, C) -> float32 (B, C); rows of nothing are zero."""
    return allowed / allowed.sum(dim=1, keepdim=True).clamp(min=1)


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy against a distribution.

    Args:
        logits: float (B, C).
        target: float32 (B, C).

    Returns:
        float32 (B,).
    """
    return -(target * logits.float().log_softmax(dim=1)).sum(dim=1)


def log_not(logits: Tensor) -> Tensor:
    """Logarithm of one minus the softmax, exact also where the softmax rounds to 1.

    Args:
        logits: float (B, C), C at least 2 for finite values.

    Returns:
        float32 (B, C). At most 0, finite, with finite gradient.
    """
    logits = logits.float()
    log_p = logits.log_softmax(dim=1)
    highest = torch.zeros_like(logits, dtype=torch.bool)
    highest.scatter_(1, logits.argmax(dim=1, keepdim=True), True)
    # Only the highest class can exceed 1/2: log1p is exact for the others. For the highest it is
    # what the others have together, which does not cancel.
    others = logits.masked_fill(highest, -torch.inf).logsumexp(dim=1, keepdim=True)
    total = logits.logsumexp(dim=1, keepdim=True)
    below_half = torch.log1p(-log_p.masked_fill(highest, -torch.inf).exp())
    return torch.where(highest, others - total, below_half)


def negative_cross_entropy(logits: Tensor, excluded: Tensor) -> Tensor:
    """Penalty on classes that cannot be: the sum of -log(1 - p).

    Args:
        logits: float (B, C).
        excluded: float32 or bool (B, C). Weight of each class.

    Returns:
        float32 (B,).
    """
    penalty = log_not(logits).masked_fill(excluded == 0, 0.0)
    return -(excluded * penalty).sum(dim=1)
