"""Histograms of oriented gradients: shape instead of brightness, without any network.

Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005,
https://doi.org/10.1109/CVPR.2005.177. Departures: square roots of the pixels, histograms shared
between the two nearest directions but not between cells, and 64 principal components of the whole
in place of all numbers, each divided by the fourth root of its variance.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import PixelSource
from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.progress import Progress
from cad_studio.core.workers import ALONE, Workers
from cad_studio.extractors._base import EXTRACTORS, need_pixels, to_unit_length
from cad_studio.extractors._principal import project

N_COMPONENTS = 64

_SMALL_PX = 32
_LARGE_PX = 64
_CELLS = 8
"""Cells along a side of a large image; small ones have cells of 4 pixels."""
_SMALL_CELL_PX = 4
_DIRECTIONS = 9
_MOST_SHARE = 0.2
_SOFTENING = 0.1
_WHITENING = 0.5


@EXTRACTORS.register("hog")
class Hog:
    """Directions of edges in cells, each cell measured against its neighbours.

    Images up to 32 pixels have cells of 4 pixels, larger ones are taken at 64 pixels with cells
    of 8.
    """

    argument_hint = ""

    def __init__(self, argument: str) -> None:
        """Take no argument."""

    def describe(self) -> str:
        """One line for the user."""
        return f"histograms of oriented gradients ({N_COMPONENTS} principal components)"

    def key(self) -> str:
        """Components and version of the computation."""
        return f"hog/1/{N_COMPONENTS}"

    def extract(
        self,
        pixels: PixelSource | None,
        raw: NDArray[np.float32] | None,
        progress: Progress,
        partial: Path,
        workers: Workers = ALONE,
    ) -> NDArray[np.float32]:
        """As `Extractor.extract`; quick enough to need no finished parts.

        Raises:
            DatasetFormatError: There are no images.
        """
        pixels = need_pixels(pixels, "hog")
        if not len(pixels):
            raise DatasetFormatError("hog needs at least one image; the dataset has none.")
        height, width, channels, cell_px = _shape(pixels)

        def vectors(rows: NDArray[np.int64]) -> NDArray[np.float32]:
            return describe_gradients(pixels.batch(rows, height, width, channels), cell_px)

        features = project(len(pixels), vectors, N_COMPONENTS, _WHITENING, "gradients", progress)
        return to_unit_length(features, "gradient features")


def describe_gradients(images: NDArray[np.uint8], cell_px: int) -> NDArray[np.float32]:
    """Histograms of edge directions in blocks of 2 x 2 cells, each block of unit length at most.

    A block is divided by its length, cut at 0.2, and divided again.

    Args:
        images: uint8 (B, H, W, 1 or 3). Height and width multiples of `cell_px`, two cells or
            more. Of three channels the one with the steepest edge counts, pixel by pixel.
        cell_px: Side of a cell.

    Returns:
        float32 (B, (H / cell_px - 1) * (W / cell_px - 1) * 36).
    """
    n_images, height, width, _ = images.shape
    values = np.sqrt(images.astype(np.float32) / 255.0)
    padded = np.pad(values, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    across = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    down = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    steepness = np.hypot(across, down)
    steepest = steepness.argmax(axis=3)[..., None]
    across, down, steepness = (
        np.take_along_axis(each, steepest, axis=3)[..., 0] for each in (across, down, steepness)
    )
    place = np.arctan2(down, across) % np.pi * (_DIRECTIONS / np.pi)
    lower = np.floor(place)
    upper_share = place - lower
    lower = lower.astype(np.int64) % _DIRECTIONS
    # One long histogram: a bin for each image, cell and direction.
    rows, columns = height // cell_px, width // cell_px
    cell = np.arange(height)[:, None] // cell_px * columns + np.arange(width) // cell_px
    first = (np.arange(n_images)[:, None, None] * rows * columns + cell) * _DIRECTIONS
    size = n_images * rows * columns * _DIRECTIONS
    upper = (lower + 1) % _DIRECTIONS
    counts = np.bincount((first + lower).ravel(), (steepness * (1 - upper_share)).ravel(), size)
    counts += np.bincount((first + upper).ravel(), (steepness * upper_share).ravel(), size)
    cells = counts.reshape(n_images, rows, columns, _DIRECTIONS)
    corners = [cells[:, :-1, :-1], cells[:, :-1, 1:], cells[:, 1:, :-1], cells[:, 1:, 1:]]
    blocks = np.concatenate(corners, axis=3)
    blocks = np.minimum(_shorten(blocks), _MOST_SHARE)
    return _shorten(blocks).reshape(n_images, -1).astype(np.float32)


def _shorten(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    return blocks / (np.linalg.norm(blocks, axis=3, keepdims=True) + _SOFTENING)


def _shape(pixels: PixelSource) -> tuple[int, int, int, int]:
    """Height, width and channels to read images with, and the side of a cell in pixels."""
    native = pixels.native_shape
    if native is not None and max(native[:2]) <= _SMALL_PX:
        height, width = (max(2, round(side / _SMALL_CELL_PX)) for side in native[:2])
        return height * _SMALL_CELL_PX, width * _SMALL_CELL_PX, native[2], _SMALL_CELL_PX
    channels = 3 if native is None else native[2]
    return _LARGE_PX, _LARGE_PX, channels, _LARGE_PX // _CELLS
