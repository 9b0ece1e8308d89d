"""How far annotators agree: raw shares, and Krippendorff's alpha.

After Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011,
https://repository.upenn.edu/handle/20.500.14332/2089. Alpha is 1 minus the disagreement seen over
the disagreement expected by chance: 1 is full agreement, 0 is chance, below 0 is worse than chance.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.optional import require


@dataclass(frozen=True)
class Agreement:
    """Agreement on some items.

    Attributes:
        n_items: Items with at least two votes.
        n_pairs: Couples of votes on the same item.
        raw: Share of those couples that say the same; None without any.
        alpha: Krippendorff's alpha, nominal; None where chance alone would agree fully, as only
            one class was ever said, or there are no couples.
    """

    n_items: int
    n_pairs: int
    raw: float | None
    alpha: float | None


def agreement(counts: NDArray[np.integer]) -> Agreement:
    """Agreement of all votes.

    Args:
        counts: (M, C) votes for each class on each item.
    """
    counts = counts[counts.sum(axis=1) >= 2].astype(np.int64)
    totals = counts.sum(axis=1)
    n_pairs = int((totals * (totals - 1) // 2).sum())
    if not n_pairs:
        return Agreement(0, 0, None, None)
    same = int((counts * (counts - 1) // 2).sum())
    return Agreement(len(counts), n_pairs, same / n_pairs, _alpha(counts))


def class_pair_agreement(
    counts: NDArray[np.integer], limit: int
) -> list[tuple[int, int, int, Agreement]]:
    """Agreement between each two classes: what is left when only votes for these two count.

    Args:
        counts: (M, C) votes for each class on each item.
        limit: At most so many pairs of classes.

    Returns:
        The two classes, how many couples of votes say one and the other, and the agreement; the
        most confused first, pairs never confused left out.
    """
    confused = counts.T.astype(np.int64) @ counts.astype(np.int64)
    upper = np.triu(confused, 1)
    rows, columns = np.nonzero(upper)
    order = np.argsort(-upper[rows, columns], kind="stable")[:limit]
    found = []
    for a, b in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        found.append((a, b, int(upper[a, b]), agreement(counts[:, [a, b]])))
    return found


def _alpha(counts: NDArray[np.int64]) -> float | None:
    used = counts[:, counts.sum(axis=0) > 0]
    if used.shape[1] < 2:
        return None
    krippendorff = require("krippendorff", "krippendorff", "Krippendorff's alpha")
    return float(krippendorff.alpha(value_counts=used, level_of_measurement="nominal"))
