"""When the networks of a run are compiled."""

import shutil
from importlib.util import find_spec

import torch
from torch import nn

from cad_studio.core.errors import MissingPackageError
from cad_studio.models.network import Network

PAYS_FROM_STEPS = 20_000
"""Steps of a run from which `auto` compiles on a GPU. Reasoned, not measured: compiling takes a
minute or two for each mode of a network, and saves some milliseconds a step."""

_COMPILERS = ("c++", "g++", "clang++")


def choose_compile(wanted: str, device: torch.device, n_steps: int) -> bool:
    """Whether to compile.

    Args:
        wanted: `on`, `off`, or `auto`: on a GPU in a long run, where it can be done.
        device: Where the networks are.
        n_steps: Steps of the whole run.

    Raises:
        MissingPackageError: It is wanted, and what it needs is not there.
    """
    if wanted == "auto":
        return device.type == "cuda" and n_steps >= PAYS_FROM_STEPS and _has_triton()
    if wanted == "off":
        return False
    if device.type == "cuda" and not _has_triton():
        raise MissingPackageError(
            "Compiling for a GPU needs triton. Install it with: pip install triton. "
            "Or set compile to off."
        )
    if device.type == "cpu" and not any(map(shutil.which, _COMPILERS)):
        raise MissingPackageError(
            f"Compiling for a CPU needs a C++ compiler, one of {', '.join(_COMPILERS)}. "
            "Install one, or set compile to off."
        )
    return True


def compile_networks(method: nn.Module) -> None:
    """Compile the backbones of a method's networks, each at its first call."""
    for module in method.modules():
        if isinstance(module, Network):
            module.compile_backbone()


def _has_triton() -> bool:
    return find_spec("triton") is not None
