"""Which classes come along in the sets of which class, learned from the sets and the confidence.

A sample's true class is in its set always, a look-alike only nearly always: what is missing from
sets tells look-alikes apart. With T[j, k] = P(k in S | y = j) and classes taken to be independent
given y, the log-likelihood of a set if its class were j is

    l_j = sum_{k in S} log T[j, k] + sum_{k not in S} log(1 - T[j, k]).

T is counted from the confidence that the likelihood then sharpens, as in expectation maximisation.
This project's own; no paper has it in this form. Classes are not independent given y, so the
likelihood is overconfident: its strength is a setting.
"""

import torch
from torch import Tensor, nn

PRIOR_SAMPLES = 10.0
"""Samples of each class that are taken to have been seen before the first, with sets as all are."""

_LEAST = 1e-3


class SetModel(nn.Module):
    """T, kept equal to the counts of the confidence while that moves.

    Attributes:
        together: float32 (C, C). Sum over the samples of confidence_j where k is in the set.
        mass: float32 (C,). Sum over the samples of confidence_j.
        rate: float32 (C,). Share of the samples whose set holds k.
    """

    together: Tensor
    mass: Tensor
    rate: Tensor

    def __init__(self, confidence: Tensor, candidates: Tensor) -> None:
        """Count.

        Args:
            confidence: float32 (N, C). Zero outside the candidates, rows sum to 1.
            candidates: bool (N, C).
        """
        super().__init__()
        self.register_buffer("rate", candidates.float().mean(dim=0), persistent=False)
        self.register_buffer("together", _in_full(confidence.T, candidates))
        self.register_buffer("mass", confidence.sum(dim=0))

    @torch.no_grad()
    def recount(self, confidence: Tensor, candidates: Tensor) -> None:
        """Count anew: the whole confidence changed, or rounding is to be cleared away."""
        self.together.copy_(_in_full(confidence.T, candidates))
        self.mass.copy_(confidence.sum(dim=0))

    @torch.no_grad()
    def move(self, change: Tensor, candidates: Tensor) -> None:
        """Follow a change of some samples' confidence.

        Args:
            change: float32 (B, C). New less old.
            candidates: bool (B, C).
        """
        self.together += _in_full(change.T, candidates)
        self.mass += change.sum(dim=0)

    def table(self) -> Tensor:
        """T, float32 (C, C), 0.001 to 0.999; the diagonal at its top.

        What is seen of a class is mixed with the share of all sets that hold k, as of
        `PRIOR_SAMPLES` samples: a class of which little is known says nothing.
        """
        shares = (self.together + PRIOR_SAMPLES * self.rate) / (self.mass + PRIOR_SAMPLES)[:, None]
        shares = shares.clamp(_LEAST, 1.0 - _LEAST)
        return shares.fill_diagonal_(1.0 - _LEAST)

    def log_likelihood(self, candidates: Tensor) -> Tensor:
        """l, float32 (B, C), for sets bool (B, C)."""
        table = self.table()
        absent = torch.log1p(-table)
        inside = _in_full(candidates, (table.log() - absent).T)
        return inside + absent.sum(dim=1)


def _in_full(left: Tensor, right: Tensor) -> Tensor:
    """The product in float32, in a bf16 run too.

    Counts add up small changes, and the likelihood is a small difference of large sums.
    """
    with torch.autocast(left.device.type, enabled=False):
        return left.float() @ right.float()
