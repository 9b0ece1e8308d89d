"""What a backbone promises, and how one is named."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from cad_studio.core.errors import SettingError
from cad_studio.core.registry import Registry


class Backbone(nn.Module, ABC):
    """Images or feature vectors to a feature map.

    A member is built as `Member(size, argument, blueprint)`. `size` is the side of the images in
    pixels, or the width of the vectors for a member that takes features; `argument` is the text
    after the colon of its spec; `blueprint`, where it is given, is that of a network of this spec
    whose weights will be set afterwards, so that none need be found elsewhere.

    Attributes:
        width: F, channels of the map.
        takes_features: Whether it reads vectors rather than images.
        argument_hint: What stands after the colon; empty when nothing may.
        reaches_out: Whether the argument may name a place outside the project, or on the Hub.
        examples: Some arguments, to choose from.
        blueprint: What else is needed to build it again without its first weights.
        normalisation: Mean and standard deviation of the images that its first weights were
            learned from, on the scale of 0 to 1; None where that is not known.
    """

    width: int
    takes_features: bool = False
    argument_hint: str = ""
    reaches_out: bool = False
    examples: tuple[str, ...] = ()
    blueprint: str = ""
    normalisation: tuple[list[float], list[float]] | None = None

    @classmethod
    def has_learned(cls, argument: str) -> bool:
        """Whether its first weights were learned elsewhere rather than drawn.

        Args:
            argument: The text after the colon of its spec.
        """
        return False

    @abstractmethod
    def forward(self, inputs: Tensor) -> Tensor:
        """The last feature map.

        Args:
            inputs: float32 (B, 3, H, W), normalised; or (B, D_in) where it takes features.

        Returns:
            float (B, F, h, w); h and w are 1 where it takes features.
        """


BACKBONES: Registry[type[Backbone]] = Registry("cad_studio.models", "backbone")


def make_backbone(spec: str, size: int, blueprint: str = "") -> Backbone:
    """Build `name` or `name:argument`; fresh weights are drawn from torch's own generator.

    Args:
        spec: E.g. `resnet8` or `torchvision:resnet50:pretrained`.
        size: Side of the images in pixels, or width of the vectors.
        blueprint: Of a network whose weights will be set afterwards; see `Backbone`.

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
    return member(size, argument, blueprint)


def has_learned(spec: str) -> bool:
    """Whether the first weights of a network were learned elsewhere rather than drawn.

    Raises:
        SettingError: There is no such backbone.
    """
    name, _, argument = spec.partition(":")
    return BACKBONES.get(name).has_learned(argument)
