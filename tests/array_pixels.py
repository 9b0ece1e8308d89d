"""A pixel source over one array, for tests and benchmarks."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class ArrayPixels:
    """N images of one size that are in memory already."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        """Wrap uint8 (N, H, W, channels), 1 or 3 channels."""
        self._images = images

    def __len__(self) -> int:
        """N."""
        return len(self._images)

    @property
    def native_shape(self) -> tuple[int, int, int] | None:
        """(H, W, channels)."""
        height, width, channels = self._images.shape[1:]
        return height, width, channels

    def image(self, row: int) -> NDArray[np.uint8]:
        """One image, uint8 (H, W, 3)."""
        return np.broadcast_to(self._images[row], (*self._images.shape[1:3], 3)).copy()

    def batch(
        self, rows: NDArray[np.integer], height: int, width: int, channels: int
    ) -> NDArray[np.uint8]:
        """Some images, uint8 (B, height, width, channels)."""
        if (height, width, channels) == self.native_shape:
            return self._images[rows]
        out = np.empty((len(rows), height, width, channels), np.uint8)
        for place, row in enumerate(rows):
            image = Image.fromarray(self.image(int(row))).convert("L" if channels == 1 else "RGB")
            resized = image.resize((width, height), Image.Resampling.BILINEAR)
            out[place] = np.asarray(resized).reshape(height, width, channels)
        return out
