"""Which wrong class sits in the sets of each true class how often (uses true labels).

P(j in S | y) is the share of the samples of class y whose set holds j. Its largest entry with
j != y is the class's most frequent distractor. Where that is near 1 nothing in the sets but the
few that lack it tells the two classes apart.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.partial_labels import PartialLabels

FREQUENT = 0.9
"""A distractor in at least this share of its class's sets is called frequent."""

_AT_ONCE = 8192


@dataclass(frozen=True)
class Distractors:
    """The most frequent distractor of each of C classes.

    Attributes:
        n_samples: int64 (C,). Samples of known truth in each class.
        share: float64 (C, C). P(k in S | y = j) in row j, column k; NaN for a class without
            samples.
        worst: int64 (C,). The most frequent distractor; `UNKNOWN` where no set holds another class.
        carrying: Share of the samples of known truth whose set holds a distractor that at least
            `FREQUENT` of their class's sets hold, 0 to 1.
    """

    n_samples: NDArray[np.int64]
    share: NDArray[np.float64]
    worst: NDArray[np.int64]
    carrying: float

    def worst_share(self, label: int) -> float:
        """P(worst distractor in S | y) of a class, 0 to 1; 0 where it has none."""
        other = self.worst[label]
        return 0.0 if other == UNKNOWN else float(self.share[label, other])


def find_distractors(candidates: PartialLabels, truth: NDArray[np.integer]) -> Distractors | None:
    """Count the classes in the sets of each true class.

    Args:
        candidates: N sets over C classes.
        truth: integers (N,). True labels, `UNKNOWN` where not known; those do not count.

    Returns:
        None where no true label is known.
    """
    n_classes = candidates.n_classes
    rows = np.flatnonzero(truth != UNKNOWN)
    if not len(rows):
        return None
    labels = np.asarray(truth)[rows].astype(np.int64)
    counts = _class_sums(candidates, rows, labels)
    n_samples = np.bincount(labels, minlength=n_classes)
    share = np.where(n_samples[:, None] > 0, counts / np.maximum(n_samples, 1)[:, None], np.nan)
    others = share.copy()
    np.fill_diagonal(others, -1.0)
    others[n_samples == 0] = -1.0
    worst = others.argmax(axis=1)
    worst[others.max(axis=1) <= 0] = UNKNOWN
    frequent = others >= FREQUENT
    n_carrying = 0
    for start in range(0, len(rows), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        n_carrying += int((candidates.dense(rows[part]) & frequent[labels[part]]).any(axis=1).sum())
    return Distractors(n_samples, share, worst, n_carrying / len(rows))


def _class_sums(
    candidates: PartialLabels, rows: NDArray[np.int64], labels: NDArray[np.int64]
) -> NDArray[np.int64]:
    """How many samples of each label hold each class, int64 (C, C).

    Args:
        candidates: N sets over C classes.
        rows: int64 (M,). Samples that count.
        labels: int64 (M,). Their labels, 0 to C - 1.
    """
    n_classes = candidates.n_classes
    total = np.zeros(n_classes**2, np.int64)
    for start in range(0, len(rows), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        row, held = np.nonzero(candidates.dense(rows[part]))
        total += np.bincount(labels[part][row] * n_classes + held, minlength=n_classes**2)
    return total.reshape(n_classes, n_classes)


def held_with(counts: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The class that each class is most often held together with, by the sets alone.

    Not what `find_distractors` says: these samples may be of either class, or of neither.

    Args:
        counts: integers (C, C). Co-occurrence; the diagonal counts the samples that hold a class.

    Returns:
        int64 (C,), the other class, `UNKNOWN` for a class that is never held with another; and
        float64 (C, C), P(column in S | row in S), 0 where no set holds the row's class.
    """
    held = np.diag(counts)
    share = counts / np.maximum(held, 1)[:, None]
    others = share.copy()
    np.fill_diagonal(others, -1.0)
    other = others.argmax(axis=1)
    other[others.max(axis=1) <= 0] = UNKNOWN
    return other, share
