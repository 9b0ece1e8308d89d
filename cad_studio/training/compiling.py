"""When the networks of a run are compiled."""

import torch
from torch import nn

from cad_studio.core.optional import is_installed, require_compiler
from cad_studio.models.network import Network

PAYS_FROM_STEPS = 20_000
"""Steps of a run from which `auto` compiles on a GPU. Reasoned, not measured: compiling takes a
minute or two for each mode of a network, and saves some milliseconds a step."""


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
        return device.type == "cuda" and n_steps >= PAYS_FROM_STEPS and is_installed("triton")
    if wanted == "off":
        return False
    require_compiler(device.type, "set compile to off")
    return True


def compile_networks(method: nn.Module) -> None:
    """Compile the backbones of a method's networks, each at its first call."""
    for module in method.modules():
        if isinstance(module, Network):
            module.compile_backbone()
