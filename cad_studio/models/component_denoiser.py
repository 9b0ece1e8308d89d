"""A denoiser over principal components of the images: ten times faster than a U-Net on a CPU."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from cad_studio.models.denoiser import N_TIMES, NETWORKS, Denoiser, DenoiserCard

_CONDITION_WIDTH = 256
_WAVES = 32
_LARGE_CHANGE = 0.25
_MOST_BYTES = 256 << 20
"""For the images whose components are sought, with their mirror images, as float32."""

_POWER = 0.5
"""Components are divided by this power of their variance's root: 1 would give fine detail, which
is mostly noise, as much weight as shape; 0 hardly any."""


@NETWORKS.register("components")
class ComponentDenoiser(Denoiser):
    """A residual perceptron, modulated by noise level and class.

    What the components do not hold (fine texture, prints) stays where an edit changes little.

    Attributes:
        mean: float32 (pixels,). Of the images, on the scale of -1 to 1.
        basis: float32 (pixels, D). Principal directions, orthonormal.
        scale: float32 (D,). What each component is divided by.
    """

    is_bounded = False
    mean: Tensor
    basis: Tensor
    scale: Tensor
    waves: Tensor

    def __init__(self, card: DenoiserCard) -> None:
        """Draw fresh weights from torch's own generator; `prepare` or stored weights follow."""
        super().__init__(card)
        width, depth, n_components = card.widths
        n_pixels = card.channels * card.side_px**2
        self.register_buffer("mean", torch.zeros(n_pixels))
        self.register_buffer("basis", torch.zeros(n_pixels, n_components))
        self.register_buffer("scale", torch.ones(n_components))
        waves = torch.exp(torch.linspace(0.0, math.log(N_TIMES), _WAVES))
        self.register_buffer("waves", waves, persistent=False)
        self.classes = nn.Embedding(len(card.class_names) + 1, _CONDITION_WIDTH)
        nn.init.normal_(self.classes.weight, std=0.5)
        self.level = nn.Sequential(
            nn.Linear(2 * _WAVES, _CONDITION_WIDTH),
            nn.SiLU(),
            nn.Linear(_CONDITION_WIDTH, _CONDITION_WIDTH),
        )
        self.first = nn.Linear(n_components, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(depth))
        self.last = nn.Linear(width, n_components)
        nn.init.zeros_(self.last.weight)

    @torch.no_grad()
    def prepare(self, images: Iterable[Tensor]) -> None:
        """As `Denoiser.prepare`: principal components of the images and their mirror images.

        Of large images fewer are looked at, so that a quarter of a gigabyte holds them.
        """
        n_components, n_pixels = len(self.scale), len(self.mean)
        most = max(_MOST_BYTES // (8 * n_pixels), n_components)
        # Memory is taken as it is filled.
        whole, n_rows = torch.empty(2 * most, n_pixels), 0
        for batch in images:
            some = batch[: most - n_rows // 2]
            for turned in (some, some.flip(3)):
                whole[n_rows : n_rows + len(some)] = turned.flatten(1)
                n_rows += len(some)
            if n_rows == 2 * most:
                break
        flat = whole[:n_rows].mul_(2).sub_(1)
        mean = flat.mean(dim=0)
        _, singular, directions = torch.pca_lowrank(
            flat.sub_(mean), q=n_components, center=False, niter=4
        )
        values = (singular**2 / max(len(flat) - 1, 1)).clamp(min=1e-6)
        scale = values ** (_POWER / 2)
        # Unit size on average: the noise levels are made for that.
        scale *= (values / scale**2).mean().sqrt()
        self.mean.copy_(mean)
        self.basis.copy_(directions)
        self.scale.copy_(scale)

    def fold(self, images: Tensor) -> Tensor:
        """As `Denoiser.fold`: float32 (B, D) components."""
        return ((images.flatten(1) * 2 - 1 - self.mean) @ self.basis) / self.scale

    def unfold(self, folded: Tensor) -> Tensor:
        """As `Denoiser.unfold`."""
        return ((self._pixels(folded) + self.mean + 1) / 2).clamp(0.0, 1.0).view(self._shape)

    def redraw(self, images: Tensor, folded: Tensor, drawn: Tensor) -> Tensor:
        """As `Denoiser.redraw`.

        What the components do not hold of the source is put back, but only where little has
        changed: the laces of a boot have no place on the sandal it became.
        """
        before, after = self.unfold(folded), self.unfold(drawn)
        kept = (1.0 - (after - before).abs() / _LARGE_CHANGE).clamp(0.0, 1.0)
        return (after + kept * (images - before)).clamp(0.0, 1.0)

    def forward(self, noised: Tensor, time: Tensor, label: Tensor) -> Tensor:
        """As `Denoiser.forward`."""
        angle = (time.float() / N_TIMES)[:, None] * self.waves
        condition = self.level(torch.cat([angle.sin(), angle.cos()], dim=1)) + self.classes(label)
        condition = nn.functional.silu(condition)
        hidden = self.first(noised)
        for block in self.blocks:
            hidden = block(hidden, condition)
        out: Tensor = self.last(nn.functional.silu(hidden))
        return out

    @property
    def _shape(self) -> tuple[int, int, int, int]:
        card = self.card
        return (-1, card.channels, card.side_px, card.side_px)

    def _pixels(self, folded: Tensor) -> Tensor:
        """Components as pixels on the scale of -1 to 1, the mean left out, (B, pixels)."""
        return (folded * self.scale) @ self.basis.T


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)
        self.modulation = nn.Linear(_CONDITION_WIDTH, 2 * width)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.modulation.weight)

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.modulation(condition).chunk(2, dim=1)
        inner = self.inner(self.norm(hidden) * (1 + scale) + shift)
        out: Tensor = hidden + self.outer(nn.functional.silu(inner))
        return out
