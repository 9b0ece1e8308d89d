"""Cosines of given couples of rows, the same whatever the blocks they are met in."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from cad_studio.mining.threads import in_parts, n_workers

SLACK = 1e-5
"""More than a float32 matrix product of unit vectors can be off; measured errors are near 1e-6."""

_ROWS = 64  # couples gathered at once: few enough to stay in a core's cache
_LEAST_PER_THREAD = 4096


class Cosine:
    """Cosines between the rows of one feature matrix.

    Attributes:
        features: float32 (N, D), near unit length.
    """

    def __init__(self, features: NDArray[np.float32]) -> None:
        """Compute the norms in float64, so that equal vectors have a cosine of exactly 1."""
        self.features = np.asarray(features)
        self._norms = np.empty(len(features))

        def measure(part: slice) -> None:
            for start in range(part.start, part.stop, _ROWS):
                own = slice(start, min(start + _ROWS, part.stop))
                block = self.features[own].astype(np.float64)
                self._norms[own] = np.sqrt(np.vecdot(block, block))

        in_parts(measure, len(features), _LEAST_PER_THREAD)
        # A zero vector would divide by zero; its cosine with anything is 0.
        np.maximum(self._norms, np.finfo(np.float32).tiny, out=self._norms)

    def quick(self, left: NDArray[np.integer], right: NDArray[np.integer]) -> NDArray[np.float32]:
        """Dot products accumulated in float32, float32 (M,); off by less than `SLACK`."""
        out = np.empty(len(left), np.float32)
        self._dot(left, right, out)
        return out

    def exact(self, left: NDArray[np.integer], right: NDArray[np.integer]) -> NDArray[np.float32]:
        """Cosines computed in float64 and rounded once, float32 (M,), within -1 to 1."""
        out = np.empty(len(left))
        n_threads = min(n_workers(), len(left) // _LEAST_PER_THREAD)
        if n_threads < 2:
            self._dot(left, right, out)
        else:
            edges = np.linspace(0, len(left), n_threads + 1).astype(int)
            parts = [slice(*edges[place : place + 2]) for place in range(n_threads)]
            with ThreadPoolExecutor(n_threads) as pool:
                list(pool.map(lambda part: self._dot(left[part], right[part], out[part]), parts))
        out /= self._norms[left]
        out /= self._norms[right]
        return np.clip(out, -1.0, 1.0, out=out).astype(np.float32)

    def _dot(
        self, left: NDArray[np.integer], right: NDArray[np.integer], out: NDArray[np.floating]
    ) -> None:
        # Buffers made once: fresh memory for every gathered block costs ten times the products.
        shape = (min(_ROWS, len(left)), self.features.shape[1])
        gathered = [np.empty(shape, np.float32) for _ in range(2)]
        operands = gathered
        if out.dtype != np.float32:
            operands = [np.empty(shape, out.dtype) for _ in range(2)]
        for start in range(0, len(left), _ROWS):
            count = min(_ROWS, len(left) - start)
            for rows, narrow, wide in zip((left, right), gathered, operands, strict=True):
                # "clip" skips the copy that "raise" makes; no row is out of range here.
                chosen = rows[start : start + count]
                np.take(self.features, chosen, 0, out=narrow[:count], mode="clip")
                if wide is not narrow:
                    np.copyto(wide[:count], narrow[:count])
            first, second = (operand[:count] for operand in operands)
            np.vecdot(first, second, out=out[start : start + count])
