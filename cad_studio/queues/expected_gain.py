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

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.queues import Ranked
from cad_studio.queues._base import ORDERS, Situation
from cad_studio.queues._belief import ambiguous, dense_belief, neighbours

if TYPE_CHECKING:
    from scipy.sparse import csr_array

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
        belief = dense_belief(situation)
        graph = neighbour_graph(situation)
        held = situation.candidates.dense()
        gain, reach = gains(graph, belief, held)
        score = np.where(ambiguous(situation), gain, -1.0)
        best = belief.argmax(axis=1)
        incoming = graph.T.tocsr()
        taken = np.zeros(len(score), bool)
        found: list[Ranked] = []
        for row in np.argsort(-score, kind="stable"):
            if len(found) == limit or score[row] < 0:
                break
            if taken[row]:
                continue
            taken[graph.indices[graph.indptr[row] : graph.indptr[row + 1]]] = True
            taken[incoming.indices[incoming.indptr[row] : incoming.indptr[row + 1]]] = True
            found.append(self._explained(situation, int(row), score, reach, belief, best))
        return found

    def _explained(self, situation, row: int, score, reach, belief, best) -> Ranked:  # type: ignore[no-untyped-def]
        doubt = belief[row].copy()
        doubt[best[row]] = 0.0
        other = int(np.argmax(doubt * (1.0 + reach[row])))
        # No class is named: that would be a suggestion, which an annotator asks for.
        why = (
            f"One decision here is expected to correct the belief of {score[row]:.1f} samples: "
            f"neighbours give its second likeliest class {belief[row, other]:.0%}, and if that is "
            f"the one, {reach[row, other]:.1f} others follow."
        )
        return Ranked(row, None, float(score[row]), why)


def neighbour_graph(situation: Situation) -> "csr_array":
    """The weights of the neighbours, rows summing to 1, CSR float32 (N, N)."""
    from scipy import sparse

    index, cosine = neighbours(situation)
    n_samples = len(index)
    weights = np.where(index >= 0, np.maximum(cosine, 0.0), 0.0).astype(np.float32)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    starts = np.arange(n_samples + 1) * index.shape[1]
    return sparse.csr_array(
        (weights.ravel(), np.maximum(index, 0).ravel(), starts), shape=(n_samples, n_samples)
    )


def gains(
    graph: "csr_array", belief: NDArray[np.float32], held: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Expected number of samples corrected by one decision on each sample.

    Args:
        graph: CSR (N, N), rows summing to 1.
        belief: float32 (N, C).
        held: bool (N, C), the candidates.

    Returns:
        float32 (N,), the gain; and float32 (N, C), how many others follow when the sample is
        labelled with a class.
    """
    incoming = graph.T.tocsr()
    step = np.where(held, 1.0 - belief, 0.0).astype(np.float32)
    reach = np.zeros_like(step)
    for _ in range(STEPS):
        step = np.where(held, incoming @ step, 0.0).astype(np.float32) * np.float32(TRUST)
        reach += step
    doubt = belief.copy()
    doubt[np.arange(len(belief)), belief.argmax(axis=1)] = 0.0
    return (doubt * (1.0 + reach)).sum(axis=1), reach


ORDERS.register("expected-gain")(ExpectedGain())
