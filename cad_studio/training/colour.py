"""Colour changes of a batch, every image with its own strength.

Images are float32 (B, 1 or 3, H, W) in [0, 1] throughout, and stay in that range; fastest where
each channel is one run of memory. Factors are float32 (B,); a factor of 1 changes nothing.
"""

from collections.abc import Callable

import torch
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)
_CONTRAST, _SATURATION, _HUE = 1, 2, 3
"""Among the changes of `jitter`, of which brightness is 0."""


def to_grey(images: Tensor) -> Tensor:
    """Luma (ITU-R 601), float32 (B, 1, H, W)."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.unbind(1)
    luma = (red * _LUMA[0]).add_(green, alpha=_LUMA[1]).add_(blue, alpha=_LUMA[2])
    return luma.unsqueeze(1)


def change_brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Away from black, or towards it."""
    return (images * _per_image(factor)).clamp_(0.0, 1.0)


def change_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Away from the image's mean grey, or towards it."""
    return _blend(to_grey(images).mean(dim=(1, 2, 3), keepdim=True), images, factor)


def change_saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Away from the grey image, or towards it; nothing on grey images."""
    return _blend(to_grey(images), images, factor)


def change_sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """Away from a smoothed image, or towards it; the outermost pixels stay."""
    rows = images[:, :, :-2] + images[:, :, 1:-1] + images[:, :, 2:]
    box = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    smooth = images.clone()
    # The kernel has ones around a five.
    smooth[:, :, 1:-1, 1:-1] = (box + 4.0 * images[:, :, 1:-1, 1:-1]) / 13.0
    return _blend(smooth, images, factor)


def turn_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue by a share of the full circle, -0.5 to 0.5; nothing on grey images."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.unbind(1)
    # Where red, green or blue is the largest, and green below blue, follows from four extremes:
    # choosing by masks would take most of the time.
    high, low = torch.maximum(green, blue), torch.minimum(green, blue)
    middle, value = torch.minimum(red, high), torch.maximum(red, high)
    chroma = value - torch.minimum(middle, low)
    swapped, not_red = (green < blue).float(), (red < high).float()
    sextant = (swapped * 12.0).sub_(2.0).mul_(not_red).sub_(swapped, alpha=6.0)
    hue = (middle - low).div_(chroma.clamp(min=1e-8)).add_(sextant).abs_()
    hue += 6.0 * turn[:, None, None]
    # Travis' closed form: channel n of an HSV colour has k = (n + hue) mod 6 and gives
    # value - chroma * clamp(min(k, 4 - k), 0, 1); here u = k - 2, from -3 to 3.
    # 3, 1, -1; made on the device, since a list would have to wait for its copy.
    n_less_2 = torch.arange(3.0, -2.0, -2.0, device=images.device)
    u = hue.unsqueeze(1) + n_less_2[:, None, None]
    u.sub_((u / 6.0).round_(), alpha=6.0).abs_().neg_().add_(2.0).clamp_(0.0, 1.0)
    return u.mul_(chroma.unsqueeze(1)).neg_().add_(value.unsqueeze(1))


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keep the highest bits of each value; `bits` is 0 to 8."""
    step = _per_image(2.0 ** (8.0 - bits))
    return ((images * 255.0).round() / step).floor() * step / 255.0


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Invert the values at the threshold and above."""
    return torch.where(images >= _per_image(threshold), 1.0 - images, images)


def invert(images: Tensor, _: Tensor) -> Tensor:
    """The negative."""
    return 1.0 - images


def stretch_contrast(images: Tensor, _: Tensor) -> Tensor:
    """Spread each channel over the whole range; a constant one stays."""
    low = images.amin(dim=(2, 3), keepdim=True)
    span = images.amax(dim=(2, 3), keepdim=True) - low
    return torch.where(span > 0, (images - low) / span.clamp(min=1e-8), images)


def equalize(images: Tensor, _: Tensor) -> Tensor:
    """Flatten each channel's histogram, as PIL's `ImageOps.equalize` does."""
    n_images, channels, height, width = images.shape
    levels = (images * 255.0).round().long().reshape(n_images * channels, height * width)
    counts = torch.zeros(len(levels), 256, dtype=torch.long, device=images.device)
    counts.scatter_add_(1, levels, torch.ones_like(levels))
    highest = counts.gather(1, levels.amax(dim=1, keepdim=True))
    step = (height * width - highest) // 255
    below = counts.cumsum(dim=1) - counts
    table = ((below + step // 2) // step.clamp(min=1)).clamp(max=255)
    table = torch.where(step > 0, table, torch.arange(256, device=images.device))
    return (table.gather(1, levels).float() / 255.0).reshape(images.shape)


def jitter(
    images: Tensor,
    strength: tuple[float, float, float, float],
    probability: float,
    generator: torch.Generator,
) -> Tensor:
    """Brightness, contrast, saturation and hue, in an order of its own for each image.

    Args:
        images: float32 (B, 1 or 3, H, W).
        strength: The largest change of each; the hue's is a share of the circle.
        probability: How often an image is touched at all.
        generator: On the CPU.
    """
    n_images = len(images)
    touched = torch.rand(n_images, generator=generator) < probability
    spread = torch.empty(4, n_images).uniform_(-1.0, 1.0, generator=generator)
    n_changes = 2 if images.shape[1] == 1 else 4
    order = torch.rand(n_images, n_changes, generator=generator).argsort(dim=1)
    amounts = spread * torch.tensor(strength)[:, None]
    amounts[:3] += 1.0
    for place in range(n_changes):
        choice = torch.where(touched, order[:, place], -1)
        images = _blend_by_choice(images, choice, amounts)
        turned = torch.nonzero(choice == _HUE).squeeze(1)
        if len(turned):
            turn = amounts[_HUE, turned].to(images.device, non_blocking=True)
            turned = turned.to(images.device, non_blocking=True)
            put(images, turned, turn_hue(take(images, turned), turn))
    return images


def apply_by_choice(
    images: Tensor,
    choice: Tensor,
    changes: list[Callable[[Tensor, Tensor], Tensor]],
    amounts: Tensor,
) -> None:
    """Apply to each image, in place, the change it has chosen.

    Args:
        images: float32 (B, channels, H, W).
        choice: int64 (B,), on the CPU. Index into `changes`; anything else leaves the image.
        changes: Functions of images and amounts (B,).
        amounts: float32 (len(changes), B), on the CPU.
    """
    for place, change in enumerate(changes):
        rows = torch.nonzero(choice == place).squeeze(1)
        if len(rows):
            amount = amounts[place, rows].to(images.device, non_blocking=True)
            rows = rows.to(images.device, non_blocking=True)
            put(images, rows, change(take(images, rows), amount))


def take(images: Tensor, rows: Tensor) -> Tensor:
    """Copy some images, rows int64 (M,) to float32 (M, channels, H, W)."""
    return images.index_select(0, rows)


def put(images: Tensor, rows: Tensor, changed: Tensor) -> None:
    """Write images, (M, channels, H, W), to rows int64 (M,), in place."""
    images.index_copy_(0, rows, changed)


def _blend_by_choice(images: Tensor, choice: Tensor, amounts: Tensor) -> Tensor:
    """Brightness, contrast or saturation, in one go: all are factor * x + (1 - factor) * base.

    The base is black, the image's mean grey, or its grey image.
    """
    row = torch.arange(len(images))
    is_blended = (choice >= 0) & (choice < _HUE)
    factor = torch.where(is_blended, amounts[choice.clamp(min=0), row], 1.0)
    of_mean, of_grey = (factor.new_zeros(len(row)) for _ in range(2))
    of_mean[choice == _CONTRAST] = 1.0
    of_grey[choice == _SATURATION] = 1.0
    shares = torch.stack([factor, (1.0 - factor) * of_mean, (1.0 - factor) * of_grey])
    factor, of_mean, of_grey = shares.to(images.device, non_blocking=True)
    grey = to_grey(images)
    mean = grey.mean(dim=(1, 2, 3)) * of_mean
    blended = images * _per_image(factor)
    if images.shape[1] == 1:
        return blended.add_(_per_image(mean)).clamp_(0.0, 1.0)
    return blended.add_(grey * _per_image(of_grey) + _per_image(mean)).clamp_(0.0, 1.0)


def _per_image(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def _blend(base: Tensor, images: Tensor, factor: Tensor) -> Tensor:
    return (images - base).mul_(_per_image(factor)).add_(base).clamp_(0.0, 1.0)
