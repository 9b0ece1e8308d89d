"""Where and with what a run is trained, for the record."""

import hashlib
import os
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any

import torch

import cad_studio
from cad_studio import __version__

_ENGINE_ROOMS = ("core", "models", "algorithms", "training", "mining")


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


@cache
def engine_digest() -> str:
    """What tells the code that trains from every other state of it, 12 hexadecimal digits.

    The version alone does not: it stays the same while the code is being worked on.
    """
    digest, house = hashlib.sha256(), Path(cad_studio.__file__).parent
    for room in _ENGINE_ROOMS:
        for file in sorted((house / room).glob("*.py")):
            # A checkout may have other line ends on another system.
            lines = file.read_bytes().replace(b"\r\n", b"\n")
            digest.update(f"{room}/{file.name}\n".encode() + lines + b"\0")
    return digest.hexdigest()[:12]
