"""The slow copy of a network: an exponential moving average of its weights."""

from collections.abc import Callable
from copy import deepcopy

import torch

from cad_studio.models.network import Network


def copy_network(network: Network) -> Network:
    """An exact copy that takes no gradient and is always in evaluation mode."""
    copy = deepcopy(network).requires_grad_(False)
    copy.frozen = True
    return copy.eval()


def fresh_copy(network: Network, generator: torch.Generator) -> Network:
    """As `copy_network`, with random weights of its own.

    Args:
        network: Whose shape is wanted.
        generator: Random generator, on the CPU; torch's own is left as it was.
    """
    copy = copy_network(network)
    seed = int(torch.randint(2**31, (), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for module in copy.modules():
            if isinstance(reset := getattr(module, "reset_parameters", None), Callable):
                reset()
    return copy


@torch.no_grad()
def update_ema(
    teacher: Network, student: Network, momentum: float, with_statistics: bool = True
) -> None:
    """Move the copy towards its original, in place.

    Weights become momentum * teacher + (1 - momentum) * student.

    Args:
        teacher: Made by `copy_network`.
        student: The network that learns.
        momentum: 0 copies, 1 changes no weight.
        with_statistics: Whether those of BatchNorm are copied, which are averages already.
    """
    torch._foreach_lerp_(
        list(teacher.parameters()), list(student.parameters()), weight=1.0 - momentum
    )
    statistics = list(teacher.buffers()) if with_statistics else []
    if statistics:  # a linear head has none
        torch._foreach_copy_(statistics, list(student.buffers()))
