"""Images that are rows of an array in memory or mapped from a file."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import Images


class ArrayImages:
    """Images of one size, uint8 (N, H, W) or (N, H, W, 3)."""

    def __init__(self, array: NDArray[np.uint8]) -> None:
        """Wrap the array; nothing is copied."""
        self._array = array

    def __len__(self) -> int:
        """N."""
        return len(self._array)

    def read(self, row: int) -> NDArray[np.uint8]:
        """One image, uint8 (H, W) or (H, W, 3)."""
        return self._array[row]


class JoinedImages:
    """Several stores of images, one after the other."""

    def __init__(self, parts: Sequence[Images]) -> None:
        """Take the stores in order."""
        self._parts = parts
        self._starts = np.cumsum([0, *(len(part) for part in parts)])

    def __len__(self) -> int:
        """N over all stores."""
        return int(self._starts[-1])

    def read(self, row: int) -> bytes | NDArray[np.uint8]:
        """One image of the store it lies in."""
        part = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._parts[part].read(int(row - self._starts[part]))
