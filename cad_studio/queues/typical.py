"""Samples in the densest parts of the features, one of each part at a time.

After Hacohen, Dekel and Weinshall, "Active Learning on a Budget: Opposite Strategies Suit High and
Low Budgets", ICML 2022, https://proceedings.mlr.press/v162/hacohen22a.html: where little is
labelled, typical samples teach more than odd ones. Their clusters are replaced by the neighbour
graph: a sample beside one that was seen or chosen before waits until no other is left.
"""

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.queues import Ranked
from cad_studio.queues._base import ORDERS, Situation
from cad_studio.queues._belief import ambiguous, neighbours


class MostTypical:
    """By the mean cosine to the neighbours, no two of them neighbours of each other."""

    title = "Most typical"
    says = "Samples with many that look like them, one of each cluster before the next of any."
    needs_graph = True
    again = False
    needs_rows = False

    def rank(self, situation: Situation, limit: int) -> list[Ranked]:
        """The densest of what no sample before covers first, then the densest of the rest."""
        index, cosine = neighbours(situation)
        density = np.where(index >= 0, cosine, 0.0).sum(axis=1) / max(index.shape[1], 1)
        rows = np.flatnonzero(ambiguous(situation))
        rows = rows[np.argsort(-density[rows], kind="stable")]
        is_covered = _neighbours_of(situation.is_seen, index)
        is_chosen = np.zeros(len(index), bool)
        chosen: list[int] = []
        for row in rows.tolist():
            if len(chosen) == limit:
                break
            near = index[row][index[row] >= 0]
            if not is_covered[row] and not is_chosen[near].any():
                chosen.append(row)
                is_chosen[row] = is_covered[row] = True
                is_covered[near] = True
        n_first = len(chosen)
        if n_first < limit:
            chosen += rows[~is_chosen[rows]][: limit - n_first].tolist()
        return [
            Ranked(row, None, float(density[row]) - 2.0 * (at >= n_first), _why(density[row]))
            for at, row in enumerate(chosen)
        ]


def _why(density: float) -> str:
    return f"Many samples look like it: its neighbours have a mean cosine of {density:.2f}."


def _neighbours_of(
    is_seen: NDArray[np.bool_] | None, index: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Samples that were seen, and those that they are neighbours of or have as neighbours."""
    if is_seen is None:
        return np.zeros(len(index), bool)
    is_covered = is_seen.copy()
    near = index[is_seen].ravel()
    is_covered[near[near >= 0]] = True
    is_covered |= (is_seen[index] & (index >= 0)).any(axis=1)
    return is_covered


ORDERS.register("typical")(MostTypical())
