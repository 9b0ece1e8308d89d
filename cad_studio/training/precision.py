"""Which numbers a run computes with."""

from contextlib import AbstractContextManager
from copy import deepcopy
from time import perf_counter, process_time

import psutil
import torch
from torch import Tensor, nn

from cad_studio.models.device import wait_for

_WORTHWHILE = 1.2
_TRIED_ON_CPU = 8
_LARGE_ON_CPU = 1_000_000
"""Weights from which on bf16 is tried on a CPU; a ResNet-18 has 11 million and gains about 1.9, a
ResNet-8 has 0.1 million and gains 1.0 to 1.3."""

_REPEATS = 3


def choose_precision(wanted: str, network: nn.Module, inputs: Tensor) -> str:
    """`bf16` or `float32`; `auto` takes bf16 where it is clearly faster, which is tried once.

    A device without bf16 arithmetic is not tried: a CPU is then many times slower with it. Nor is
    a small network on a CPU, which gains little: its precision, and with it the weights of a run,
    would hang on how busy the machine is.

    Args:
        wanted: `auto`, `float32` or `bf16`.
        network: What is trained; left as it is.
        inputs: A batch for it, on its device.
    """
    if wanted != "auto":
        return wanted
    if inputs.device.type == "cpu":
        is_large = sum(weight.numel() for weight in network.parameters()) >= _LARGE_ON_CPU
        has_bf16 = is_large and _cpu_has_bf16()
        inputs = inputs[:_TRIED_ON_CPU]
    else:
        is_cuda = inputs.device.type == "cuda"
        has_bf16 = is_cuda and torch.cuda.is_bf16_supported(including_emulation=False)
    if not has_bf16:
        return "float32"
    trial = deepcopy(network).train()
    best = dict.fromkeys(("float32", "bf16"), float("inf"))
    for _ in range(_REPEATS):
        for precision in best:
            best[precision] = min(best[precision], _seconds(trial, inputs, precision))
    return "bf16" if best["float32"] > _WORTHWHILE * best["bf16"] else "float32"


def computing_in(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """The context to run a network in."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def memory_mb(device: torch.device) -> float:
    """Memory of this process in MiB, or the most taken so far on the GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if device.type == "mps":
        return torch.mps.driver_allocated_memory() / 2**20
    return psutil.Process().memory_info().rss / 2**20


def _cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 numbers itself, rather than by way of float32."""
    known = torch.cpu.get_capabilities()
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))


def _seconds(network: nn.Module, inputs: Tensor, precision: str) -> float:
    """Time of one forward and backward pass; on a CPU that of the process."""
    clock = process_time if inputs.device.type == "cpu" else perf_counter
    wait_for(inputs.device)
    started = clock()
    with computing_in(precision, inputs.device):
        loss = network(inputs).float().square().mean()
    loss.backward()
    wait_for(inputs.device)
    return clock() - started
