"""Principal components of the pixels: features without any network."""

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
MOST_PX = 32


@EXTRACTORS.register("pixels")
class Pixels:
    """Images at most 32 pixels wide and high, centred and projected on 64 components.

    Grey images have one channel. With fewer than 64 pixels there are fewer components.
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
        workers: Workers = ALONE,
    ) -> NDArray[np.float32]:
        """As `Extractor.extract`; quick enough to need no finished parts.

        Raises:
            DatasetFormatError: There are no images.
        """
        pixels = need_pixels(pixels, "pixels")
        if not len(pixels):
            raise DatasetFormatError("pixels needs at least one image; the dataset has none.")
        shape = _shape(pixels)

        def vectors(rows: NDArray[np.int64]) -> NDArray[np.float32]:
            images = pixels.batch(rows, *shape).reshape(len(rows), -1)
            return images.astype(np.float32) / 255.0

        features = project(len(pixels), vectors, N_COMPONENTS, 0.0, "pixels", progress)
        return to_unit_length(features, "pixel features")


def _shape(pixels: PixelSource) -> tuple[int, int, int]:
    native = pixels.native_shape
    if native is None:
        return MOST_PX, MOST_PX, 3
    if native[0] <= MOST_PX and native[1] <= MOST_PX:
        return native
    return MOST_PX, MOST_PX, native[2]
