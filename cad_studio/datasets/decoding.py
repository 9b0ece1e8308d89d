"""Encoded images to pixels, within stated limits.

At most 64 MiB a file and 50 megapixels an image. Transparency is laid over white, so that dark
drawings on a transparent ground stay visible. Colours of another profile are converted to sRGB.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from cad_studio.core.errors import DatasetFormatError
from cad_studio.datasets._memory import require_memory
from cad_studio.datasets.deep_pixels import ValueRange, ValueScale, deep_values, is_deep
from cad_studio.datasets.picture_formats import (
    HEIC,
    HOW_TO_READ_HEIC,
    START_BYTES,
    open_picture,
    picture_in,
)

MAX_FILE_BYTES = 64 * 2**20
"""Largest encoded image that is read."""

MAX_PIXELS = 50_000_000
"""Largest image that is decoded, width times height."""

_MANY_PIXELS = 5_000_000
_PIXEL_BYTES = 16  # four channels, the white ground, both laid over each other, and the result

UNUSABLE = "?"
"""What `Picture.profile` says of a colour profile that cannot be used."""

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
    ImageCms.PyCMSError,
)


class Picture(NamedTuple):
    """A decoded image, and what was done to it.

    Attributes:
        pixels: uint8 (H, W) for grey images, else uint8 (H, W, 3), RGB; None for one of more than
            8 bits a channel that was read without a scale.
        format: Pillow's name of its format.
        n_frames: Frames or pages in the file; the first is taken.
        is_turned: Whether EXIF orientation was applied.
        profile: Name of the colour profile that was converted to sRGB; empty for sRGB and none,
            `UNUSABLE` for one that was left aside.
        is_scaled: Whether its pixels have more than 8 bits.
    """

    pixels: NDArray[np.uint8] | None
    format: str
    n_frames: int
    is_turned: bool
    profile: str
    is_scaled: bool


def decode(data: bytes, where: str) -> NDArray[np.uint8]:
    """The pixels of an encoded image, upright.

    EXIF orientation is applied. Of an animation the first frame is taken. Palettes become RGB, 16
    bits a channel become their upper 8, transparency is laid over white.

    Args:
        data: The file, in a format that `known_formats` names.
        where: What to call the file in a message, e.g. `train/cat.png`.

    Returns:
        uint8 (H, W) for grey images, else uint8 (H, W, 3), RGB.

    Raises:
        DatasetFormatError: Not an image of these formats, damaged, or beyond a limit.
    """
    with _opened(data, where) as image:
        if image.mode == "F" or image.mode.startswith("I"):
            return _upright(_eight_bits(np.asarray(image)), image)
        return _pixels(image, _orientation(image))[0]


def decode_picture(data: bytes, where: str, scale: ValueScale | None) -> Picture:
    """An encoded image as `decode` gives it, its values on the scale of its dataset.

    Args:
        data: The file.
        where: What to call it in a message.
        scale: Takes pixels of more than 8 bits to 8. Without it such an image has no `pixels`.

    Raises:
        DatasetFormatError: As `decode`.
    """
    with _opened(data, where) as image:
        has_depth = is_deep(image)  # first of all, for EXIF data may lie behind the pixels
        kind, n_frames = image.format or "", getattr(image, "n_frames", 1)
        orientation = _orientation(image)
        is_turned = orientation != 1
        if not has_depth:
            pixels, profile = _pixels(image, orientation)
            return Picture(pixels, kind, n_frames, is_turned, profile, False)
        if scale is None:
            return Picture(None, kind, n_frames, is_turned, "", True)
        values = scale.bytes_of(_values(image, data))
        if values.ndim == 3 and values.shape[2] == 4:
            plain = Image.fromarray(values, "RGBA")
            pixels = _upright(_over_white(plain, "RGB"), image)
        else:
            pixels = _upright(values, image)
        return Picture(pixels, kind, n_frames, is_turned, "", True)


def measure(data: bytes, where: str, seen: ValueRange) -> None:
    """Take the values of an image into a range, if it has more than 8 bits.

    Raises:
        DatasetFormatError: As `decode`.
    """
    with _opened(data, where) as image:
        if is_deep(image):
            seen.add(_values(image, data))


def _values(image: Image.Image, data: bytes) -> NDArray[np.generic]:
    with open_picture(io.BytesIO(data)) as again:
        return deep_values(image, again)


@contextmanager
def _opened(data: bytes, where: str) -> Iterator[Image.Image]:
    """An image within the limits; what goes wrong inside is said in words."""
    if len(data) > MAX_FILE_BYTES:
        raise DatasetFormatError(
            f"{where}: the file has {len(data) / 2**20:.0f} MiB; "
            f"at most {MAX_FILE_BYTES // 2**20} MiB are read."
        )
    if not data:
        raise DatasetFormatError(f"{where}: the file is empty.")
    try:
        with open_picture(io.BytesIO(data)) as image:
            _check_size(image.size, where)
            yield image
    except _BOMBS as error:
        raise DatasetFormatError(
            f"{where}: the image has more than {MAX_PIXELS // 10**6} megapixels, the most "
            "that is decoded."
        ) from error
    except Image.UnidentifiedImageError as error:
        if picture_in(data[:START_BYTES]) == HEIC:
            raise DatasetFormatError(f"{where}: a HEIC picture. {HOW_TO_READ_HEIC}") from error
        raise DatasetFormatError(
            f"{where}: no image in a known format (PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF, ...)."
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


def _orientation(image: Image.Image) -> int:
    return image.getexif().get(_ORIENTATION, 1)


def _upright(pixels: NDArray[np.uint8], image: Image.Image) -> NDArray[np.uint8]:
    """Pixels turned as the EXIF data of their image say."""
    method = _TURNS.get(_orientation(image))
    return pixels if method is None else np.asarray(Image.fromarray(pixels).transpose(method))


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _pixels(image: Image.Image, orientation: int) -> tuple[NDArray[np.uint8], str]:
    """Upright pixels of 8 bits, and the profile their colours were converted from."""
    profile = image.info.get("icc_profile")
    if orientation != 1:
        image = ImageOps.exif_transpose(image)
    converted = ""
    if profile or image.mode == "LAB":
        image, converted = _in_srgb(image, profile)
    mode = image.mode
    if mode in ("L", "RGB") and "transparency" not in image.info:
        # As `np.asarray(image)`, in half the time; a folder may hold a million of them.
        pixels = np.frombuffer(image.tobytes(), np.uint8)
        shape = (image.height, image.width)
        return pixels.reshape(shape if mode == "L" else (*shape, 3)), converted
    if image.mode == "1":
        return np.asarray(image.convert("L")), converted
    if image.has_transparency_data:
        grey = image.mode in ("L", "LA", "La")
        return _over_white(image, "L" if grey else "RGB"), converted
    return np.asarray(image.convert("RGB")), converted


def _over_white(image: Image.Image, mode: str) -> NDArray[np.uint8]:
    over = image.convert("RGBA")
    paper = Image.new("RGBA", over.size, "white")
    return np.asarray(Image.alpha_composite(paper, over).convert(mode))


def _in_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str]:
    """An image with its colours in sRGB, and the name of its profile where that is another one.

    A profile that is damaged, or of other colours than the image has, is not used.
    """
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    alpha = image.getchannel("A") if image.mode in ("RGBA", "LA") else None
    colours = image.convert(image.mode[:-1]) if alpha is not None else image
    name, transform = _transform(profile, colours.mode)
    if transform is None:
        return image, name
    found = ImageCms.applyTransform(colours, transform)
    assert found is not None
    found = found.convert("L") if colours.mode == "L" else found
    if alpha is not None:
        found.putalpha(alpha)
    return found, name


@lru_cache(maxsize=32)
def _transform(profile: bytes | None, mode: str) -> tuple[str, Any]:
    """Name of a profile and the way from it to sRGB; empty and None where that is what it is.

    Any: Pillow's class has no public name.
    """
    try:
        if profile is None:
            own, name = ImageCms.createProfile("LAB"), "CIELAB"
        else:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            name = ImageCms.getProfileDescription(own).strip()
        if "srgb" in name.lower():
            return "", None
        srgb = ImageCms.createProfile("sRGB")
        return name or "a profile without a name", ImageCms.buildTransform(own, srgb, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, KeyError):
        return UNUSABLE, None


def _eight_bits(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 255:
            raise ValueError("floating-point pixels must lie in 0 to 1 or 0 to 255")
        scale = 255.0 if values.max() <= 1 else 1.0
        return np.rint(values * scale).astype(np.uint8)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("pixels of more than 16 bits")
    return (values.astype(np.uint32) >> 8).astype(np.uint8)
