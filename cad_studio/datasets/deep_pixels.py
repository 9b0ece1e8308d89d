"""Pixels of more than 8 bits: their values, the range a whole dataset uses, and bytes from them.

Microscopes and X-ray detectors write 10 to 14 bits into files of 16. Brought to 8 bits one by one,
or by the size of the file, such pictures become black or lose their common brightness. So one scale
is made for all pictures of a dataset, from the bits that they use together.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BIT_DEPTHS = (8, 10, 12, 14, 16)
"""Bits that integer pixels are taken to use: the first that holds the largest value."""

_WHOLE_MODES = {"I;16", "I;16B", "I;16L", "I;16N", "I"}
# Pillow keeps 8 bits of 16-bit colours. Read once more with the other byte order, it keeps the
# lower ones.
_OTHER_ORDER = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA", "RGBX")
    for order, other in (("B", "L"), ("L", "B"))
}


@dataclass
class ValueRange:
    """What values the pixels of a dataset have, gathered picture by picture.

    Attributes:
        n_whole: Pictures with integer pixels of more than 8 bits.
        n_real: Pictures with floating-point pixels.
    """

    n_whole: int = 0
    n_real: int = 0
    _whole: tuple[int, int] = (0, 0)
    _real: tuple[float, float] = (0.0, 0.0)

    def add(self, values: NDArray[np.generic]) -> None:
        """Take in a picture's values, as `deep_values` gives them.

        Raises:
            ValueError: A value is NaN or infinite.
        """
        low, high = values.min().item(), values.max().item()
        if values.dtype.kind != "f":
            self._whole = min(low, self._whole[0]), max(high, self._whole[1])
            self.n_whole += 1
            return
        if not np.isfinite(values).all():
            raise ValueError("a pixel is NaN or infinite")
        first = not self.n_real
        self._real = (low, high) if first else (min(low, self._real[0]), max(high, self._real[1]))
        self.n_real += 1

    def scale(self, bit_depth: int | None = None) -> "ValueScale":
        """The scale that takes these values to 0 to 255.

        Args:
            bit_depth: Bits that integer pixels use, or None to go by the largest value.
        """
        low, high = self._whole
        bits = bit_depth or next((bits for bits in BIT_DEPTHS if high < 2**bits), None)
        whole = (float(low), float(high)) if low < 0 or bits is None else (0.0, 2.0**bits - 1)
        low_real, high_real = self._real
        if low_real >= 0 and high_real <= 1:
            real = (0.0, 1.0)
        elif low_real >= 0 and high_real <= 255:
            real = (0.0, 255.0)
        else:
            real = self._real
        return ValueScale(whole, real)

    def words(self, scale: "ValueScale") -> list[str]:
        """What scale was taken for what, a phrase for each kind of picture there is."""
        said = []
        if self.n_whole:
            said.append(
                f"images with more than 8 bits: {self.n_whole:,}, values {self._whole[0]:,} to "
                f"{self._whole[1]:,}; {_span(scale.whole)} becomes 0 to 255"
            )
        if self.n_real:
            said.append(
                f"images with floating-point values: {self.n_real:,}, {self._real[0]:.6g} to "
                f"{self._real[1]:.6g}; {_span(scale.real)} becomes 0 to 255"
            )
        return said


@dataclass(frozen=True)
class ValueScale:
    """Which values become 0 and 255, for integer and for floating-point pixels."""

    whole: tuple[float, float]
    real: tuple[float, float]

    def bytes_of(self, values: NDArray[np.generic]) -> NDArray[np.uint8]:
        """Values on this scale, uint8 of the same shape; what lies outside is cut off.

        Raises:
            ValueError: A value is NaN or infinite.
        """
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError("a pixel is NaN or infinite")
        low, high = self.real if values.dtype.kind == "f" else self.whole
        share = (values.astype(np.float32) - low) / max(high - low, 1e-30)
        return np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)


def is_deep(image: Image.Image) -> bool:
    """Whether a picture that is opened, not loaded yet, has pixels of more than 8 bits."""
    return image.mode in _WHOLE_MODES or image.mode == "F" or _other_order(image) is not None


def deep_values(image: Image.Image, again: Image.Image) -> NDArray[np.generic]:
    """The values of a picture that `is_deep`, (H, W) or (H, W, 3 or 4).

    Args:
        image: As opened.
        again: The same, opened once more and not loaded yet; needed for colours.

    Returns:
        uint16 or int32 values, or float32 ones.
    """
    other = _other_order(again)
    if other is None:
        return np.asarray(image)
    again.tile = [tile._replace(args=_with_mode(tile.args, other)) for tile in again.tile]
    upper, lower = np.asarray(image), np.asarray(again)
    return upper.astype(np.uint16) << 8 | lower


def _other_order(image: Image.Image) -> str | None:
    tiles = getattr(image, "tile", None) or ()
    found = {_OTHER_ORDER.get(_mode_in(tile.args) or "") for tile in tiles}
    return found.pop() if len(found) == 1 else None


def _mode_in(args: object) -> str | None:
    if isinstance(args, tuple) and args:
        args = args[0]
    return args if isinstance(args, str) else None


def _with_mode(args: object, mode: str) -> object:
    return (mode, *args[1:]) if isinstance(args, tuple) else mode


def _span(span: tuple[float, float]) -> str:
    return f"{span[0]:.6g} to {span[1]:.6g}"
