"""What an order of samples is, and which there are."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.queues import Ranked
from cad_studio.core.registry import Registry

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True)
class Situation:
    """What is known of a dataset when a queue is filled. No true label is in it.

    Attributes:
        candidates: Effective sets of N samples over C classes.
        is_open: bool (N,). Samples that may be put forward: of the split, and not in the queue.
        class_names: C names.
        seed: Random seed.
        index: int64 (N, K). Nearest neighbours, itself left out, -1 for none; None when the order
            does not need them.
        cosine: float32 (N, K). Their cosines.
        belief: CSR float32 (N, C). The live belief over the candidates.
        features: float32 (N, D). Unit length, maybe memory-mapped; goes with the neighbours.
        is_seen: bool (N,). Samples that annotators have answered, or the queue has handed out.
        rows: A stored list of rows, for orders of one.
        reasons: A sentence per stored row, or None.
        disputed: Rows where annotators say different things, those that contradict first.
        consensus: float32 (N, C). What annotators together say; rows without votes are 0. None
            where nobody voted.
    """

    candidates: PartialLabels
    is_open: NDArray[np.bool_]
    class_names: list[str]
    seed: int = 0
    index: NDArray[np.int64] | None = None
    cosine: NDArray[np.float32] | None = None
    belief: "csr_array | None" = None
    features: NDArray[np.float32] | None = None
    is_seen: NDArray[np.bool_] | None = None
    rows: list[int] | None = None
    reasons: list[str] | None = None
    disputed: list[int] | None = None
    consensus: NDArray[np.float32] | None = None


class Order(Protocol):
    """A way to say what comes next.

    Attributes:
        title: What the page calls it.
        says: What it does, in one sentence.
        needs_graph: Whether it looks at neighbours and belief.
        again: Whether samples that were decided before are put forward too.
        needs_rows: Whether it goes through a stored list.
    """

    title: str
    says: str
    needs_graph: bool
    again: bool
    needs_rows: bool

    def rank(self, situation: Situation, limit: int) -> list[Ranked]:
        """The best so many, the first to be seen first."""
        ...


ORDERS: Registry[Order] = Registry("cad_studio.queues", "queue")
