"""ResNet-8 for a CPU: halved at the stem, one block a stage.

At 28 px, 16 / 32 / 64 channels take 5 MFLOP an image and give a 4 x 4 map; the wide one takes four
times that.
"""

from torch import Tensor, nn

from cad_studio.models._base import BACKBONES, Backbone
from cad_studio.models._basic_block import stack_blocks, start_convolutions


@BACKBONES.register("resnet8")
class ResNet8(Backbone):
    """16, 32 and 64 channels."""

    width = 64

    def __init__(self, size: int, argument: str = "", blueprint: str = "") -> None:
        """Draw fresh weights; any size of image fits."""
        super().__init__()
        self.layers = _make_layers((16, 32, 64))

    def forward(self, inputs: Tensor) -> Tensor:
        """As `Backbone.forward`, the map an eighth of the image's side."""
        return self.layers(inputs)


@BACKBONES.register("resnet8-wide")
class ResNet8Wide(Backbone):
    """32, 64 and 128 channels."""

    width = 128

    def __init__(self, size: int, argument: str = "", blueprint: str = "") -> None:
        """Draw fresh weights; any size of image fits."""
        super().__init__()
        self.layers = _make_layers((32, 64, 128))

    def forward(self, inputs: Tensor) -> Tensor:
        """As `Backbone.forward`, the map an eighth of the image's side."""
        return self.layers(inputs)


def _make_layers(widths: tuple[int, int, int]) -> nn.Sequential:
    first, second, third = widths
    layers = nn.Sequential(
        nn.Conv2d(3, first, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(first),
        nn.ReLU(inplace=True),
        stack_blocks(first, [(first, 1, 1), (second, 1, 2), (third, 1, 2)]),
    )
    start_convolutions(layers)
    return layers
