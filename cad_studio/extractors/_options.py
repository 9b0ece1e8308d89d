"""What may stand behind the name of a network: `torchvision:resnet18,size=160,mirror,openvino`."""

import re
from dataclasses import dataclass

from cad_studio.core.errors import SettingError

HINT = (
    "; options behind a comma: size=PIXELS, mirror, layers=COUNT, openvino (faster on CPUs), "
    "compile, bf16"
)

_OPTION = re.compile(r",(size=(\d+)|mirror|layers=(\d+)|openvino|compile|bf16)$")
ENGINE_OPTIONS = ("openvino", "compile", "bf16")
"""What computes; in the key of the features too, since it changes their last digits."""

_SIZES = (16, 2048)
_LAYERS = (1, 12)


@dataclass(frozen=True)
class Options:
    """How a network looks at images.

    Attributes:
        size: Side of what it is given, in pixels; None takes that of its training.
        mirror: Whether the mirrored image is looked at too, and the mean of both taken.
        layers: Stages whose mean features are joined, the last and those before it.
        openvino: Whether OpenVINO computes, in place of torch.
        compile: Whether torch compiles the network first.
        bf16: Whether it computes in bf16, not float32.
    """

    size: int | None = None
    mirror: bool = False
    layers: int = 1
    openvino: bool = False
    compile: bool = False
    bf16: bool = False

    def key(self) -> str:
        """Of everything but the size, which shows in the transforms; empty for the plain way."""
        chosen = [name for name in ENGINE_OPTIONS if getattr(self, name)]
        layers = [f"layers={self.layers}"] if self.layers > 1 else []
        return "".join(f"/{each}" for each in [*(["mirror"] * self.mirror), *layers, *chosen])

    def words(self) -> str:
        """For the user, to go behind a description."""
        said = [
            f"{self.size} px" if self.size else "",
            "with mirror images" if self.mirror else "",
            f"the last {self.layers} stages" if self.layers > 1 else "",
            "by OpenVINO" if self.openvino else "",
            "compiled" if self.compile else "",
            "in bf16" if self.bf16 else "",
        ]
        return "".join(f", {each}" for each in said if each)


def split_options(argument: str) -> tuple[str, Options]:
    """The name in an argument, and the options behind it, in any order.

    Raises:
        SettingError: One is given twice or out of range, or two exclude each other.
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
    if "openvino" in given and "compile" in given:
        raise SettingError("openvino and compile are two ways to compute. Leave one of them out.")
    flags = {name: name in given for name in ("mirror", *ENGINE_OPTIONS)}
    return argument, Options(given.get("size"), layers=given.get("layers", 1), **flags)
