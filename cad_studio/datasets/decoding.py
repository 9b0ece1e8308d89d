"""Encoded images to pixels, within stated limits.

At most 64 MiB a file and 50 megapixels an image. Transparency is laid over white, so that dark
drawings on a transparent ground stay visible.
"""

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from cad_studio.core.errors import DatasetFormatError
from cad_studio.datasets._memory import require_memory

MAX_FILE_BYTES = 64 * 2**20
"""Largest encoded image that is read."""

MAX_PIXELS = 50_000_000
"""Largest image that is decoded, width times height."""

_MANY_PIXELS = 5_000_000
_PIXEL_BYTES = 16  # four channels, the white ground, both laid over each other, and the result

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
SUFFIXES = frozenset(
    {
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".webp",
        ".gif",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
    }
)
"""File name endings, in lower case, of the formats that are read."""

_ORIENTATION = 0x0112  # EXIF 2.3, tag Orientation
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# Pillow's plugins let errors of many kinds through on damaged files.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    AttributeError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
)


def decode(data: bytes, where: str) -> NDArray[np.uint8]:
    """The pixels of an encoded image, upright.

    EXIF orientation is applied. Of an animation the first frame is taken. Palettes become RGB, 16
    bits a channel become 8, transparency is laid over white.

    Args:
        data: The file. PNG, JPEG, WebP, GIF, BMP, TIFF or PPM.
        where: What to call the file in a message, e.g. `train/cat.png`.

    Returns:
        uint8 (H, W) for grey images, else uint8 (H, W, 3), RGB.

    Raises:
        DatasetFormatError: Not an image of these formats, damaged, or beyond a limit.
    """
    if len(data) > MAX_FILE_BYTES:
        raise DatasetFormatError(
            f"{where}: the file has {len(data) / 2**20:.0f} MiB; "
            f"at most {MAX_FILE_BYTES // 2**20} MiB are read."
        )
    if not data:
        raise DatasetFormatError(f"{where}: the file is empty.")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image.size, where)
            return _pixels(image)
    except _BOMBS as error:
        raise DatasetFormatError(
            f"{where}: the image has more than {MAX_PIXELS // 10**6} megapixels, the most "
            "that is decoded."
        ) from error
    except Image.UnidentifiedImageError as error:
        raise DatasetFormatError(
            f"{where}: no image in a known format (PNG, JPEG, WebP, GIF, BMP, TIFF, PPM)."
        ) from error
    except _DAMAGE as error:
        raise DatasetFormatError(
            f"{where}: the image is damaged or cut short ({error})."
        ) from error


def _check_size(size: tuple[int, int], where: str) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise DatasetFormatError(
            f"{where}: the image has {width} x {height} pixels; at most "
            f"{MAX_PIXELS // 10**6} megapixels are decoded."
        )
    if width * height > _MANY_PIXELS:
        require_memory(_PIXEL_BYTES * width * height, f"{where}, {width} x {height} pixels,")


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    if image.getexif().get(_ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return np.asarray(image)
    if image.mode in ("I;16", "I;16B", "I;16L", "I;16N", "I", "F"):
        return _eight_bits(np.asarray(image))
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    if image.has_transparency_data:
        grey = image.mode in ("L", "LA", "La")
        over = image.convert("RGBA")
        paper = Image.new("RGBA", over.size, "white")
        return np.asarray(Image.alpha_composite(paper, over).convert("L" if grey else "RGB"))
    return np.asarray(image.convert("RGB"))


def _eight_bits(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 255:
            raise ValueError("floating-point pixels must lie in 0 to 1 or 0 to 255")
        scale = 255.0 if values.max() <= 1 else 1.0
        return np.rint(values * scale).astype(np.uint8)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("pixels of more than 16 bits")
    return (values.astype(np.uint32) >> 8).astype(np.uint8)
