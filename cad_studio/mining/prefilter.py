"""An upper bound of the cosine from few numbers per row."""

import numpy as np
from numpy.typing import NDArray

from cad_studio.mining.threads import in_parts, single_threaded

WIDTH = 128
"""Columns of the bound: 127 leading components and the length of what they leave out."""

_SAMPLE = 8192
_BLOCK = 2048


def bound_vectors(features: NDArray[np.float32], order: NDArray[np.int64]) -> NDArray[np.float32]:
    """Short vectors whose dot products are never below those of the features.

    A unit vector is split into its part a in the span of the leading 127 directions and a rest of
    length r. By Cauchy and Schwarz z.z' <= a.a' + r r', which is the dot product of (a, r) and
    (a', r'). It holds for any orthonormal directions, so they are found on a sample; the better
    they are, the tighter the bound.

    Args:
        features: float32 (N, D), D over 128, rows of unit length.
        order: int64 (N,). Rows in the order wanted.

    Returns:
        float32 (N, 128), in that order. Features of 128 columns or fewer are returned as they are.
    """
    n_samples, width = features.shape
    if width <= WIDTH:
        return np.ascontiguousarray(features[order])
    step = max(1, n_samples // _SAMPLE)
    sample = features[::step]
    basis = _leading_directions(sample)
    out = np.empty((n_samples, WIDTH), np.float32)

    def split(part: slice) -> None:
        block = features[order[part]]
        out[part, :-1] = block @ basis
        # The rest itself, not 1 - |a|^2: the difference of two near numbers would lose digits.
        block -= out[part, :-1] @ basis.T
        out[part, -1] = np.sqrt(np.vecdot(block, block))

    in_parts(split, n_samples, _BLOCK)
    return out


def _leading_directions(sample: NDArray[np.float32]) -> NDArray[np.float32]:
    """Orthonormal columns near the leading eigenvectors of sample.T @ sample, float32 (D, 127).

    Subspace iteration: a full eigenvalue decomposition would take longer than all the rest. The
    directions are not centred: the mean is the strongest of them for most networks.
    """
    moment = sample.T @ sample
    start = np.random.default_rng(0).standard_normal((len(moment), WIDTH + 31))
    basis = start.astype(np.float32)
    with single_threaded():
        for _ in range(3):
            basis = np.linalg.qr(moment @ basis)[0]
        _, vectors = np.linalg.eigh(basis.T @ moment @ basis)
        # Orthonormal to float64, because the bound is only as true as the directions are.
        leading = (basis @ vectors[:, -(WIDTH - 1) :]).astype(np.float64)
        return np.linalg.qr(leading)[0].astype(np.float32)
