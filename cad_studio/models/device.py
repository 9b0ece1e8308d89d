"""Where networks compute."""

import torch

from cad_studio.core.errors import SettingError

ALLOWED = "auto, cpu, cuda, cuda:1, mps"


def choose_device(wanted: str) -> torch.device:
    """The device a setting stands for; `auto` takes a CUDA device, else Apple's, else the CPU.

    Raises:
        SettingError: There is no such device here.
    """
    if wanted == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if has_mps() else "cpu"
        return torch.device(kind)
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise SettingError(f"device is {wanted!r}. Allowed: {ALLOWED}.") from error
    if device.type == "cuda":
        n_devices = torch.cuda.device_count()
        if (device.index or 0) >= n_devices:
            raise SettingError(
                f"device is {wanted!r}; this machine has {n_devices} CUDA devices. Choose cpu."
            )
    elif device.type == "mps":
        if not has_mps() or device.index:
            raise SettingError(
                f"device is {wanted!r}; mps is the graphics part of an Apple chip, and there is "
                "one of them or none. Choose cpu."
            )
    elif device.type != "cpu":
        raise SettingError(f"device is {wanted!r}. Allowed: {ALLOWED}.")
    return device


def has_mps() -> bool:
    """Whether PyTorch can compute on an Apple chip's graphics part here."""
    return torch.backends.mps.is_available()


def wait_for(device: torch.device) -> None:
    """Wait until a device has computed all that it was given; a CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
