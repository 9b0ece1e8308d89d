"""Random views of a batch of images, made on the training device.

The transforms of Xia et al., "CAD", arXiv 2603.04825, in three kinds:

- `grey`: small one-channel images, such as Fashion-MNIST;
- `small`: small colour images, such as CIFAR;
- `large`: photographs, cropped to 224 px or so.

Every image of a batch has its own random parameters, and all chance comes from one generator on
the CPU, so that a seed gives the same views on every device. Departures: AutoAugment and
RandAugment are torchvision's policies; RandAugment has its magnitude, 9 of 31. Gentle views leave
out the cutout and AutoAugment of `cls`, which small networks do not win back within a few epochs,
and shift by 2 pixels instead of 4.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from cad_studio.core.errors import SettingError, closest
from cad_studio.training.colour import jitter, to_grey
from cad_studio.training.geometry import (
    cut_out,
    draw_flips,
    draw_windows,
    resample,
    resize_weights,
    shift,
)
from cad_studio.training.policies import auto_augment, rand_augment

KINDS = ("grey", "small", "large")
VIEW_NAMES = ("cls", "weak", "strong")
LARGE_PX = 96
"""From this size on images count as photographs."""

_CUTOUT_PX = 16
_PADDING_PX = 4
_GENTLE_PADDING_PX = 2
_JITTER = (0.4, 0.4, 0.4, 0.1)
_SMALL_AREA = (0.2, 1.0)
_LARGE_AREA = (0.08, 1.0)
_GREY_VALUE = 127 / 255
_RAND_AUGMENT_LEVEL = 9 / 30
_TEST_SHARE = 224 / 256


def choose_kind(image_px: int, channels: int) -> str:
    """The kind of views that images of a size and 1 or 3 channels call for."""
    if image_px >= LARGE_PX:
        return "large"
    return "grey" if channels == 1 else "small"


class Views:
    """Makes the views of one kind of images.

    Attributes:
        kind: One of `KINDS`.
        image_px: Side of the square views.
    """

    def __init__(
        self,
        kind: str,
        image_px: int,
        mean: Sequence[float],
        std: Sequence[float],
        is_gentle: bool = False,
    ) -> None:
        """Make views of one size.

        Args:
            kind: One of `KINDS`.
            image_px: Side of the square views.
            mean: 1 or 3 values that are subtracted last.
            std: 1 or 3 values that are divided by, above 0.
            is_gentle: Whether the view `cls` leaves out what hides or recolours the image.

        Raises:
            SettingError: There is no such kind.
        """
        if kind not in KINDS:
            raise SettingError(f"{kind!r} is not a known kind of views. {closest(kind, KINDS)}")
        self.kind = kind
        self.image_px = image_px
        self._is_gentle = is_gentle
        self._mean = torch.tensor(list(mean), dtype=torch.float32).view(1, -1, 1, 1)
        self._std = torch.tensor(list(std), dtype=torch.float32).view(1, -1, 1, 1)
        self._makers: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
            "cls": self._large_cls if kind == "large" else self._small_cls,
            "weak": self._weak,
            "strong": self._strong,
        }

    def unit(self, images: Tensor) -> Tensor:
        """Pixels as numbers, uint8 (B, H, W, 1 or 3) to float32 in [0, 1].

        Returns:
            (B, 1, H, W) for the kind `grey`, else (B, 3, H, W); in memory (B, H, channels, W).
        """
        lines = images.transpose(2, 3).contiguous()
        planes = lines.float().div_(255.0).transpose(1, 2)
        return planes[:, :1] if self.kind == "grey" else planes.expand(-1, 3, -1, -1)

    def make(self, name: str, images: Tensor, generator: torch.Generator) -> Tensor:
        """One random view of each image.

        Args:
            name: One of `VIEW_NAMES`.
            images: float32 (B, 1 or 3, H, W) in [0, 1].
            generator: Random generator, on the CPU.

        Returns:
            float32 (B, 3, image_px, image_px), normalised, channels last in memory.
        """
        if self.kind == "grey":
            images = images[:, :1]
        return self._normalise(self._makers[name](images, generator))

    def plain(self, images: Tensor) -> Tensor:
        """The images as they are tested: without chance, resized where their size differs.

        Of photographs the middle 224 / 256 is taken.

        Args:
            images: float32 (B, 1 or 3, H, W) in [0, 1].

        Returns:
            float32 (B, 3, image_px, image_px), normalised, channels last in memory.
        """
        return self._resized(images, _TEST_SHARE if self.kind == "large" else 1.0)

    def whole(self, images: Tensor) -> Tensor:
        """As `plain`, but of photographs too everything: for maps that are laid over the image."""
        return self._resized(images, 1.0)

    def _resized(self, images: Tensor, share: float) -> Tensor:
        """The middle share of each side, at the size of a view."""
        if self.kind == "grey":
            images = images[:, :1]
        sides = images.shape[2:]
        if share != 1.0 or tuple(sides) != (self.image_px, self.image_px):
            weights = []
            for side in sides:
                length = torch.full((len(images),), round(side * share), device=images.device)
                start = (side - length) // 2
                weights.append(resize_weights(start, length, side, self.image_px))
            images = resample(images, *weights)
        return self._normalise(images)

    def _small_cls(self, images: Tensor, generator: torch.Generator) -> Tensor:
        n_images, device = len(images), images.device
        height, width = images.shape[2:]
        flips = draw_flips(n_images, generator)
        most = _GENTLE_PADDING_PX if self._is_gentle else _PADDING_PX
        offset = torch.randint(-most, most + 1, (2, n_images), generator=generator)
        offset, flips = offset.to(device, non_blocking=True), flips.to(device, non_blocking=True)
        images = shift(images, offset, flips).contiguous()
        if self._is_gentle:
            return images
        centre = _draw_centres(n_images, (height, width), generator)
        size = torch.full((n_images,), _CUTOUT_PX, device=device)
        images = cut_out(images, centre.to(device, non_blocking=True), size, 0.0)
        if self.kind == "grey":
            return images
        return auto_augment(images, "cifar10", generator)

    def _large_cls(self, images: Tensor, generator: torch.Generator) -> Tensor:
        images = self._cropped(images, generator)
        return images if self._is_gentle else auto_augment(images, "imagenet", generator)

    def _weak(self, images: Tensor, generator: torch.Generator) -> Tensor:
        images = self._cropped(images, generator)
        if self.kind == "grey":
            return images
        images = jitter(images, _JITTER, 0.8, generator)
        bleached = torch.rand(len(images), generator=generator) < 0.2
        bleached = bleached.to(images.device, non_blocking=True)
        share = bleached.float()[:, None, None, None]
        return torch.lerp(images, to_grey(images), share)

    def _strong(self, images: Tensor, generator: torch.Generator) -> Tensor:
        images = self._cropped(images, generator)
        if self.kind == "grey":
            return jitter(images, _JITTER, 0.8, generator)
        images = rand_augment(images, 3, _RAND_AUGMENT_LEVEL, generator)
        if self.kind == "large":
            return images
        side = min(images.shape[2:])
        centre = _draw_centres(len(images), tuple(images.shape[2:]), generator)
        size = torch.randint(side // 2 + 1, (len(images),), generator=generator)
        device = images.device
        centre, size = centre.to(device, non_blocking=True), size.to(device, non_blocking=True)
        return cut_out(images, centre, size, _GREY_VALUE)

    def _cropped(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """A random crop, resized and maybe mirrored."""
        n_images, device = len(images), images.device
        height, width = images.shape[2:]
        area = _LARGE_AREA if self.kind == "large" else _SMALL_AREA
        window = draw_windows(n_images, (height, width), area, generator)
        flips = draw_flips(n_images, generator).to(device, non_blocking=True)
        box = torch.stack([window.top, window.height, window.left, window.width])
        top, n_rows, left, n_columns = box.to(device, non_blocking=True)
        vertical = resize_weights(top, n_rows, height, self.image_px)
        horizontal = resize_weights(left, n_columns, width, self.image_px, flips)
        return resample(images, vertical, horizontal).contiguous()

    def _normalise(self, images: Tensor) -> Tensor:
        if self._mean.device != images.device:
            # Once, and then kept there: a copy for every view would be waited for.
            self._mean, self._std = self._mean.to(images.device), self._std.to(images.device)
        last = (images - self._mean).div_(self._std).permute(0, 2, 3, 1).expand(-1, -1, -1, 3)
        return last.contiguous().permute(0, 3, 1, 2)


def _draw_centres(n_images: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Random pixels, int64 (2, B): row and column."""
    rows = torch.randint(size[0], (n_images,), generator=generator)
    columns = torch.randint(size[1], (n_images,), generator=generator)
    return torch.stack([rows, columns])
