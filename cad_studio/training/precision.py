"""Which numbers a run computes with."""

from contextlib import AbstractContextManager
from copy import deepcopy
from time import perf_counter

import psutil
import torch
from torch import Tensor, nn

from cad_studio.core.errors import SettingError

_WORTHWHILE = 1.2
_REPEATS = 3


def choose_device(wanted: str) -> torch.device:
    """The device a setting stands for; `auto` takes a CUDA device where there is one.

    Raises:
        SettingError: There is no such device here.
    """
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise SettingError(f"device is {wanted!r}. Allowed: auto, cpu, cuda, cuda:1.") from error
    if device.type == "cuda":
        n_devices = torch.cuda.device_count()
        if (device.index or 0) >= n_devices:
            raise SettingError(
                f"device is {wanted!r}; this machine has {n_devices} CUDA devices. Choose cpu."
            )
    elif device.type != "cpu":
        raise SettingError(f"device is {wanted!r}. Allowed: auto, cpu, cuda, cuda:1.")
    return device


def choose_precision(wanted: str, network: nn.Module, inputs: Tensor) -> str:
    """`bf16` or `float32`; `auto` takes bf16 on a GPU where it is clearly faster.

    On a CPU `auto` is always float32: without bf16 arithmetic it is many times slower, and with
    it the choice would hang on a timing, and the weights of a run on the choice.

    Args:
        wanted: `auto`, `float32` or `bf16`.
        network: What is trained; left as it is.
        inputs: A batch for it, on its device.
    """
    if wanted != "auto":
        return wanted
    if inputs.device.type == "cpu" or not torch.cuda.is_bf16_supported(including_emulation=False):
        return "float32"
    trial = deepcopy(network)
    full = _seconds(trial, inputs, "float32")
    half = _seconds(trial, inputs, "bf16")
    return "bf16" if full > _WORTHWHILE * half else "float32"


def computing_in(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """The context to run a network in."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def memory_mb(device: torch.device) -> float:
    """Memory of this process in MiB, or the most taken so far on the GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return psutil.Process().memory_info().rss / 2**20


def _seconds(network: nn.Module, inputs: Tensor, precision: str) -> float:
    """Time of one forward and backward pass, the best of a few."""
    best = float("inf")
    for _ in range(_REPEATS):
        torch.cuda.synchronize(inputs.device)
        started = perf_counter()
        with computing_in(precision, inputs.device):
            loss = network(inputs).float().square().mean()
        loss.backward()
        torch.cuda.synchronize(inputs.device)
        best = min(best, perf_counter() - started)
    return best
