"""Where and with what a run is trained, for the record."""

import os
import platform
import sys
from typing import Any

import torch

from cad_studio import __version__


def describe_environment() -> dict[str, Any]:
    """Versions and machine.

    Returns:
        `cad_studio`, `python`, `torch`, `system`, `device`, `cpu_cores`, `threads`.
    """
    has_gpu = torch.cuda.is_available()
    return {
        "cad_studio": __version__,
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "system": platform.platform(terse=True),
        "device": torch.cuda.get_device_name() if has_gpu else platform.machine(),
        "cpu_cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }
