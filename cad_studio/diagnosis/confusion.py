"""Which classes are taken for which: matrices, their order, and the worst pairs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ConfusedPair:
    """Two classes that are taken for each other.

    Attributes:
        a: One class, the lower index.
        b: The other.
        weight: How much both ways: samples, or mean belief.
        a_as_b: Share of a that goes to b, 0 to 1.
        b_as_a: Share of b that goes to a.
        sharing: Share of their samples whose set holds both, 0 to 1.
    """

    a: int
    b: int
    weight: float
    a_as_b: float
    b_as_a: float
    sharing: float


def confusion(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], n_classes: int
) -> NDArray[np.int64]:
    """How many samples of each class are predicted as each.

    Args:
        truth: integers (N,). Those below 0 do not count.
        predicted: integers (N,), likewise.
        n_classes: C.

    Returns:
        int64 (C, C). Row: true class; column: predicted one.
    """
    known = (truth >= 0) & (predicted >= 0)
    cells = truth[known].astype(np.int64) * n_classes + predicted[known]
    return np.bincount(cells, minlength=n_classes * n_classes).reshape(n_classes, n_classes)


def row_shares(matrix: NDArray[np.floating | np.integer]) -> NDArray[np.float64]:
    """Each row divided by its sum, float64 (C, C); a row of zeros stays one."""
    total = matrix.sum(axis=1, keepdims=True).astype(np.float64)
    return np.divide(matrix, total, out=np.zeros(matrix.shape), where=total > 0)


def similarity_order(matrix: NDArray[np.floating | np.integer]) -> NDArray[np.int64]:
    """An order of the classes in which those that are confused stand together.

    Average-linkage clustering of the symmetric row shares; up to 200 classes the leaves are turned
    so that neighbours are as alike as can be (Bar-Joseph, Gifford and Jaakkola, "Fast optimal leaf
    ordering for hierarchical clustering", Bioinformatics 2001).

    Args:
        matrix: (C, C), 0 or more.

    Returns:
        int64 (C,), a permutation; the classes in their own order where nothing is confused.
    """
    n_classes = len(matrix)
    share = row_shares(matrix)
    alike = share + share.T
    np.fill_diagonal(alike, 0.0)
    if n_classes < 3 or not alike.any():
        return np.arange(n_classes)
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    # Square roots spread the many small shares; what is never confused stays farthest apart.
    apart = 1.0 - np.sqrt(alike / alike.max())
    np.fill_diagonal(apart, 0.0)
    condensed = squareform(apart, checks=False)
    tree = linkage(condensed, "average")
    if n_classes <= 200:
        tree = optimal_leaf_ordering(tree, condensed)
    return leaves_list(tree).astype(np.int64)


def confused_pairs(
    matrix: NDArray[np.floating | np.integer],
    sharing: NDArray[np.float64],
    limit: int,
    shares: NDArray[np.float64] | None = None,
) -> list[ConfusedPair]:
    """The pairs of classes with the most mass between them, the worst first.

    Args:
        matrix: (C, C), 0 or more. Counts, or mean belief times the samples it rests on.
        sharing: float64 (C, C), symmetric. Label sharing.
        limit: Longest list.
        shares: float64 (C, C). Row shares, where they are not those of `matrix`.
    """
    shares = row_shares(matrix) if shares is None else shares
    both = np.triu(matrix + matrix.T, k=1)
    left, right = np.nonzero(both)
    order = np.argsort(-both[left, right], kind="stable")[:limit]
    return [
        ConfusedPair(
            int(a), int(b), float(both[a, b]), float(shares[a, b]), float(shares[b, a]),
            float(sharing[a, b]),
        )
        for a, b in zip(left[order], right[order], strict=True)
    ]  # fmt: skip


def busiest(matrix: NDArray[np.floating | np.integer], most: int) -> NDArray[np.int64]:
    """Classes that are most confused with others, ascending, int64 (at most `most`,)."""
    if len(matrix) <= most:
        return np.arange(len(matrix))
    off = np.array(matrix, np.float64)
    np.fill_diagonal(off, 0.0)
    # The worst single cell of a class, so that both classes of the worst pairs are there.
    worst = np.maximum(off.max(axis=1), off.max(axis=0))
    return np.sort(np.argsort(-worst, kind="stable")[:most])
