"""Where networks compute."""

import torch

from cad_studio.core.errors import SettingError


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
