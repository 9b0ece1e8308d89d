"""AutoAugment and RandAugment of a batch, every image with its own operations.

Cubuk, Zoph, Mane, Vasudevan and Le, "AutoAugment: Learning Augmentation Policies from Data",
CVPR 2019, https://arxiv.org/abs/1805.09501; Cubuk, Zoph, Shlens and Le, "RandAugment: Practical
automated data augmentation with a reduced search space", NeurIPS 2020,
https://arxiv.org/abs/1909.13719.
The learned policies and the ranges are torchvision's, which differ a little from the papers'.
"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import pad

from cad_studio.core.optional import require
from cad_studio.training import colour

GEOMETRIC = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")
TONAL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Brightness": colour.change_brightness,
    "Color": colour.change_saturation,
    "Contrast": colour.change_contrast,
    "Sharpness": colour.change_sharpness,
    "Posterize": colour.posterize,
    "Solarize": colour.solarize,
    "AutoContrast": colour.stretch_contrast,
    "Equalize": colour.equalize,
    "Invert": colour.invert,
}
OPERATIONS = (*GEOMETRIC, *TONAL, "Identity")
_IDENTITY = OPERATIONS.index("Identity")
_RAND_AUGMENT = tuple(name for name in OPERATIONS if name != "Invert")

_FACTORS = ("Brightness", "Color", "Contrast", "Sharpness")
_SIGNED = (*GEOMETRIC, *_FACTORS)
_LARGEST = {
    "ShearX": 0.3,
    "ShearY": 0.3,
    "TranslateX": 150.0 / 331.0,
    "TranslateY": 150.0 / 331.0,
    "Rotate": 30.0,
    **dict.fromkeys(_FACTORS, 0.9),
}
"""Strength at full magnitude: a slope, a share of the image's side, degrees, a change."""


def auto_augment(images: Tensor, policy: str, generator: torch.Generator) -> Tensor:
    """Apply one random sub-policy to each image.

    Args:
        images: float32 (B, 3, H, W) in [0, 1].
        policy: `cifar10` or `imagenet`.
        generator: On the CPU.

    Returns:
        float32 (B, 3, H, W) in [0, 1].
    """
    operation, chance, level = _policy(policy)
    images, n_images = images.clone(), len(images)
    which = torch.randint(len(operation), (n_images,), generator=generator)
    for place in range(2):
        happens = torch.rand(n_images, generator=generator) < chance[which, place]
        chosen = torch.where(happens, operation[which, place], _IDENTITY)
        _apply(images, chosen, level[which, place], generator)
    return images


def rand_augment(
    images: Tensor, n_operations: int, level: float, generator: torch.Generator
) -> Tensor:
    """Apply some operations, drawn uniformly, to each image, one after another.

    Args:
        images: float32 (B, 3, H, W) in [0, 1].
        n_operations: How many for each image.
        level: Magnitude, 0 to 1.
        generator: On the CPU.

    Returns:
        float32 (B, 3, H, W) in [0, 1].
    """
    allowed = torch.tensor([OPERATIONS.index(name) for name in _RAND_AUGMENT])
    images, n_images = images.clone(), len(images)
    levels = torch.full((n_images,), level)
    for _ in range(n_operations):
        drawn = torch.randint(len(allowed), (n_images,), generator=generator)
        _apply(images, allowed[drawn], levels, generator)
    return images


def strengths(level: Tensor, sign: Tensor) -> Tensor:
    """What each operation does at a magnitude.

    Args:
        level: float32 (B,). Magnitude, 0 to 1.
        sign: float32 (B,). 1 or -1, for the operations that have two directions.

    Returns:
        float32 (len(OPERATIONS), B).
    """
    amounts = torch.zeros(len(OPERATIONS), len(level))
    for place, name in enumerate(OPERATIONS):
        if name in _SIGNED:
            amounts[place] = _LARGEST[name] * level * sign + (1.0 if name in _FACTORS else 0.0)
    amounts[OPERATIONS.index("Posterize")] = 8.0 - (4.0 * level).round()
    amounts[OPERATIONS.index("Solarize")] = 1.0 - level
    return amounts


def move(images: Tensor, chosen: Tensor, amounts: Tensor) -> Tensor:
    """Shear, shift or turn images; pixels from outside are black, the nearest pixel is taken.

    Args:
        images: float32 (B, channels, H, W).
        chosen: int64 (B,). Index into `OPERATIONS`, of a geometric one.
        amounts: float32 (B,). Slope, share of the side, or degrees.

    Returns:
        float32 (B, channels, H, W).
    """
    n_images, channels, height, width = images.shape
    zero = torch.zeros_like(amounts)
    picked = {
        name: torch.where(chosen == OPERATIONS.index(name), amounts, zero) for name in GEOMETRIC
    }
    angle = torch.deg2rad(picked["Rotate"])
    cosine, sine = angle.cos(), angle.sin()
    # Where a pixel comes from, counted from the middle of the image for a turn. A shear keeps the
    # outer corner of the first pixel in its place; shifts are whole pixels.
    rows = torch.arange(height, device=images.device) - (height - 1) / 2
    columns = torch.arange(width, device=images.device) - (width - 1) / 2
    x_offset = picked["ShearX"] * height / 2 - (picked["TranslateX"] * width).trunc()
    y_offset = picked["ShearY"] * width / 2 - (picked["TranslateY"] * height).trunc()
    x_of_row = (picked["ShearX"] - sine)[:, None] * rows + x_offset[:, None]
    y_of_row = cosine[:, None] * rows + y_offset[:, None]
    x = cosine[:, None, None] * columns + x_of_row[:, :, None]
    y = (picked["ShearY"] + sine)[:, None, None] * columns + y_of_row[:, :, None]
    # A black border of one pixel takes all that lies outside.
    x = x.add_((width - 1) / 2).round_().clamp_(-1, width)
    y = y.add_((height - 1) / 2).round_().clamp_(-1, height)
    bordered = pad(images, (1, 1, 1, 1)).flatten(2)
    source = y.add_(1.0).mul_(width + 2).add_(x).add_(1.0).long().view(n_images, 1, -1)
    return bordered.gather(2, source.expand(-1, channels, -1)).view(images.shape)


def _apply(images: Tensor, chosen: Tensor, level: Tensor, generator: torch.Generator) -> None:
    """One operation on each image, in place."""
    sign = torch.randint(2, (len(images),), generator=generator) * 2.0 - 1.0
    amounts = strengths(level, sign)
    moved = torch.nonzero(chosen < len(GEOMETRIC)).squeeze(1)
    if len(moved):
        device = images.device
        amount = amounts[chosen[moved], moved].to(device, non_blocking=True)
        rows = moved.to(device, non_blocking=True)
        kinds = chosen[moved].to(device, non_blocking=True)
        colour.put(images, rows, move(colour.take(images, rows), kinds, amount))
    tonal = len(GEOMETRIC)
    colour.apply_by_choice(images, chosen - tonal, list(TONAL.values()), amounts[tonal:])


@cache
def _policy(name: str) -> tuple[Tensor, Tensor, Tensor]:
    """A learned policy: operation int64, chance and magnitude float32, each (sub-policies, 2)."""
    transforms = require("torchvision.transforms", "torchvision", "The AutoAugment view")
    kind = transforms.AutoAugmentPolicy(name)
    table = transforms.AutoAugment(kind).policies
    operation = [[OPERATIONS.index(step[0]) for step in both] for both in table]
    chance = [[step[1] for step in both] for both in table]
    level = [[(step[2] or 0) / 9.0 for step in both] for both in table]
    return torch.tensor(operation), torch.tensor(chance), torch.tensor(level)
