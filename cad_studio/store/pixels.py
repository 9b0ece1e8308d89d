"""Decoded pixels of a stored dataset, read from the memory map as they are asked for."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Decode = Callable[[bytes, str], NDArray[np.uint8]]


class MappedPixels:
    """Small images of one shape in one memory-mapped array, uint8 (N, H, W, 1 or 3)."""

    def __init__(self, array: NDArray[np.uint8]) -> None:
        """Read from the array, which is never copied as a whole."""
        self._array = array

    def __len__(self) -> int:
        """N."""
        return len(self._array)

    @property
    def native_shape(self) -> tuple[int, int, int] | None:
        """(H, W, channels)."""
        return self._array.shape[1:]

    def image(self, row: int) -> NDArray[np.uint8]:
        """One image, uint8 (H, W, 3)."""
        return np.repeat(self._array[row], 3 // self._array.shape[3], axis=2)

    def batch(
        self, rows: NDArray[np.integer], height: int, width: int, channels: int
    ) -> NDArray[np.uint8]:
        """Some images, uint8 (B, height, width, channels)."""
        if (height, width, channels) == self._array.shape[1:]:
            return self._array[rows]
        return _resized((self._array[row] for row in rows), len(rows), height, width, channels)

    def taken(self, rows: NDArray[np.integer]) -> "MappedPixels":
        """Copies of some images as a source of their own."""
        return MappedPixels(np.array(self._array[rows]))


class EncodedPixels:
    """Images kept as the files they came as, in one memory-mapped run of bytes."""

    def __init__(
        self,
        data: NDArray[np.uint8],
        offsets: NDArray[np.int64],
        names: Sequence[str],
        decode: Decode,
    ) -> None:
        """Read image `i` from `data[offsets[i]:offsets[i + 1]]`.

        Args:
            data: uint8 (size,).
            offsets: int64 (N + 1,), rising.
            names: N ids, for messages.
            decode: Bytes and a name to pixels, uint8 (H, W) or (H, W, 3).
        """
        self._data = data
        self._offsets = offsets
        self._names = names
        self._decode = decode

    def __len__(self) -> int:
        """N."""
        return len(self._offsets) - 1

    @property
    def native_shape(self) -> tuple[int, int, int] | None:
        """None: sizes may differ."""
        return None

    @property
    def n_bytes(self) -> int:
        """Size of all files together."""
        return int(self._offsets[-1])

    def file(self, row: int) -> bytes:
        """The image file as it was imported."""
        return self._data[self._offsets[row] : self._offsets[row + 1]].tobytes()

    def image(self, row: int) -> NDArray[np.uint8]:
        """One image, uint8 (H, W, 3)."""
        pixels = self._decode(self.file(row), self._names[row])
        return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)

    def batch(
        self, rows: NDArray[np.integer], height: int, width: int, channels: int
    ) -> NDArray[np.uint8]:
        """Some images, uint8 (B, height, width, channels)."""
        return _resized((self.image(int(row)) for row in rows), len(rows), height, width, channels)

    def taken(self, rows: NDArray[np.integer]) -> "EncodedPixels":
        """Copies of the files of some images as a source of their own."""
        files = [self.file(int(row)) for row in rows]
        offsets = np.cumsum([0, *map(len, files)], dtype=np.int64)
        names = [self._names[int(row)] for row in rows]
        return EncodedPixels(np.frombuffer(b"".join(files), np.uint8), offsets, names, self._decode)


def _resized(images, n_images: int, height: int, width: int, channels: int):  # type: ignore[no-untyped-def]
    out = np.empty((n_images, height, width, channels), np.uint8)
    mode = "L" if channels == 1 else "RGB"
    for position, pixels in enumerate(images):
        picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        picture = picture.convert(mode)
        if picture.size != (width, height):
            picture = picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
        out[position] = np.asarray(picture).reshape(height, width, channels)
    return out
