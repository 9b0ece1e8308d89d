"""A linear head by ridge regression, which learns all beliefs at once in closed form.

With F the features, centred and of a mean square of 1, Z the same with a column of ones, and B the
beliefs, the head is W = (Z'Z + s I)^-1 Z'B, and it gives sample i the score (Z W)(i, c) for class
c. Z'Z does not depend on beliefs: it is factored once, and every renewal after that is two thin
products with the features, read in blocks and never copied whole. Features wider than `WIDEST` are
projected at random to `WIDTH` first, which keeps their products nearly as they are (Johnson and
Lindenstrauss, "Extensions of Lipschitz mappings into a Hilbert space", 1984).
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.progress import Progress, Silent

if TYPE_CHECKING:
    from scipy.sparse import csr_array

WIDEST = 2048
WIDTH = 1024
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
        self._narrowing: NDArray[np.float32] | None = None
        if width > WIDEST:
            chance = np.random.default_rng(0).normal(size=(width, WIDTH)) / np.sqrt(WIDTH)
            self._narrowing = chance.astype(np.float32)
        subset = features[:: max(1, -(-4 * n_samples * width // _SUBSET_BYTES))]
        self._mean = subset.mean(axis=0, dtype=np.float64).astype(np.float32)
        square = float(np.square(self._narrowed(subset - self._mean)).sum(axis=1).mean())
        # Constant features say nothing: what is left is the column of ones.
        self._scale = np.float32(1 / np.sqrt(square) if square > _TINY else 0.0)
        total = np.zeros((self._width + 1, self._width + 1))
        for rows in _blocks(features):
            block = self._narrowed((features[rows] - self._mean) * self._scale)
            block = np.hstack([block, np.ones((len(block), 1), np.float32)])
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
        mass = np.asarray(belief.sum(axis=0), np.float64).reshape(1, n_classes)
        product = np.zeros((self._features.shape[1], n_classes))
        for rows in _blocks(self._features):
            product += (belief[rows].T @ self._features[rows]).T
        product -= self._mean[:, None] * mass
        thin = (product.T * self._scale).astype(np.float32)
        target = np.vstack([self._narrowed(thin).T, mass])
        head = cho_solve(self._factor, target)
        weights, level = head[:-1].astype(np.float32), head[-1]
        if self._narrowing is not None:
            weights = self._narrowing @ weights
        weights = weights * self._scale
        level = (level - self._mean @ weights).astype(np.float32)
        found = np.empty(len(belief.data), np.float32)
        for rows in _blocks(self._features, n_classes):
            part = slice(int(belief.indptr[rows.start]), int(belief.indptr[rows.stop]))
            counts = np.diff(belief.indptr[rows.start : rows.stop + 1])
            places = np.repeat(np.arange(len(counts)), counts)
            scores = self._features[rows] @ weights + level
            found[part] = scores[places, belief.indices[part]]
        return found

    @property
    def _width(self) -> int:
        return len(self._mean) if self._narrowing is None else self._narrowing.shape[1]

    def _narrowed(self, array: NDArray[Any]) -> NDArray[Any]:
        return array if self._narrowing is None else array @ self._narrowing


def _blocks(features: NDArray[np.float32], n_classes: int = 1) -> list[slice]:
    """Rows in blocks of bounded memory."""
    n_rows = max(1, _BLOCK_BYTES // (4 * max(features.shape[1], n_classes, 1)))
    return [
        slice(start, min(start + n_rows, len(features)))
        for start in range(0, len(features), n_rows)
    ]
