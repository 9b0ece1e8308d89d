"""Crops, flips and resizes of a batch, every image with its own, as two matrix products.

A crop, a flip and a bilinear resize are linear and separable: an image X becomes
`W_y X W_x^T`. The weights are small, differ from image to image, and one batched product applies
them all.

Images of any memory layout are taken. The fastest is (B, H, channels, W), as `Views.unit` gives
them: then neither product has to move a pixel first.
"""

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

_ATTEMPTS = 10
_LARGEST_TABLE = 32 * 32
_RATIO = (3 / 4, 4 / 3)


@dataclass(frozen=True)
class Window:
    """The rectangle each of B images is cropped to.

    Attributes:
        top: int64 (B,). First row, from 0.
        left: int64 (B,). First column.
        height: int64 (B,). Rows, 1 or more.
        width: int64 (B,). Columns.
    """

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor


def draw_windows(
    n_images: int, size: tuple[int, int], area: tuple[float, float], generator: torch.Generator
) -> Window:
    """Random rectangles, as torchvision's RandomResizedCrop draws them.

    Each image takes the first of ten draws that fits; the whole image where none does.

    Args:
        n_images: B.
        size: (H, W) of the images.
        area: Least and largest share of the image that is kept.
        generator: On the CPU.
    """
    height, width = size
    shape = (n_images, _ATTEMPTS)
    share = torch.empty(shape).uniform_(*area, generator=generator)
    log_ratio = torch.empty(shape).uniform_(
        math.log(_RATIO[0]), math.log(_RATIO[1]), generator=generator
    )
    ratio = log_ratio.exp()
    pixels = share * (height * width)
    widths = (pixels * ratio).sqrt().round().long()
    heights = (pixels / ratio).sqrt().round().long()
    fits = (widths > 0) & (widths <= width) & (heights > 0) & (heights <= height)
    first = fits.to(torch.uint8).argmax(dim=1, keepdim=True)
    none = ~fits.any(dim=1)
    heights = heights.gather(1, first).squeeze(1).masked_fill(none, height)
    widths = widths.gather(1, first).squeeze(1).masked_fill(none, width)
    place = torch.rand((2, n_images), generator=generator)
    top = (place[0] * (height - heights + 1)).long()
    left = (place[1] * (width - widths + 1)).long()
    return Window(top, left, heights, widths)


def draw_flips(n_images: int, generator: torch.Generator) -> Tensor:
    """Which images are mirrored: each with probability one half, bool (B,)."""
    return torch.rand(n_images, generator=generator) < 0.5


def resize_weights(
    start: Tensor, length: Tensor, n_in: int, n_out: int, flip: Tensor | None = None
) -> Tensor:
    """Weights of a crop along one axis that is then resized bilinearly, antialiased.

    Args:
        start: int64 (B,). First pixel of the crop.
        length: int64 (B,). Pixels of the crop.
        n_in: Pixels of the image.
        n_out: Pixels wanted.
        flip: bool (B,). Which to mirror.

    Returns:
        float32 (B, n_out, n_in). Rows sum to 1 and are zero outside the crop.
    """
    if n_in * n_out > _LARGEST_TABLE:
        return _weights_of(start, length, n_in, n_out, flip)
    # Small images have few different crops: looked up, they cost a copy.
    table = _weight_table(n_in, n_out, start.device)
    place = _place_of(start, length, n_in)
    if flip is not None:
        place = place + flip * (len(table) // 2)
    return table.index_select(0, place)


def _place_of(start: Tensor, length: Tensor, n_in: int) -> Tensor:
    """Number of a crop among all: those of one pixel first, and by where they start."""
    shorter = length - 1
    return shorter * (n_in + 1) - shorter * length // 2 + start


@cache
def _weight_table(n_in: int, n_out: int, device: torch.device) -> Tensor:
    """Weights of all crops, then of all mirrored ones, float32 (n_in (n_in + 1), n_out, n_in)."""
    crops = [(start, n) for n in range(1, n_in + 1) for start in range(n_in - n + 1)]
    start, length = torch.tensor(crops, device=device).repeat(2, 1).T
    flip = torch.arange(len(start), device=device) >= len(crops)
    return _weights_of(start, length, n_in, n_out, flip)


def _weights_of(
    start: Tensor, length: Tensor, n_in: int, n_out: int, flip: Tensor | None
) -> Tensor:
    device = start.device
    scale = (length / n_out)[:, None]
    target = torch.arange(n_out, device=device).expand(len(start), n_out)
    if flip is not None:
        target = torch.where(flip[:, None], n_out - 1 - target, target)
    centre = start[:, None] + (target + 0.5) * scale
    pixel = torch.arange(n_in, device=device)
    if n_in <= n_out:
        # Only enlarging: held inside the crop, the two nearest pixels' weights sum to 1 already.
        first, last = start[:, None] + 0.5, (start + length)[:, None] - 0.5
        centre = torch.minimum(torch.maximum(centre, first), last)
        return (pixel + 0.5 - centre[:, :, None]).abs_().neg_().add_(1.0).relu_()
    # The triangle widens when shrinking, so that no pixel is stepped over.
    distance = (pixel + 0.5 - centre[:, :, None]).abs() / scale.clamp(min=1.0)[:, :, None]
    inside = (pixel >= start[:, None]) & (pixel < (start + length)[:, None])
    weights = (1.0 - distance).clamp(min=0.0) * inside[:, None, :]
    return weights / weights.sum(dim=2, keepdim=True)


def shift(images: Tensor, offset: Tensor, flip: Tensor) -> Tensor:
    """Mirror some images, then move all; what moves in is the image's reflection.

    Args:
        images: float32 (B, channels, H, W).
        offset: int64 (2, B). Row and column of the source of the first output pixel, each less
            than a side away from 0.
        flip: bool (B,). Which to mirror.

    Returns:
        float32 (B, channels, H, W).
    """
    n_images, channels, height, width = images.shape
    rows = _reflected(offset[0], height)
    columns = _reflected(offset[1], width)
    columns = torch.where(flip[:, None], width - 1 - columns, columns)
    first = torch.arange(n_images, device=images.device)[:, None] * height
    lines = images.transpose(1, 2).reshape(n_images * height, channels * width)
    lines = lines.index_select(0, (first + rows).view(-1))
    source = columns[:, None, :].expand(-1, height * channels, -1)
    moved = lines.view(n_images, height * channels, width).gather(2, source)
    return moved.view(n_images, height, channels, width).transpose(1, 2)


def resample(images: Tensor, vertical: Tensor, horizontal: Tensor) -> Tensor:
    """Apply weights along both axes.

    Args:
        images: float32 (B, channels, H, W).
        vertical: float32 (B, h, H).
        horizontal: float32 (B, w, W).

    Returns:
        float32 (B, channels, h, w).
    """
    n_images, channels, height, width = images.shape
    n_rows, n_columns = vertical.shape[1], horizontal.shape[1]
    lines = images.transpose(1, 2).reshape(n_images, height, channels * width)
    tall = (vertical @ lines).view(n_images, n_rows * channels, width)
    wide = tall @ horizontal.transpose(1, 2)
    return wide.view(n_images, n_rows, channels, n_columns).transpose(1, 2)


def cut_out(images: Tensor, centre: Tensor, size: Tensor, value: float) -> Tensor:
    """Paint a square into each image, clipped at the border.

    Args:
        images: float32 (B, channels, H, W).
        centre: int64 (2, B). Row and column.
        size: int64 (B,). Side; the square runs from centre - size // 2, so many pixels. 0: none.
        value: What is painted.
    """
    height, width = images.shape[2:]
    rows = torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device)
    top, left = centre - size // 2
    in_rows = (rows >= top[:, None]) & (rows < (top + size)[:, None])
    in_columns = (columns >= left[:, None]) & (columns < (left + size)[:, None])
    # Products and sums: several times faster than filling by a mask.
    square = in_rows.float()[:, None, :, None] * in_columns.float()[:, None, None, :]
    kept = images * (1.0 - square)
    return kept if value == 0 else kept.add_(square, alpha=value)


def _reflected(offset: Tensor, n_pixels: int) -> Tensor:
    """Source pixels along one axis of a shift, int64 (B, n_pixels)."""
    last = n_pixels - 1
    source = offset[:, None] + torch.arange(n_pixels, device=offset.device)
    return last - (last - source.abs()).abs()
