"""As many samples of each class as of any other, as far as the belief knows them."""

import numpy as np

from cad_studio.core.queues import Ranked
from cad_studio.queues._base import ORDERS, Situation
from cad_studio.queues._belief import ambiguous, two_best


class Balanced:
    """The class with the fewest samples seen comes next, with its least certain one."""

    title = "Balanced by class"
    says = "The least certain samples, the same number of every class that they may be of."
    needs_graph = True
    again = False
    needs_rows = False

    def rank(self, situation: Situation, limit: int) -> list[Ranked]:
        """One of each class in turn, beginning with those that were seen least."""
        labels, weights = two_best(situation)
        best, weight = labels[:, 0], weights[:, 0]
        seen = np.zeros(len(best), bool) if situation.is_seen is None else situation.is_seen
        counts = np.bincount(best[seen & (best >= 0)], minlength=len(situation.class_names))
        rows = np.flatnonzero(ambiguous(situation))
        rows = rows[np.argsort(weight[rows], kind="stable")]
        waiting = {
            c: rows[best[rows] == c].tolist()[:limit] for c in np.unique(best[rows]).tolist()
        }
        found: list[Ranked] = []
        while waiting and len(found) < limit:
            label = min(waiting, key=lambda each: (counts[each], weight[waiting[each][0]]))
            row = waiting[label].pop(0)
            # No class is named: that would be a suggestion, which an annotator asks for.
            why = (
                f"{counts[label]:,} samples of its likeliest class came before it, no more than of "
                f"any other that still waits; it is believed with {weight[row]:.0%}."
            )
            found.append(Ranked(row, None, -float(counts[label]), why))
            counts[label] += 1
            if not waiting[label]:
                del waiting[label]
        return found


ORDERS.register("balanced")(Balanced())
