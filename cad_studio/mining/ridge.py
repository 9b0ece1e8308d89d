"""A linear head by ridge regression, which learns all beliefs at once in closed form.

With F the features, centred and reduced to `WIDTH` principal directions where they are wider, Z the
same with a column of ones, and B the beliefs, the head is W = (Z'Z + s I)^-1 Z'B, and it gives
sample i the score (Z W)(i, c) for class c. Z'Z does not depend on beliefs: it is factored once, and
every renewal after that is two products with the features, read in blocks and never copied whole.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.optional import require
from cad_studio.core.progress import Progress, Silent

if TYPE_CHECKING:
    from scipy.sparse import csr_array

WIDTH = 256
PENALTY = 0.01
"""Times the mean of the diagonal of Z'Z; a tenth of it made no difference."""

_BLOCK_BYTES = 64 << 20
_SUBSET_BYTES = 128 << 20
_TINY = 1e-12


class RidgeHead:
    """What maps features to classes; its factor is made once for a body of features."""

    def __init__(self, features: NDArray[np.float32], progress: Progress | None = None) -> None:
        """Factor the features.

        Args:
            features: float32 (N, D), N and D 1 or more; may be memory-mapped.
            progress: Told after every block.
        """
        from scipy.linalg import cho_factor

        self._features = features
        progress = progress or Silent()
        n_samples, width = features.shape
        subset = features[:: max(1, -(-4 * n_samples * width // _SUBSET_BYTES))]
        self._mean = subset.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._directions = _directions(np.ascontiguousarray(subset - self._mean))
        total = np.zeros((self._width + 1, self._width + 1))
        for rows in _blocks(features):
            block = self._reduced(rows)
            total += block.T @ block
            progress.report(rows.stop / n_samples, "Factoring the features")
        ridge = PENALTY * max(float(np.trace(total)) / len(total), _TINY)
        self._factor = cho_factor(total + ridge * np.eye(len(total)), lower=True)

    def scores(self, belief: "csr_array") -> NDArray[np.float32]:
        """What the head, fitted to a belief, gives its stored entries.

        Args:
            belief: CSR float32 (N, C), C classes.

        Returns:
            float32 (E,), in the order of `belief.data`; about 0 to 1, not clipped.
        """
        from scipy.linalg import cho_solve

        n_classes = belief.shape[1]
        target = np.zeros((self._width + 1, n_classes))
        for rows in _blocks(self._features):
            target += (belief[rows].T @ self._reduced(rows)).T
        weights = cho_solve(self._factor, target).astype(np.float32)
        found = np.empty(len(belief.data), np.float32)
        for rows in _blocks(self._features, n_classes):
            part = slice(int(belief.indptr[rows.start]), int(belief.indptr[rows.stop]))
            counts = np.diff(belief.indptr[rows.start : rows.stop + 1])
            places = np.repeat(np.arange(len(counts)), counts)
            found[part] = (self._reduced(rows) @ weights)[places, belief.indices[part]]
        return found

    @property
    def _width(self) -> int:
        return self._directions.shape[1]

    def _reduced(self, rows: slice) -> NDArray[np.float32]:
        """Z of some rows, float32 (B, WIDTH + 1)."""
        block = (self._features[rows] - self._mean) @ self._directions
        return np.hstack([block, np.ones((len(block), 1), np.float32)])


def _directions(centred: NDArray[np.float32]) -> NDArray[np.float32]:
    """Principal directions, scaled so that reduced rows have a mean square of 1, (D, WIDTH)."""
    width = centred.shape[1]
    directions = np.eye(width, dtype=np.float32)
    if width > WIDTH:
        faiss = require("faiss", "faiss-cpu", "Reducing features")
        # Of fewer rows than directions wanted, those beyond would have no variance.
        reduction = faiss.PCAMatrix(width, min(WIDTH, len(centred)))
        reduction.train(centred)
        shape = (reduction.d_out, width)
        directions = faiss.vector_to_array(reduction.A).reshape(shape).T.astype(np.float32)
    reduced = centred @ directions
    size = float(np.sqrt(np.mean(np.square(reduced).sum(axis=1)))) if len(reduced) else 0.0
    # Constant features have no direction at all: what is left is the column of ones.
    return np.ascontiguousarray(directions / size if size > _TINY else 0.0 * directions)


def _blocks(features: NDArray[np.float32], n_classes: int = 1) -> list[slice]:
    """Rows in blocks of bounded memory."""
    n_rows = max(1, _BLOCK_BYTES // (4 * max(features.shape[1], n_classes, 1)))
    return [
        slice(start, min(start + n_rows, len(features)))
        for start in range(0, len(features), n_rows)
    ]
