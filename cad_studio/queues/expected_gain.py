"""Samples whose label is likely to correct the belief of many others.

If sample i is labelled c, its belief in c rises to 1, and along the neighbour graph the belief of
those that have it among their neighbours rises with it, wherever c is one of their candidates and
is not believed yet. With P the belief, W the weights of the graph (row j holds the neighbours of
j), a the trust in neighbours and O(j, c) = 1 - P(j, c) on the candidates of j, 0 elsewhere:

    reach_1 = a W'O on the candidates,   reach_s = a W' reach_(s-1) on the candidates
    gain(i) = sum over c != best(i) of P(i, c) (1 + reach_1(i, c) + ... + reach_S(i, c))

The sum leaves the best class out: an answer that only confirms the belief changes nothing. It is
the expected number of samples, itself included, whose belief one decision corrects. A sample that
is a neighbour of one already chosen waits for the next filling, so that the decisions of one go are
spread over the data instead of all falling into the same cluster.
"""

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.candidate_graph import CandidateGraph, best_places
from cad_studio.core.queues import Ranked
from cad_studio.queues._base import ORDERS, Situation
from cad_studio.queues._belief import ambiguous, neighbours, sets_of

STEPS = 3
TRUST = 0.95
"""As in the propagation itself."""


class ExpectedGain:
    """By the expected number of samples whose belief a decision corrects."""

    title = "Largest expected gain"
    says = "Samples whose label would settle the most others, by propagation among neighbours."
    needs_graph = True
    again = False
    needs_rows = False

    def rank(self, situation: Situation, limit: int) -> list[Ranked]:
        """The largest gain first, no two of them neighbours."""
        index, cosine = neighbours(situation)
        belief = situation.belief
        assert belief is not None
        # The sets that are believed in may be a few answers old.
        graph = CandidateGraph(index, cosine, sets_of(belief))
        gain, reach, doubt = gains(graph, belief.data)
        is_known = np.diff(graph.starts) > 0
        score = np.where(ambiguous(situation) & is_known, gain, -1.0)
        is_covered, is_chosen = np.zeros((2, len(score)), bool)
        found: list[Ranked] = []
        for row in np.argsort(-score, kind="stable"):
            if len(found) == limit or score[row] < 0:
                break
            near = index[row][index[row] >= 0]
            if is_covered[row] or is_chosen[near].any():
                continue
            is_chosen[row] = is_covered[row] = True
            is_covered[near] = True
            part = slice(graph.starts[row], graph.starts[row + 1])
            found.append(_explained(int(row), float(score[row]), reach[part], doubt[part]))
        return found


def _explained(
    row: int, score: float, reach: NDArray[np.float32], doubt: NDArray[np.float32]
) -> Ranked:
    other = int(np.argmax(doubt * (1.0 + reach)))
    # No class is named: that would be a suggestion, which an annotator asks for.
    why = (
        f"One decision here is expected to correct the belief of {score:.1f} samples: "
        f"neighbours give its second likeliest class {doubt[other]:.0%}, and if that is "
        f"the one, {reach[other]:.1f} others follow."
    )
    return Ranked(row, None, score, why)


def gains(
    graph: CandidateGraph, belief: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float32]]:
    """Expected number of samples corrected by one decision on each sample.

    Args:
        graph: Over E candidates of N samples.
        belief: float32 (E,), in each.

    Returns:
        float64 (N,), the gain; float32 (E,), how many others follow when the sample is labelled
        with a candidate; and float32 (E,), the belief without that in the best one.
    """
    step = (1.0 - belief).astype(np.float32)
    reach = np.zeros_like(step)
    for _ in range(STEPS):
        step = graph.reach(step) * np.float32(TRUST)
        reach += step
    doubt = belief.copy()
    doubt[best_places(belief, graph.starts)[1]] = 0.0
    gain = np.bincount(graph.rows, weights=doubt * (1.0 + reach), minlength=len(graph.starts) - 1)
    return gain, reach, doubt


ORDERS.register("expected-gain")(ExpectedGain())
