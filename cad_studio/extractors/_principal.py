"""Principal components of vectors that are made block by block."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import chunks
from cad_studio.core.optional import require
from cad_studio.core.progress import Progress

_BLOCK = 512  # large photographs are decoded at a few dozen a second; a cancel should not wait
_MOST_FITTED = 32768
_MOST_DECOMPOSED = 1024
# Float32 rounding of 3,072 centred pixels stays well below this length.
_NO_LENGTH = 1e-4
_LEAST_VARIANCE = 1e-6


def project(
    n_samples: int,
    vectors: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    n_components: int,
    whitening: float,
    what: str,
    progress: Progress,
) -> NDArray[np.float32]:
    """Centre vectors and project them on their leading components.

    Components are the leading eigenvectors of the covariance, with the sign that makes the largest
    entry positive; beyond 32,768 vectors, that of an evenly spaced part of them. A vector that
    equals the mean has no direction. It gets the direction of the first component, as all such
    vectors are alike; so do all where nothing varies.

    Args:
        n_samples: N, 1 or more.
        vectors: Rows int64 (B,) to float32 (B, size).
        n_components: At most so many; fewer where the vectors are shorter.
        whitening: Each component is divided by its variance to half this power: 0 leaves the
            variances as they are, 1 makes them equal.
        what: What is read, for progress.
        progress: Told how far it is.

    Returns:
        float32 (N, up to `n_components`). Not of unit length, but none is zero.
    """
    fitted = np.arange(0, n_samples, -(-n_samples // _MOST_FITTED))
    total, moment = np.float64(0.0), np.float64(0.0)
    for places in chunks(len(fitted), _BLOCK):
        block = vectors(fitted[places])
        total = total + block.sum(axis=0, dtype=np.float64)
        moment = moment + block.T @ block
        progress.report(0.5 * (places[-1] + 1) / len(fitted), f"Reading {what}")
    mean = total / len(fitted)
    covariance = moment / len(fitted) - np.outer(mean, mean)
    basis = _components(covariance, n_components)
    if whitening:
        variance = np.einsum("ij,ij->j", basis, covariance @ basis)
        least = max(float(variance.max()) * _LEAST_VARIANCE, np.finfo(np.float32).tiny)
        basis = basis / np.maximum(variance, least) ** (whitening / 2)
    features = np.empty((n_samples, basis.shape[1]), np.float32)
    for rows in chunks(n_samples, _BLOCK):
        features[rows] = (vectors(rows) - mean.astype(np.float32)) @ basis.astype(np.float32)
        progress.report(0.5 + 0.5 * (rows[-1] + 1) / n_samples, f"Projecting {what}")
    constant = np.sqrt(np.vecdot(features, features)) < _NO_LENGTH
    features[constant] = 0.0
    features[constant, 0] = 1.0
    return features


def _components(covariance: NDArray[np.float64], n_components: int) -> NDArray[np.float64]:
    """Leading eigenvectors as columns, largest first, float64 (size, up to `n_components`)."""
    size = len(covariance)
    limits = require("threadpoolctl", "threadpoolctl", "Principal components").threadpool_limits
    with limits(1, user_api="blas"):  # many short products; threads would wait for each other
        if size <= _MOST_DECOMPOSED:
            _, vectors = np.linalg.eigh(covariance)
        else:
            # Subspace iteration: a full decomposition of 3,072 pixels takes most of a minute.
            space = np.random.default_rng(0).standard_normal((size, 2 * n_components))
            for _ in range(10):
                space = np.linalg.qr(covariance @ space)[0]
            vectors = space @ np.linalg.eigh(space.T @ covariance @ space)[1]
    basis = vectors[:, ::-1][:, :n_components]
    largest = np.abs(basis).argmax(axis=0)
    return basis * np.sign(basis[largest, np.arange(basis.shape[1])])
