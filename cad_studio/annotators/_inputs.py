"""What a network is fed: batches of normalised float32, made from small stored forms."""

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from cad_studio.annotators._base import InputShape
from cad_studio.core.dataset import PixelSource, chunks
from cad_studio.core.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

RESIDENT_BYTES = 512 << 20
"""Images are kept as uint8 up to this size in all, and read again every pass beyond it."""

STATISTICS_SAMPLES = 4096
"""Images whose mean and deviation stand for all."""


class Inputs(Protocol):
    """N inputs of one shape.

    Attributes:
        shape: Of one input.
    """

    shape: InputShape

    def batch(self, rows: NDArray[np.int64]) -> "Tensor":
        """Some inputs, normalised, float32 (B, *shape)."""


class FeatureInputs:
    """Feature vectors, each component with mean 0 and deviation 1 over the training rows."""

    def __init__(self, features: NDArray[np.float32], train_rows: NDArray[np.int64]) -> None:
        """Measure the training rows of features, float32 (N, D)."""
        self.shape: InputShape = (features.shape[1],)
        self._features = features
        total = np.zeros(features.shape[1])
        for part in chunks(len(train_rows), 65536):
            total += features[train_rows[part]].sum(axis=0, dtype=np.float64)
        mean = total / len(train_rows)
        square = np.zeros(features.shape[1])
        for part in chunks(len(train_rows), 65536):
            square += np.square(features[train_rows[part]] - mean).sum(axis=0)
        deviation = np.sqrt(square / len(train_rows))
        self._mean = mean.astype(np.float32)
        # A component that never varies says nothing; dividing by its rounding error would.
        flat = deviation <= 1e-6 * np.maximum(1e-6, np.abs(mean))
        self._scale = np.where(flat, 0, 1 / np.where(flat, 1, deviation)).astype(np.float32)

    def batch(self, rows: NDArray[np.int64]) -> "Tensor":
        """Some vectors, float32 (B, D)."""
        import torch

        return torch.from_numpy((self._features[rows] - self._mean) * self._scale)


class ImageInputs:
    """Images of one size, each channel with mean 0 and deviation 1 over the training rows."""

    def __init__(
        self,
        pixels: PixelSource,
        shape: tuple[int, int, int],
        train_rows: NDArray[np.int64],
        progress: Progress,
    ) -> None:
        """Read the images once if they fit, else just enough of them to know their range.

        Raises:
            JobCancelled: The user asked to stop.
        """
        self.shape: InputShape = shape
        self._pixels = pixels
        self._size = shape
        self._stored: NDArray[np.uint8] | None = None
        if len(pixels) * int(np.prod(shape)) <= RESIDENT_BYTES:
            self._stored = np.empty((len(pixels), *shape), np.uint8)
            for rows in chunks(len(pixels), 2048):
                progress.report(rows[0] / len(pixels), "Reading images")
                self._stored[rows[0] : rows[-1] + 1] = pixels.batch(rows, *shape)
        step = -(-len(train_rows) // STATISTICS_SAMPLES)
        sample = self._read(train_rows[::step])
        values = np.arange(256)
        mean, deviation = [], []
        for channel in range(shape[2]):
            counts = np.bincount(sample[..., channel].ravel(), minlength=256)
            share = counts / counts.sum()
            mean.append(share @ values)
            deviation.append(max(1.0, np.sqrt(share @ (values - mean[-1]) ** 2)))
        self._mean = np.array(mean, np.float32)
        self._scale = (1 / np.array(deviation)).astype(np.float32)

    def batch(self, rows: NDArray[np.int64]) -> "Tensor":
        """Some images, float32 (B, H, W, channels)."""
        import torch

        raw = torch.from_numpy(self._read(rows)).to(torch.float32)
        return raw.sub_(torch.from_numpy(self._mean)).mul_(torch.from_numpy(self._scale))

    def _read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        if self._stored is not None:
            return self._stored[rows]
        return self._pixels.batch(rows, *self._size)
