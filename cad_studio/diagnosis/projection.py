"""Features on a plane: principal components at once, UMAP when there is time.

UMAP: McInnes, Healy and Melville, "UMAP: Uniform Manifold Approximation and Projection for
Dimension Reduction", 2018, https://arxiv.org/abs/1802.03426, by umap-learn. Departures from its
defaults, for speed: neighbours come ready-made, the start is the plane of principal components,
and fewer epochs are run. Equal features, neighbours and seed give equal maps.
"""

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.optional import require
from cad_studio.core.progress import Progress, Silent

LEAST_FOR_UMAP = 16
"""Below so many samples the principal components say as much."""
N_NEIGHBOURS = 15
MIN_DISTANCE = 0.1

_FITTED = 20_000
_GRID = 65535


def usable_rows(features: NDArray[np.float32]) -> NDArray[np.int64]:
    """Rows without NaN or infinity, ascending, int64 (M,)."""
    kept = np.empty(len(features), bool)
    for start in range(0, len(features), 65536):
        part = slice(start, start + 65536)
        kept[part] = np.isfinite(features[part]).all(axis=1)
    return np.flatnonzero(kept)


def principal_plane(features: NDArray[np.float32], seed: int = 0) -> NDArray[np.float32]:
    """The two directions of largest variance.

    Args:
        features: float32 (N, D). Finite; may be memory-mapped. Beyond 20,000 rows the directions
            are found on a random part.
        seed: Random seed.

    Returns:
        float32 (N, 2), centred; 0 where there is no variance. The larger entries of each
        direction are positive, so that equal features give equal maps.
    """
    n_samples, width = features.shape
    out = np.zeros((n_samples, 2), np.float32)
    if n_samples < 2:
        return out
    part = features
    if n_samples > _FITTED:
        rows = np.random.default_rng(seed).choice(n_samples, _FITTED, replace=False)
        part = features[np.sort(rows)]
    part = np.asarray(part, np.float32)
    mean = part.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = part - mean
    covariance = (centred.T @ centred).astype(np.float64) / len(part)
    if width > 1000:
        from scipy.linalg import eigh

        values, vectors = eigh(covariance, subset_by_index=[width - 2, width - 1])
    else:
        values, vectors = np.linalg.eigh(covariance)
    axes = vectors[:, ::-1][:, :2]
    # Rounding alone is no direction.
    axes = axes[:, values[::-1][: axes.shape[1]] > 1e-12]
    largest = np.abs(axes).argmax(axis=0)
    axes = (axes * np.sign(axes[largest, np.arange(axes.shape[1])])).astype(np.float32)
    for start in range(0, n_samples, 65536):
        block = slice(start, start + 65536)
        out[block, : axes.shape[1]] = (features[block] - mean) @ axes
    return out


def umap_plane(
    index: NDArray[np.int64],
    cosine: NDArray[np.float32],
    start: NDArray[np.float32],
    seed: int,
    progress: Progress | None = None,
    epochs: int | None = None,
) -> NDArray[np.float32]:
    """A UMAP of samples whose neighbours are known.

    Args:
        index: int64 (N, K). Neighbours of each sample, itself left out.
        cosine: float32 (N, K). Their cosines, falling.
        start: float32 (N, 2). Where the points begin, e.g. the plane of principal components.
        seed: Random seed.
        progress: Told how far it is.
        epochs: Passes over the edges; None takes 300 up to 10,000 samples, falling to 100.

    Returns:
        float32 (N, 2).

    Raises:
        MissingPackageError: umap-learn is not installed.
    """
    told = progress or Silent()
    told.report(0.0, "Loading UMAP")
    umap = require("umap.umap_", "umap-learn", "The UMAP map")
    n_samples = len(index)
    epochs = epochs or (300 if n_samples <= 10_000 else 100)
    # umap-learn wants each sample as its own first neighbour, at distance 0.
    own = np.arange(n_samples)[:, None]
    neighbours = np.concatenate([own, index], axis=1).astype(np.int32)
    distance = np.concatenate([np.zeros((n_samples, 1)), 1.0 - cosine], axis=1)
    distance = np.maximum(distance, 0.0).astype(np.float32)
    random = np.random.RandomState(seed)
    told.report(0.2, "Weighing the neighbours")
    graph, _, _ = umap.fuzzy_simplicial_set(
        start, neighbours.shape[1], random, "precomputed",
        knn_indices=neighbours, knn_dists=distance,
    )  # fmt: skip
    a, b = umap.find_ab_params(1.0, MIN_DISTANCE)
    told.report(0.3, "Laying out the points")
    placed, _ = umap.simplicial_set_embedding(
        start, graph, 2, 1.0, a, b, 1.0, 5, epochs, _spread(start, random), random,
        "euclidean", {}, False, {}, False,
        tqdm_kwds=_Told(told, epochs).arguments(),
    )  # fmt: skip
    told.report(1.0, "The points are placed")
    return placed.astype(np.float32)


def place_between(
    index: NDArray[np.int64], cosine: NDArray[np.float32], placed: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Put samples among their neighbours on a map that has only some of them.

    Args:
        index: int64 (M, K). Neighbours of each sample among the placed ones.
        cosine: float32 (M, K).
        placed: float32 (P, 2).

    Returns:
        float32 (M, 2), the mean of the neighbours weighted by cosine.
    """
    weights = np.maximum(cosine, 1e-6)[:, :, None]
    return (weights * placed[index]).sum(axis=1) / weights.sum(axis=1)


def turned_like(plane: NDArray[np.float32], before: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn, mirror and scale a map onto an earlier one of the same samples (Procrustes).

    So that what the user looks at stays about where it was.

    Args:
        plane: float32 (N, 2).
        before: float32 (N, 2).
    """
    own, old = plane - plane.mean(axis=0), before - before.mean(axis=0)
    left, _, right = np.linalg.svd(own.T @ old)
    spread, wanted = float(np.sqrt((own**2).sum())), float(np.sqrt((old**2).sum()))
    scale = wanted / spread if spread > 1e-12 and wanted > 1e-12 else 1.0
    turned = own @ (left @ right) * scale + before.mean(axis=0)
    return turned.astype(np.float32)


def quantised(plane: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Places on a grid of 65,536 x 65,536, one scale for both directions, uint16 (N, 2).

    The few farthest points (0.1 % at each side) lie on the border, so that one outlier does not
    squeeze the rest.
    """
    if not len(plane):
        return np.zeros((0, 2), np.uint16)
    low, high = np.quantile(plane, [0.001, 0.999], axis=0)
    if len(plane) < 1000:
        low, high = plane.min(axis=0), plane.max(axis=0)
    middle = (low + high) / 2
    side = max(float((high - low).max()), 1e-9) * 1.06
    scaled = (plane - middle) / side + 0.5
    return np.round(np.clip(scaled, 0.0, 1.0) * _GRID).astype(np.uint16)


def _spread(start: NDArray[np.float32], random: np.random.RandomState) -> NDArray[np.float32]:
    """The start within 0 to 10, as umap-learn wants it, equal points a little apart."""
    low, high = start.min(axis=0), start.max(axis=0)
    scaled = 10.0 * (start - low) / np.maximum(high - low, 1e-9)
    return (scaled + random.normal(scale=1e-4, size=start.shape)).astype(np.float32)


class _Told:
    """Passes the layout's epochs on: umap-learn writes them to a file as it goes."""

    def __init__(self, progress: Progress, epochs: int) -> None:
        self._progress = progress
        self._epochs = epochs

    def arguments(self) -> dict[str, object]:
        """What to hand to tqdm."""
        return {"file": self, "bar_format": "{n}\n", "mininterval": 0.5, "disable": False}

    def write(self, text: str) -> None:
        """Take a count of finished epochs."""
        found = text.strip()
        if found.isdecimal():
            done = min(1.0, int(found) / self._epochs)
            self._progress.report(0.3 + 0.7 * done, "Laying out the points")

    def flush(self) -> None:
        """Nothing is held back."""
