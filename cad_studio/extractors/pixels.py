"""Principal components of the pixels: features without any network."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import PixelSource, chunks
from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.optional import require
from cad_studio.core.progress import Progress
from cad_studio.extractors._base import EXTRACTORS, need_pixels, to_unit_length

N_COMPONENTS = 64
MOST_PX = 32

_BLOCK = 512  # large photographs are decoded at a few dozen a second; a cancel should not wait
_MOST_FITTED = 32768
_MOST_DECOMPOSED = 1024
# Float32 rounding of 3,072 centred pixels stays well below this length.
_NO_LENGTH = 1e-4


@EXTRACTORS.register("pixels")
class Pixels:
    """Images at most 32 pixels wide and high, centred and projected on 64 components.

    Components are the leading eigenvectors of the pixels' covariance, with the sign that makes the
    largest entry positive; beyond 32,768 images, that of an evenly spaced part of them. Grey
    images have one channel. With fewer than 64 pixels there are fewer components.

    An image that equals the mean image has no direction. It gets the direction of the first
    component, as all such images are alike; so do all images of a dataset without any variation.
    """

    argument_hint = ""

    def __init__(self, argument: str) -> None:
        """Take no argument."""

    def describe(self) -> str:
        """One line for the user."""
        return f"pixel features ({N_COMPONENTS} principal components)"

    def key(self) -> str:
        """Size, components and version of the computation."""
        return f"pixels/1/{MOST_PX}px/{N_COMPONENTS}"

    def extract(
        self,
        pixels: PixelSource | None,
        raw: NDArray[np.float32] | None,
        progress: Progress,
        partial: Path,
    ) -> NDArray[np.float32]:
        """As `Extractor.extract`; quick enough to need no finished parts.

        Raises:
            DatasetFormatError: There are no images.
        """
        pixels = need_pixels(pixels, "pixels")
        if not len(pixels):
            raise DatasetFormatError("pixels needs at least one image; the dataset has none.")
        height, width, channels = _shape(pixels)
        size = height * width * channels
        total = np.zeros(size)
        moment = np.zeros((size, size))
        fitted = np.arange(0, len(pixels), -(-len(pixels) // _MOST_FITTED))
        for places in chunks(len(fitted), _BLOCK):
            block = _block(pixels, fitted[places], height, width, channels)
            total += block.sum(axis=0, dtype=np.float64)
            moment += block.T @ block
            progress.report(0.5 * (places[-1] + 1) / len(fitted), "Reading pixels")
        mean = total / len(fitted)
        basis = _components(moment / len(fitted) - np.outer(mean, mean))
        features = np.empty((len(pixels), basis.shape[1]), np.float32)
        for rows in chunks(len(pixels), _BLOCK):
            block = _block(pixels, rows, height, width, channels)
            features[rows] = (block - mean.astype(np.float32)) @ basis
            progress.report(0.5 + 0.5 * (rows[-1] + 1) / len(pixels), "Projecting pixels")
        constant = np.sqrt(np.vecdot(features, features)) < _NO_LENGTH
        features[constant] = 0.0
        features[constant, 0] = 1.0
        return to_unit_length(features, "pixel features")


def _shape(pixels: PixelSource) -> tuple[int, int, int]:
    native = pixels.native_shape
    if native is None:
        return MOST_PX, MOST_PX, 3
    if native[0] <= MOST_PX and native[1] <= MOST_PX:
        return native
    return MOST_PX, MOST_PX, native[2]


def _block(
    pixels: PixelSource, rows: NDArray[np.int64], height: int, width: int, channels: int
) -> NDArray[np.float32]:
    images = pixels.batch(rows, height, width, channels).reshape(len(rows), -1)
    return images.astype(np.float32) / 255.0


def _components(covariance: NDArray[np.float64]) -> NDArray[np.float32]:
    """Leading eigenvectors as columns, largest first, float32 (size, up to 64)."""
    size = len(covariance)
    limits = require("threadpoolctl", "threadpoolctl", "The extractor pixels").threadpool_limits
    with limits(1, user_api="blas"):  # many short products; threads would wait for each other
        if size <= _MOST_DECOMPOSED:
            _, vectors = np.linalg.eigh(covariance)
        else:
            # Subspace iteration: a full decomposition of 3,072 pixels takes most of a minute.
            space = np.random.default_rng(0).standard_normal((size, 2 * N_COMPONENTS))
            for _ in range(10):
                space = np.linalg.qr(covariance @ space)[0]
            vectors = space @ np.linalg.eigh(space.T @ covariance @ space)[1]
    basis = vectors[:, ::-1][:, :N_COMPONENTS]
    largest = np.abs(basis).argmax(axis=0)
    signs = np.sign(basis[largest, np.arange(basis.shape[1])])
    return (basis * signs).astype(np.float32)
