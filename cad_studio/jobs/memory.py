"""Whether memory ran out: what exceptions say, and what the system has counted."""

import re
from contextlib import suppress
from pathlib import Path

from cad_studio.core.errors import is_out_of_memory

ADVICE = (
    "Close other programs and resume it, or start again with a smaller batch, a smaller network "
    "or another device."
)

_ON_DEVICE = re.compile(r"CUDA|CUBLAS|CUDNN|HIP|MPS", re.IGNORECASE)


def shortage(error: BaseException) -> str | None:
    """What to tell the user if an exception means that memory ran out, else None."""
    if not is_out_of_memory(error):
        return None
    is_plain = isinstance(error, MemoryError | OSError)
    where = "graphics device" if not is_plain and _ON_DEVICE.search(str(error)) else "machine"
    return f"The {where} has too little free memory for this. {ADVICE}"


def count_oom_kills(root: Path = Path("/")) -> dict[str, int]:
    """How many processes the system has ended for want of memory, as each counter says.

    Args:
        root: Where `proc` and `sys` are.

    Returns:
        Counts by file; first those of this process's control group, last that of the machine.
        Empty where the system keeps none.
    """
    found = {}
    for file in _counters(root):
        count = read_oom_kills(file)
        if count is not None:
            found[str(file)] = count
    return found


def has_killed_since(counts: dict[str, int]) -> bool:
    """Whether the system has ended a process for want of memory since `counts` were taken.

    The first counter that can still be read decides: it is the nearest to the process.
    """
    for file, before in counts.items():
        now = read_oom_kills(Path(file))
        if now is not None:
            return now > before
    return False


def read_oom_kills(file: Path) -> int | None:
    """The number behind `oom_kill` in a file of counters, None without one."""
    with suppress(OSError, ValueError):
        for line in file.read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return None


def _counters(root: Path) -> list[Path]:
    groups = root / "sys" / "fs" / "cgroup"
    files = []
    with suppress(OSError):
        for line in (root / "proc" / "self" / "cgroup").read_text().splitlines():
            number, controllers, group = line.split(":", 2)
            if number == "0":
                files.append(groups / group.lstrip("/") / "memory.events")
            elif "memory" in controllers.split(","):
                files.append(groups / "memory" / group.lstrip("/") / "memory.oom_control")
    return [*files, root / "proc" / "vmstat"]
