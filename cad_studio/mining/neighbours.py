"""Nearest neighbours by cosine: by matrix products, or by FAISS, with the same result."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.optional import require
from cad_studio.core.progress import Progress, Silent
from cad_studio.mining.cosine import SLACK

MOST_FLAT = 200_000
"""Up to this many rows FAISS compares all; beyond, only rows in neighbouring cells."""

_EXTRA = 8  # asked for beyond k, so that ties at the end of a list are noticed
_PRODUCT_BYTES = 64 << 20
_QUERY_BLOCK = 8192


def exact_neighbours(
    queries: NDArray[np.float32],
    features: NDArray[np.float32],
    k: int,
    own_rows: NDArray[np.integer] | None = None,
    progress: Progress | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k rows most similar to each query.

    Args:
        queries: float32 (Q, D). Unit length.
        features: float32 (N, D). Unit length; may be memory-mapped.
        k: Neighbours wanted; fewer are returned when there are fewer rows.
        own_rows: int (Q,). The row that each query is and that is left out, or -1.
        progress: Told after every block of queries.

    Returns:
        Rows, int64 (Q, K), nearest first and the lower row first at equal cosine, and their
        cosines, float32 (Q, K), computed in float64. K is k, or N if that is less, or N - 1 with
        `own_rows`.
    """
    features = np.asarray(features)
    block = max(1, _PRODUCT_BYTES // (4 * max(1, len(features))))

    def search(part: NDArray[np.float32], wanted: int) -> NDArray[np.int64]:
        found = np.empty((len(part), wanted), np.int64)
        for start in range(0, len(part), block):
            products = part[start : start + block] @ features.T
            nearest = np.argpartition(products, len(features) - wanted, axis=1)
            found[start : start + block] = nearest[:, len(features) - wanted :]
        return found

    return _nearest(queries, features, k, own_rows, search, progress or Silent())


def faiss_neighbours(
    queries: NDArray[np.float32],
    features: NDArray[np.float32],
    k: int,
    own_rows: NDArray[np.integer] | None = None,
    progress: Progress | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k rows most similar to each query, found by FAISS; as `exact_neighbours`.

    The features are not copied while they have at most 200,000 rows or there are few queries. For
    many queries against more rows an inverted file is built, which takes a copy and may miss some
    neighbours; there a list may end with rows -1 at cosine -1.

    Raises:
        MissingPackageError: FAISS is not installed.
    """
    faiss = require("faiss", "faiss-cpu", "Neighbour search by FAISS")
    features = np.asarray(features)
    if len(features) <= MOST_FLAT or len(queries) <= 1000:

        def search(part: NDArray[np.float32], wanted: int) -> NDArray[np.int64]:
            return faiss.knn(part, features, wanted, metric=faiss.METRIC_INNER_PRODUCT)[1]

    else:
        cells = round(2 * len(features) ** 0.5)
        quantiser = faiss.IndexFlatIP(features.shape[1])
        index = faiss.IndexIVFFlat(quantiser, features.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
        index.cp.max_points_per_centroid = 64
        index.train(features)
        index.add(features)
        index.nprobe = 16

        def search(part: NDArray[np.float32], wanted: int) -> NDArray[np.int64]:
            return index.search(part, wanted)[1]

    return _nearest(queries, features, k, own_rows, search, progress or Silent())


def _nearest(
    queries: NDArray[np.float32],
    features: NDArray[np.float32],
    k: int,
    own_rows: NDArray[np.integer] | None,
    search: Callable[[NDArray[np.float32], int], NDArray[np.int64]],
    progress: Progress,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Refine what a search found: exact cosines, ties by lower row, own rows left out."""
    queries = np.ascontiguousarray(queries, np.float32)
    k = min(k, len(features) - (own_rows is not None))
    wanted = min(len(features), k + 1 + _EXTRA)
    index = np.empty((len(queries), max(k, 0)), np.int64)
    cosine = np.empty(index.shape, np.float32)
    if k <= 0:
        return index, cosine
    for start in range(0, len(queries), _QUERY_BLOCK):
        part = slice(start, start + _QUERY_BLOCK)
        block = queries[part]
        own = np.full(len(block), UNKNOWN) if own_rows is None else own_rows[part]
        found = np.sort(search(block, wanted), axis=1)
        values = _cosines(block, features, found)
        complete = (found >= 0).all(axis=1) & (wanted < len(features))
        weakest = values.min(axis=1)
        values[found == own[:, None]] = -np.inf
        # `found` is ascending, so a stable sort leaves the lower row first.
        order = np.argsort(-values, axis=1, kind="stable")[:, :k]
        index[part] = np.take_along_axis(found, order, axis=1)
        cosine[part] = np.take_along_axis(values, order, axis=1)
        # Rows as near as the last one may have been left out of a list that ends in a tie.
        tied = complete & (cosine[part][:, -1] - weakest <= SLACK)
        for place in np.flatnonzero(tied):
            index[start + place], cosine[start + place] = _all_rows(
                block[place], features, own[place], k
            )
        progress.report(min(1.0, (start + len(block)) / len(queries)), "Finding neighbours")
    return index, cosine


def _cosines(
    queries: NDArray[np.float32], features: NDArray[np.float32], found: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Cosines in float64, rounded once, float32 (Q, K); -1 where nothing was found."""
    out = np.empty(found.shape, np.float32)
    for start in range(0, len(found), 64):
        part = slice(start, start + 64)
        wide = queries[part].astype(np.float64)
        wide /= np.maximum(np.sqrt(np.vecdot(wide, wide)), 1e-30)[:, None]
        others = features[np.maximum(found[part], 0)].astype(np.float64)
        norms = np.maximum(np.sqrt(np.vecdot(others, others)), 1e-30)
        out[part] = np.clip(np.vecdot(others, wide[:, None]) / norms, -1.0, 1.0)
    out[found < 0] = -1.0
    return out


def _all_rows(
    query: NDArray[np.float32], features: NDArray[np.float32], own: int, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    rough = features @ query
    if own >= 0:
        rough[own] = -np.inf
    cut = np.partition(rough, len(rough) - k)[len(rough) - k]
    near = np.flatnonzero(rough >= cut - SLACK)
    values = _cosines(query[None], features, near[None])[0]
    order = np.argsort(-values, kind="stable")[:k]
    return near[order], values[order]
