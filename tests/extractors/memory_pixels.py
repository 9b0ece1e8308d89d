import numpy as np


class MemoryPixels:
    """Images of one size in memory, uint8 (N, H, W) or (N, H, W, 3), as a pixel source."""

    def __init__(self, images):
        self.images = images[..., None] if images.ndim == 3 else images
        self.read = []

    def __len__(self):
        return len(self.images)

    @property
    def native_shape(self):
        return self.images.shape[1:]

    def image(self, row):
        self.read.append(row)
        image = self.images[row]
        return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image

    def batch(self, rows, height, width, channels):
        """Nearest pixels; the tests do not depend on the interpolation."""
        top = np.arange(height) * self.images.shape[1] // height
        left = np.arange(width) * self.images.shape[2] // width
        assert channels == self.images.shape[3]
        return self.images[rows][:, top][:, :, left]
