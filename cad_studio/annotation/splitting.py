"""Divide samples into splits by chance, whole groups together."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import SettingError

SPLIT_KINDS = {"split": "Divide the samples into splits"}
"""What can be done to the splits of a dataset, and what it says; it is an owner's."""

_MOST_SPLITS, _MOST_NAME = 20, 60


@dataclass(frozen=True)
class SplitConfig:
    """How to divide samples.

    Attributes:
        shares: Share of the samples of each split, above 0, sum 1, in the order of the splits.
        seed: Random seed.
        group_by: Field whose samples of one value stay together, such as a patient; empty for none.
        within: Only the samples of this split are divided, the others stay where they are; empty
            for all samples.
    """

    shares: dict[str, float] = field(default_factory=lambda: {"train": 0.8, "test": 0.2})
    seed: int = 0
    group_by: str = ""
    within: str = ""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not isinstance(self.shares, dict) or not 1 <= len(self.shares) <= _MOST_SPLITS:
            raise SettingError(f"A dataset is divided into 1 to {_MOST_SPLITS} splits.")
        for name, share in self.shares.items():
            if not name.strip() or name != name.strip() or len(name) > _MOST_NAME:
                raise SettingError(
                    f"{name[:80]!r} cannot be the name of a split; it has 1 to {_MOST_NAME} "
                    "characters and no blanks around it."
                )
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
                raise SettingError(
                    f"The share of {name!r} is {share!r}; expected a number above 0, at most 1."
                )
        total = sum(self.shares.values())
        if abs(total - 1.0) > 1e-6:
            raise SettingError(
                f"The shares of the splits sum to {total:.4g}; they have to sum to 1."
            )
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise SettingError(f"The seed is {self.seed!r:.40}; expected a whole number.")
        if not 0 <= self.seed < 2**31:
            raise SettingError("The seed of a split is a whole number from 0.")

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "shares": self.shares, "seed": self.seed, "group_by": self.group_by,
            "within": self.within,
        }  # fmt: skip

    @staticmethod
    def from_json(value: dict[str, Any]) -> "SplitConfig":
        """What a client gives.

        Raises:
            SettingError: Something in it is not known, or out of range.
        """
        known = {"shares", "seed", "group_by", "within"}
        unknown = sorted(map(str, set(value) - known))
        if unknown:
            raise SettingError(f"{unknown[0]!r:.40} is no setting of a split.")
        for name in ("group_by", "within"):
            if not isinstance(value.get(name, ""), str):
                raise SettingError(f"{name} is {value[name]!r:.40}; expected a name.")
        return SplitConfig(**value)


def divide(groups: NDArray[np.integer], shares: list[float], seed: int) -> NDArray[np.int64]:
    """Give every sample a split, whole groups together.

    The groups come in random order, large ones before small ones of which so many fit beside them
    that the shares can be met; each goes to the split that lacks the most samples. So every split
    is within one group of its share.

    Args:
        groups: integers (N,). Samples of one number stay together.
        shares: Share of each of S splits, sum 1.
        seed: Of the order.

    Returns:
        Split of each sample, 0 to S - 1, int64 (N,).
    """
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    n_samples, n_groups = len(groups), len(sizes)
    order = np.random.default_rng(seed).permutation(n_groups)
    # A group as large as the smallest split would miss its place if it came last.
    is_large = sizes[order] * 10 > min(shares) * n_samples
    order = np.concatenate([order[is_large][np.argsort(-sizes[order[is_large]], kind="stable")],
                            order[~is_large]])  # fmt: skip
    split_of = np.empty(n_groups, np.int64)
    wanted = np.array(shares) * n_samples
    if sizes.max(initial=0) <= 1:  # nothing to keep together: cut the random order
        ends = np.rint(np.cumsum(wanted)).astype(np.int64)
        split_of[order] = np.searchsorted(ends, np.arange(n_groups), side="right")
        return np.minimum(split_of, len(shares) - 1)[place]
    lacking = wanted.copy()
    for group in order.tolist():
        best = int(np.argmax(lacking))
        split_of[group] = best
        lacking[best] -= sizes[group]
    return split_of[place]
