"""A denoiser that is a U-Net over folded pixels: for GPUs, and for images of several objects."""

import torch
from torch import Tensor, nn

from cad_studio.core.optional import require
from cad_studio.models.denoiser import NETWORKS, Denoiser, DenoiserCard

_GRID = 8
_LEAST_DIVISOR = 4


@NETWORKS.register("unet")
class UnetDenoiser(Denoiser):
    """diffusers' U-Net.

    Pixels are folded into channels until a grid of 8 x 8 or a little more is left, on which the
    network works: on a CPU that is several times faster than pixels.
    """

    is_bounded = True

    def __init__(self, card: DenoiserCard) -> None:
        """Draw fresh weights from torch's own generator."""
        super().__init__(card)
        diffusers = require("diffusers", "diffusers", "The in-domain editor")
        self.divisor = max(_LEAST_DIVISOR, -(-card.side_px // (2 * _GRID)))
        grid = -(-card.side_px // self.divisor)
        self.grid = grid + grid % 2  # halved once by the network
        depth = card.channels * self.divisor**2
        levels = len(card.widths)
        self.network = diffusers.UNet2DModel(
            sample_size=self.grid,
            in_channels=depth,
            out_channels=depth,
            block_out_channels=tuple(card.widths),
            layers_per_block=1,
            down_block_types=("DownBlock2D",) * levels,
            up_block_types=("UpBlock2D",) * levels,
            norm_num_groups=8,
            class_embed_type="identity",
            add_attention=False,
        )
        self.classes = nn.Embedding(len(card.class_names) + 1, 4 * card.widths[0])
        nn.init.normal_(self.classes.weight, std=0.5)

    def fold(self, images: Tensor) -> Tensor:
        """As `Denoiser.fold`: float32 (B, channels * divisor^2, grid, grid), edges continued."""
        missing = self.grid * self.divisor - self.card.side_px
        before = missing // 2
        pads = (before, missing - before, before, missing - before)
        padded = nn.functional.pad(images * 2 - 1, pads, mode="replicate")
        return nn.functional.pixel_unshuffle(padded, self.divisor).contiguous(
            memory_format=torch.channels_last
        )

    def unfold(self, folded: Tensor) -> Tensor:
        """As `Denoiser.unfold`."""
        side = self.card.side_px
        before = (self.grid * self.divisor - side) // 2
        whole = nn.functional.pixel_shuffle(folded, self.divisor)
        part = whole[:, :, before : before + side, before : before + side]
        return ((part + 1) / 2).clamp(0.0, 1.0)

    def forward(self, noised: Tensor, time: Tensor, label: Tensor) -> Tensor:
        """As `Denoiser.forward`."""
        out: Tensor = self.network(noised, time, class_labels=self.classes(label)).sample
        return out
