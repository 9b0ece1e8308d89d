"""Contrast between queries, keys and a queue of earlier keys.

Columns are always [queries | keys | queue]; the queries are the anchors, and no anchor is compared
with itself.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

BASE_TEMPERATURE = 0.07
"""Losses are scaled by tau / 0.07, as the code of SupCon and all methods after it does."""

_NEVER = -1e4
"""Likeness of what must not be looked at: its share is exactly 0, and 0 times it is not NaN."""


class RingBuffer(nn.Module):
    """The latest rows of some tensors; the oldest are overwritten first.

    Starts empty. Each tensor is a buffer of the name it was given.

    Attributes:
        pointer: int64 (). Slot that is written next.
        filled: int64 (). Slots in use.
    """

    pointer: Tensor
    filled: Tensor

    def __init__(self, capacity: int, **empty: Tensor) -> None:
        """Reserve the slots.

        Args:
            capacity: Q, 1 or more.
            **empty: Name to a tensor of shape (0, ...), which gives row shape, dtype and device.
        """
        super().__init__()
        self.capacity = capacity
        self.names = list(empty)
        for name, rows in empty.items():
            self.register_buffer(name, rows.new_zeros((capacity, *rows.shape[1:])))
        device = next(iter(empty.values())).device
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64, device=device))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64, device=device))

    def __getattr__(self, name: str) -> Tensor:
        """A buffer by the name it was given."""
        return super().__getattr__(name)  # type: ignore[return-value]

    @torch.no_grad()
    def push(self, **rows: Tensor) -> None:
        """Add M rows of each tensor; of more than Q the last ones stay."""
        n_rows = len(rows[self.names[0]])
        kept = min(n_rows, self.capacity)
        # All on the device: nothing here waits for a GPU.
        steps = torch.arange(n_rows - kept, n_rows, device=self.pointer.device)
        slots = (self.pointer + steps) % self.capacity
        for name in self.names:
            buffer = self.get_buffer(name)
            buffer[slots] = rows[name].detach()[n_rows - kept :].to(buffer.dtype)
        self.pointer.copy_((self.pointer + n_rows) % self.capacity)
        self.filled.copy_((self.filled + n_rows).clamp(max=self.capacity))

    @property
    def usable(self) -> Tensor:
        """Bool (Q,). Slots that hold something."""
        return torch.arange(self.capacity, device=self.filled.device) < self.filled


@dataclass(frozen=True)
class Columns:
    """What the anchors are compared with, P = 2 M + Q columns.

    Attributes:
        queries: float32 (M, D). Unit length, with gradient; the first M columns and the anchors.
        others: float32 (P - M, D). Keys, then the queue.
        usable: bool (P,). False for empty slots of the queue.
    """

    queries: Tensor
    others: Tensor
    usable: Tensor

    @classmethod
    def build(cls, queries: Tensor, keys: Tensor, queue: Tensor, queue_usable: Tensor) -> "Columns":
        """Put the columns in their order.

        Args:
            queries: float32 (M, D).
            keys: float32 (M, D).
            queue: float32 (Q, D).
            queue_usable: bool (Q,).
        """
        in_batch = queue_usable.new_ones(len(queries) + len(keys))
        return cls(queries, torch.cat([keys, queue]), torch.cat([in_batch, queue_usable]))

    def comparable(self) -> Tensor:
        """Bool (M, P). Whether the anchor may look at the column: it is in use and not itself."""
        allowed = self.usable.expand(len(self.queries), -1).clone()
        allowed.fill_diagonal_(False)
        return allowed


def attention(scores: Tensor, all_scores: Tensor, positive: Tensor, tau_d: float) -> Tensor:
    """How much each positive counts for an anchor: by likeness of what they are taken for.

    Args:
        scores: float32 (M, C). Of the anchors: logits or a distribution.
        all_scores: float32 (P, C). Of the columns.
        positive: bool (M, P). Without the anchor itself.
        tau_d: Temperature of the cosine.

    Returns:
        float32 (M, P), no gradient. Rows sum to 1, or to 0 without a positive.
    """
    with torch.no_grad(), torch.autocast(scores.device.type, enabled=False):
        left = nn.functional.normalize(scores.float(), dim=1) / tau_d
        right = nn.functional.normalize(all_scores.float(), dim=1)
        # A softmax of a row without positives would be even; its shares become 0 instead.
        shares = torch.where(positive, left @ right.T, _NEVER).softmax(dim=1)
        return shares.mul_(positive.any(dim=1, keepdim=True))


def equal_weights(positive: Tensor) -> Tensor:
    """The same weight for all positives of an anchor, bool (M, P) -> float32 (M, P)."""
    return positive / positive.sum(dim=1, keepdim=True).clamp(min=1)


def contrast_losses(columns: Columns, weights: Tensor, tau: float) -> Tensor:
    """Weighted cross-entropy of finding the positives among all columns.

    Args:
        columns: What is compared.
        weights: float32 (M, P). Weight of each positive, 0 elsewhere.
        tau: Temperature.

    Returns:
        float32 (M,). One loss per anchor, tau / 0.07 applied.
    """
    with torch.autocast(weights.device.type, enabled=False):
        queries, others = columns.queries.float(), columns.others.float()
        anchors, n_anchors = queries / tau, len(queries)
        itself = torch.eye(n_anchors, dtype=torch.bool, device=queries.device)
        # Two products: one over all columns would compute a gradient of keys and queue as well.
        among = (anchors @ queries.T).masked_fill(itself, _NEVER)
        unusable = torch.where(columns.usable[n_anchors:], 0.0, _NEVER)
        likeness = torch.cat([among, torch.addmm(unusable, anchors, others.T)], dim=1)
        losses = -(weights * likeness.log_softmax(dim=1)).sum(dim=1)
        return tau / BASE_TEMPERATURE * losses


def moco_losses(columns: Columns, tau: float) -> Tensor:
    """InfoNCE: the positive is the anchor's own key, the negatives are the queue.

    After He, Fan, Wu, Xie and Girshick, "Momentum Contrast for Unsupervised Visual Representation
    Learning", CVPR 2020, https://arxiv.org/abs/1911.05722.

    Returns:
        float32 (M,). Zero while the queue is empty.
    """
    with torch.autocast(columns.queries.device.type, enabled=False):
        queries, n_anchors = columns.queries.float(), len(columns.queries)
        keys, queue = columns.others[:n_anchors].float(), columns.others[n_anchors:].float()
        own = (queries * keys).sum(dim=1, keepdim=True) / tau
        empty = ~columns.usable[2 * n_anchors :]
        negative = (queries @ queue.T / tau).masked_fill(empty, -torch.inf)
        return torch.cat([own, negative], dim=1).logsumexp(dim=1) - own[:, 0]
