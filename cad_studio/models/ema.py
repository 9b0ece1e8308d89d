"""The slow copy of a network: an exponential moving average of its weights."""

from copy import deepcopy

import torch

from cad_studio.models.network import Network


def copy_network(network: Network) -> Network:
    """An exact copy that takes no gradient and is always in evaluation mode."""
    copy = deepcopy(network).requires_grad_(False)
    copy.frozen = True
    return copy.eval()


@torch.no_grad()
def update_ema(teacher: Network, student: Network, momentum: float) -> None:
    """Move the copy towards its original, in place.

    Weights become momentum * teacher + (1 - momentum) * student; the statistics of BatchNorm are
    copied, since they are averages already.

    Args:
        teacher: Made by `copy_network`.
        student: The network that learns.
        momentum: 0 copies, 1 changes no weight.
    """
    torch._foreach_lerp_(
        list(teacher.parameters()), list(student.parameters()), weight=1.0 - momentum
    )
    for slow, fast in zip(teacher.buffers(), student.buffers(), strict=True):
        slow.copy_(fast)
