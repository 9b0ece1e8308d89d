"""What may stand behind the name of a network: `torchvision:resnet18,size=160,mirror,layers=2`."""

import re
from dataclasses import dataclass

from cad_studio.core.errors import SettingError

HINT = "; options behind a comma: size=PIXELS, mirror, layers=COUNT"

_OPTION = re.compile(r",(size=(\d+)|mirror|layers=(\d+))$")
_SIZES = (16, 2048)
_LAYERS = (1, 12)


@dataclass(frozen=True)
class Options:
    """How a network looks at images.

    Attributes:
        size: Side of what it is given, in pixels; None takes that of its training.
        mirror: Whether the mirrored image is looked at too, and the mean of both taken.
        layers: Stages whose mean features are joined, the last and those before it.
    """

    size: int | None = None
    mirror: bool = False
    layers: int = 1

    def key(self) -> str:
        """Of everything but the size, which shows in the transforms; empty for the plain way."""
        return "/mirror" * self.mirror + (f"/layers={self.layers}" if self.layers > 1 else "")

    def words(self) -> str:
        """For the user, to go behind a description."""
        said = [
            f"{self.size} px" if self.size else "",
            "with mirror images" if self.mirror else "",
            f"the last {self.layers} stages" if self.layers > 1 else "",
        ]
        return "".join(f", {each}" for each in said if each)


def split_options(argument: str) -> tuple[str, Options]:
    """The name in an argument, and the options behind it, in any order.

    Raises:
        SettingError: One is given twice or out of range.
    """
    given: dict[str, int] = {}
    while found := _OPTION.search(argument):
        argument = argument[: found.start()]
        name = found[1].partition("=")[0]
        if name in given:
            raise SettingError(f"{name} is given twice.")
        given[name] = int(found[2] or found[3] or 1)
    for name, (least, most) in (("size", _SIZES), ("layers", _LAYERS)):
        if name in given and not least <= given[name] <= most:
            raise SettingError(f"{name} is {given[name]}; expected {least} to {most}.")
    return argument, Options(given.get("size"), "mirror" in given, given.get("layers", 1))
