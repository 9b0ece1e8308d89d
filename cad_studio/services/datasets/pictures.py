"""Samples as pictures: sheets of thumbnails and single images, as PNG or as imported."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cad_studio.core.errors import ResourceError, SettingError
from cad_studio.services.datasets.datasets import DatasetService, check_row
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.store.pixels import EncodedPixels

MAX_SPRITE_CELLS = 500
SPRITE_COLUMNS = 20
THUMBNAIL_PX = 64
_STRIP_PX = 64
_STRIP_BACK, _STRIP_UP, _STRIP_DOWN = (24, 30, 40), (124, 155, 255), (255, 169, 77)
_PASSED_ON = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_LARGEST_SHOWN_PX = 1024


class PictureService:
    """Pictures of the samples of a project.

    A sample without an image is drawn as its feature strip: the vector from left to right as 64
    bars about the middle, each the mean of an equal run of components, the longest filling the
    height.
    """

    def __init__(self, datasets: DatasetService) -> None:
        """Read through `datasets`."""
        self._datasets = datasets

    def cell_px(self, data: LoadedDataset) -> int:
        """Side of a thumbnail in a sheet, at most `THUMBNAIL_PX`."""
        shape = None if data.pixels is None else data.pixels.native_shape
        return THUMBNAIL_PX if shape is None else min(max(shape[:2]), THUMBNAIL_PX)

    def sprite(self, name: str, rows: Sequence[int]) -> bytes:
        """One PNG with a thumbnail per row, `SPRITE_COLUMNS` to a line, left to right.

        Raises:
            SettingError: No rows, or more than `MAX_SPRITE_CELLS`.
            RecordNotFoundError: A row the dataset does not have.
        """
        if not 1 <= len(rows) <= MAX_SPRITE_CELLS:
            raise SettingError(
                f"A sheet holds 1 to {MAX_SPRITE_CELLS} thumbnails, not {len(rows)}."
            )
        data = self._datasets.load(name)
        for row in rows:
            check_row(data, row)
        side = self.cell_px(data)
        cells = self._cells(data, rows, side)
        return sheet(cells)

    def image(self, name: str, row: int) -> tuple[bytes, str]:
        """One image as imported where a browser shows it, else as PNG; and its media type.

        Raises:
            RecordNotFoundError: The dataset has no such row.
        """
        data = self._datasets.load(name)
        check_row(data, row)
        if isinstance(data.pixels, EncodedPixels):
            file = data.pixels.file(row)
            with Image.open(io.BytesIO(file)) as picture:
                plain = max(picture.size) <= _LARGEST_SHOWN_PX and not picture.getexif()
                if picture.format in _PASSED_ON and picture.mode in {"L", "RGB"} and plain:
                    return file, _PASSED_ON[picture.format]
        if data.pixels is None:
            return png(self._cells(data, [row], _STRIP_PX)[0]), "image/png"
        shown = Image.fromarray(data.pixels.image(row))
        shown.thumbnail((_LARGEST_SHOWN_PX, _LARGEST_SHOWN_PX))
        return png(np.asarray(shown)), "image/png"

    def _cells(self, data: LoadedDataset, rows: Sequence[int], side: int) -> NDArray[np.uint8]:
        """Thumbnails, uint8 (len(rows), side, side, 1 or 3); the aspect ratio is kept."""
        if data.pixels is None:
            assert data.features is not None
            return np.stack([_strip(data.features[row]) for row in rows])
        shape = data.pixels.native_shape
        if shape is not None:
            height, width = shape[0] * side // max(shape[:2]), shape[1] * side // max(shape[:2])
            small = data.pixels.batch(np.array(rows), max(height, 1), max(width, 1), shape[2])
            return centred(small, side)
        out = np.zeros((len(rows), side, side, 3), np.uint8)
        for position, row in enumerate(rows):
            picture = Image.fromarray(data.pixels.image(row))
            picture.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
            out[position] = centred(np.asarray(picture)[None], side)[0]
        return out


def sheet(cells: NDArray[np.uint8]) -> bytes:
    """Thumbnails on one PNG, `SPRITE_COLUMNS` to a line, left to right.

    Args:
        cells: uint8 (M, side, side, 1 or 3).
    """
    n_cells, side, _, channels = cells.shape
    n_lines = -(-n_cells // SPRITE_COLUMNS)
    whole = np.zeros((n_lines * SPRITE_COLUMNS, *cells.shape[1:]), np.uint8)
    whole[:n_cells] = cells
    whole = whole.reshape(n_lines, SPRITE_COLUMNS, side, side, channels).swapaxes(1, 2)
    return png(whole.reshape(n_lines * side, SPRITE_COLUMNS * side, channels))


def centred(images: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Images in the middle of black squares, uint8 (M, side, side, 1 or 3)."""
    height, width = images.shape[1:3]
    if (height, width) == (side, side):
        return images
    out = np.zeros((len(images), side, side, images.shape[3]), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    out[:, top : top + height, left : left + width] = images
    return out


def _strip(vector: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A vector as bars, uint8 (64, 64, 3)."""
    means = np.array([part.mean() for part in np.array_split(vector, min(_STRIP_PX, len(vector)))])
    bars = np.repeat(means, -(-_STRIP_PX // len(means)))[:_STRIP_PX]
    middle = _STRIP_PX // 2
    heights = np.round(bars / (np.abs(bars).max() or 1.0) * (middle - 1)).astype(int)
    out = np.empty((_STRIP_PX, _STRIP_PX, 3), np.uint8)
    out[:] = _STRIP_BACK
    for column, height in enumerate(heights):
        if height >= 0:
            out[middle - height : middle + 1, column] = _STRIP_UP
        else:
            out[middle : middle - height + 1, column] = _STRIP_DOWN
    return out


def png(pixels: NDArray[np.uint8]) -> bytes:
    """An image uint8 (H, W, 1 or 3) as a PNG file, made fast rather than small."""
    out = io.BytesIO()
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()


def read_picture(file: Path) -> bytes:
    """The content of an image file.

    Raises:
        ResourceError: It cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise ResourceError(f"{file} cannot be read: {error.strerror}.") from error
