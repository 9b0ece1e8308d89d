"""The annotator for images of any kind: a small convolutional network at 32 px."""

from typing import TYPE_CHECKING

from cad_studio.annotators._base import ANNOTATORS, Annotator, InputShape

if TYPE_CHECKING:
    from torch import nn

SIDE_PX = 32
# (width, stride) of each convolution. Two halvings come at once: that is what makes the network
# fast enough for a CPU.
CONVOLUTIONS = ((24, 2), (48, 2), (48, 1), (96, 2), (96, 1))


@ANNOTATORS.register("cnn")
class Cnn(Annotator):
    """Five 3x3 convolutions with BatchNorm and ReLU, a global mean, one linear layer."""

    takes_features = False

    def image_shape(self, native_shape: tuple[int, int, int] | None) -> tuple[int, int, int]:
        """32 by 32 RGB, whatever the images are."""
        return SIDE_PX, SIDE_PX, 3

    def build(self, shape: InputShape, n_classes: int) -> "nn.Module":
        """A fresh network, float32 (B, 32, 32, 3) -> logits float32 (B, C)."""
        import torch
        from torch import nn

        class ChannelsFirst(nn.Module):
            """A view with the channels second; the memory stays in channels-last order."""

            def forward(self, images: torch.Tensor) -> torch.Tensor:
                return images.permute(0, 3, 1, 2)

        layers: list[nn.Module] = [ChannelsFirst()]
        before = shape[2]
        for width, stride in CONVOLUTIONS:
            layers.append(nn.Conv2d(before, width, 3, stride, padding=1, bias=False))
            layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            before = width
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, n_classes)]
        return nn.Sequential(*layers).to(memory_format=torch.channels_last)
