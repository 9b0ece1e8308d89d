"""The pixels of stored edits: one file a set, only ever appended to.

What the database does not name is not there: bytes beyond the last named one are left by a killed
process, and written over.
"""

import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cad_studio.core.errors import StorageError, is_disk_full

_QUALITY = 90


def encode(pixels: NDArray[np.uint8], shape: Sequence[int] | None) -> bytes:
    """An edit as it is kept: plain bytes where all have one shape, else a WebP file.

    Args:
        pixels: uint8 (H, W, 1 or 3).
        shape: (H, W, channels) of the set, or None.

    Raises:
        ValueError: The pixels are of another shape.
    """
    if shape is not None:
        if pixels.shape != tuple(shape):
            raise ValueError(f"an edit of {pixels.shape} does not go into a set of {shape}")
        return np.ascontiguousarray(pixels).tobytes()
    out = io.BytesIO()
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    picture.save(out, "WEBP", quality=_QUALITY, method=2)
    return out.getvalue()


def append(file: Path, end: int, parts: Sequence[bytes]) -> list[int]:
    """Write edits behind the last one that is named, durably.

    Args:
        file: Made when it is not there.
        end: Bytes in use.
        parts: As `encode` gives them.

    Returns:
        Where each begins.

    Raises:
        StorageError: The disk is full; what was there before is intact.
    """
    places, place = [], end
    for part in parts:
        places.append(place)
        place += len(part)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        with os.fdopen(descriptor, "r+b") as stream:
            stream.truncate(end)
            stream.seek(end)
            stream.writelines(parts)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        if is_disk_full(error):
            raise StorageError(
                f"No space is left for {file.parent}. Free some, delete edits you do not need, "
                "and start again; the edits made so far are kept."
            ) from error
        raise
    return places


class EditPixels:
    """The edits of one set, read from the memory map as they are asked for."""

    def __init__(self, file: Path, shape: Sequence[int] | None) -> None:
        """Open what is there; a missing or empty file holds nothing."""
        self._shape = None if shape is None else tuple(shape)
        is_there = file.is_file() and file.stat().st_size > 0
        self._bytes = np.memmap(file, np.uint8, mode="r") if is_there else np.zeros(0, np.uint8)

    def gather(self, places: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Edits of one shape at once, uint8 (M, H, W, 1 or 3); only where the set has a shape."""
        assert self._shape is not None
        size = int(np.prod(self._shape))
        whole = self._bytes[: len(self._bytes) // size * size].reshape(-1, size)
        return whole[places // size].reshape(-1, *self._shape)

    def raw(self, place: int, length: int) -> bytes:
        """One edit as it is kept."""
        return self._bytes[place : place + length].tobytes()

    def one(self, place: int, length: int) -> NDArray[np.uint8]:
        """One edit, uint8 (H, W, 1 or 3)."""
        part = self._bytes[place : place + length]
        if self._shape is not None:
            return np.array(part).reshape(self._shape)
        with Image.open(io.BytesIO(part.tobytes())) as picture:
            pixels = np.asarray(picture.convert("L" if picture.mode == "L" else "RGB"))
        return pixels[..., None] if pixels.ndim == 2 else pixels
