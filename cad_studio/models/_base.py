"""What a backbone promises, and how one is named."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from cad_studio.core.errors import SettingError
from cad_studio.core.registry import Registry


class Backbone(nn.Module, ABC):
    """Images or feature vectors to a feature map.

    A member is built as `Member(size, argument)`. `size` is the side of the images in pixels, or
    the width of the vectors for a member that takes features; `argument` is the text after the
    colon of its spec.

    Attributes:
        width: F, channels of the map.
        takes_features: Whether it reads vectors rather than images.
        argument_hint: What stands after the colon; empty when nothing may.
    """

    width: int
    takes_features: bool = False
    argument_hint: str = ""

    @abstractmethod
    def forward(self, inputs: Tensor) -> Tensor:
        """The last feature map.

        Args:
            inputs: float32 (B, 3, H, W), normalised; or (B, D_in) where it takes features.

        Returns:
            float (B, F, h, w); h and w are 1 where it takes features.
        """


BACKBONES: Registry[type[Backbone]] = Registry("cad_studio.models", "backbone")


def make_backbone(spec: str, size: int) -> Backbone:
    """Build `name` or `name:argument` with fresh weights, drawn from torch's own generator.

    Args:
        spec: E.g. `resnet8` or `torchvision:resnet50:pretrained`.
        size: Side of the images in pixels, or width of the vectors.

    Raises:
        SettingError: No such backbone, an argument where none is taken, or none where one is.
    """
    name, _, argument = spec.partition(":")
    member = BACKBONES.get(name)
    if argument and not member.argument_hint:
        raise SettingError(f"{spec!r}: {name} takes no argument. Write {name}.")
    if member.argument_hint and not argument:
        raise SettingError(
            f"{spec!r}: {name} needs an argument. Write {name}:{member.argument_hint}."
        )
    return member(size, argument)
