"""The residual block of every ResNet here.

After He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016,
https://arxiv.org/abs/1512.03385.
"""

from collections.abc import Iterable

from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with BatchNorm beside a shortcut.

    The shortcut is a 1x1 convolution with BatchNorm where stride or width change.
    """

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        """Draw fresh weights."""
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Sequential()
        if stride != 1 or width_in != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, inputs: Tensor) -> Tensor:
        """Float (B, width_in, H, W) -> float (B, width, H / stride, W / stride), rounded up."""
        hidden = self.relu(self.bn1(self.conv1(inputs)))
        return self.relu(self.bn2(self.conv2(hidden)) + self.shortcut(inputs))


def stack_blocks(width_in: int, stages: Iterable[tuple[int, int, int]]) -> nn.Sequential:
    """Blocks in a row.

    Args:
        width_in: Channels of the input.
        stages: (width, number of blocks, stride of the first) of each stage.
    """
    blocks = []
    for width, n_blocks, stride in stages:
        for position in range(n_blocks):
            blocks.append(BasicBlock(width_in, width, stride if position == 0 else 1))
            width_in = width
    return nn.Sequential(*blocks)


def start_convolutions(network: nn.Module) -> None:
    """Draw the weights of all convolutions as the ResNet authors do: normal, by fan out."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
