"""Which edits to make, and in what order: what a budget asks for."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Progress
from cad_studio.core.settings import check_settings
from cad_studio.mining.entangled import find_pairs
from cad_studio.mining.neighbours import faiss_neighbours
from cad_studio.mining.propagation import N_NEIGHBOURS, best_labels, propagate
from cad_studio.mining.settings import MiningConfig

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BUDGETS = ("entangled", "all")
ENTANGLED_QUANTILE = 1e-3


@dataclass(frozen=True)
class EditBudget:
    """Which edits of a dataset's training samples are wanted."""

    budget: str = field(
        default="entangled",
        metadata={
            "help": "All training samples with two candidates or more, or only those in an "
            "entangled pair (the closest 0.1 % of cross-class pairs, by the best current labels).",
            "choices": BUDGETS,
        },
    )
    top: int = field(
        default=0,
        metadata={
            "help": "Only so many of the most believed candidates of each sample; 0 takes all.",
            "minimum": 0,
        },
    )
    limit: int = field(
        default=0,
        metadata={"help": "At most so many edits, most entangled first; 0 for all.", "minimum": 0},
    )
    max_seconds: float = field(
        default=0.0,
        metadata={"help": "At most so many seconds; 0 for as long as it takes.", "minimum": 0.0},
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_settings(self)


@dataclass(frozen=True)
class Entanglement:
    """The entangled pairs of the training samples, told without any true label.

    Attributes:
        pairs: int64 (P, 2). Rows of the dataset, most similar first.
        labels: int64 (P, 2). The best current label of each.
        similarity: float32 (P,).
        belief: float32 (N, C), for `rows`: candidate-restricted propagation.
        rows: int64 (N,). Training samples with a candidate.
    """

    pairs: NDArray[np.int64]
    labels: NDArray[np.int64]
    similarity: NDArray[np.float32]
    belief: NDArray[np.float32]
    rows: NDArray[np.int64]


def find_entanglement(
    features: NDArray[np.float32],
    candidates: PartialLabels,
    rows: NDArray[np.int64],
    progress: Progress,
) -> Entanglement:
    """Pairs that are close, share a candidate, and are believed to differ.

    Args:
        features: float32 (N_all, D). Unit length.
        candidates: N_all sets.
        rows: int64. Training samples.
        progress: Told how far it is.
    """
    rows = rows[candidates.take(rows).sizes() > 0]
    own, sets = np.asarray(features[rows]), candidates.take(rows)
    if len(rows) < 2:
        none = np.zeros((0, 2), np.int64)
        dense = sets.dense(np.arange(len(rows))).astype(np.float32)
        return Entanglement(none, none, np.zeros(0, np.float32), dense, rows)
    n_neighbours = min(N_NEIGHBOURS, len(rows) - 1)
    index, cosine = faiss_neighbours(own, own, n_neighbours, np.arange(len(rows)), progress)
    belief: csr_array = propagate(index, cosine, sets)
    labels = best_labels(belief)
    config = MiningConfig(quantile=ENTANGLED_QUANTILE)
    found = find_pairs(own, sets, labels, config, progress)
    order = np.argsort(-found.similarity, kind="stable")
    members = np.stack([found.i[order], found.j[order]], axis=1).astype(np.int64)
    return Entanglement(
        pairs=rows[members],
        labels=labels[members].astype(np.int64),
        similarity=np.asarray(found.similarity[order], np.float32),
        belief=np.asarray(belief.todense(), np.float32),
        rows=rows,
    )


def wanted_edits(
    entanglement: Entanglement, candidates: PartialLabels, budget: EditBudget
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Samples and classes to edit them towards, most entangled first; `limit` is not applied.

    A sample's candidates follow each other, the most believed first. Samples with one candidate
    are left out: there is nothing to tell apart.

    Args:
        entanglement: From `find_entanglement`.
        candidates: N_all sets.
        budget: What is wanted.

    Returns:
        int64 (M,) rows of the dataset, and int64 (M,) classes.
    """
    pairs, rows = entanglement.pairs, entanglement.rows
    _, first = np.unique(pairs.ravel(), return_index=True)
    ranked = pairs.ravel()[np.sort(first)]
    if budget.budget == "all":
        ranked = np.concatenate([ranked, np.setdiff1d(rows, ranked)])
    ranked = ranked[candidates.take(ranked).sizes() > 1]
    dense = candidates.dense(ranked)
    position = np.searchsorted(rows, ranked)
    belief = np.where(dense, entanglement.belief[position], -1.0)
    order = np.argsort(-belief, axis=1, kind="stable")
    sizes = dense.sum(axis=1)
    if budget.top:
        sizes = np.minimum(sizes, budget.top)
    is_taken = np.arange(dense.shape[1])[None, :] < sizes[:, None]
    source, place = np.nonzero(is_taken)
    return ranked[source], order[source, place].astype(np.int64)


def wanted_of(
    rows: NDArray[np.int64], candidates: PartialLabels
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All candidates of some samples, whatever their split, int64 (M,) each."""
    source, label = np.nonzero(candidates.dense(rows))
    return rows[source], label.astype(np.int64)
