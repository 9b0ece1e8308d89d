"""ResNet-18 and ResNet-34, with the stem that fits the size of the images.

After He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016,
https://arxiv.org/abs/1512.03385. Departure: below 96 px the stem is one 3x3 convolution without
stride or pooling, as is usual for CIFAR. The code of CAD keeps that stem at 224 px, where it
costs 57 GMAC an image; here the published stem takes over.
"""

from torch import Tensor, nn

from cad_studio.models._base import BACKBONES, Backbone
from cad_studio.models._basic_block import stack_blocks, start_convolutions

LARGE_PX = 96
"""From this side on an image gets the stem of the paper, which divides its side by four."""


@BACKBONES.register("resnet18")
class ResNet18(Backbone):
    """Two blocks a stage."""

    width = 512

    def __init__(self, size: int, argument: str = "", blueprint: str = "") -> None:
        """Draw fresh weights for images of this side."""
        super().__init__()
        self.layers = _make_layers((2, 2, 2, 2), size)

    def forward(self, inputs: Tensor) -> Tensor:
        """As `Backbone.forward`; the map's side is an eighth, or a 32nd from 96 px on."""
        return self.layers(inputs)


@BACKBONES.register("resnet34")
class ResNet34(Backbone):
    """Three, four, six and three blocks."""

    width = 512

    def __init__(self, size: int, argument: str = "", blueprint: str = "") -> None:
        """Draw fresh weights for images of this side."""
        super().__init__()
        self.layers = _make_layers((3, 4, 6, 3), size)

    def forward(self, inputs: Tensor) -> Tensor:
        """As `Backbone.forward`; the map's side is an eighth, or a 32nd from 96 px on."""
        return self.layers(inputs)


def _make_layers(n_blocks: tuple[int, int, int, int], image_px: int) -> nn.Sequential:
    if image_px < LARGE_PX:
        stem = [nn.Conv2d(3, 64, 3, padding=1, bias=False)]
    else:
        stem = [nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)]
    stem += [nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
    if image_px >= LARGE_PX:
        stem += [nn.MaxPool2d(3, stride=2, padding=1)]
    stages = zip((64, 128, 256, 512), n_blocks, (1, 2, 2, 2), strict=True)
    layers = nn.Sequential(*stem, stack_blocks(64, stages))
    start_convolutions(layers)
    return layers
