"""How much memory reading a source may take: half of what the machine has free just now.

A reader compares what a file announces with this limit before anything is unpacked. What a file
announces need not be true, so a reader also stops where the unpacked data grows past it.
"""

from contextlib import suppress
from pathlib import Path

import psutil

from cad_studio.core.errors import DatasetFormatError

SHARE = 0.5
"""Part of the free memory that one import may take; the rest is for everything else."""

ROW_BYTES = 600
"""Roughly what a sample costs in Python objects: id, split, set, label, perhaps a problem."""

_granted: int | None = None
_UNLIMITED = 1 << 60  # control groups of version 1 write a huge number for "no limit"


def grant(size_bytes: int) -> None:
    """From now on this process may take at most so much, whatever is free."""
    global _granted
    _granted = size_bytes


def memory_limit(root: Path = Path("/")) -> int:
    """Bytes that reading one source may take now.

    Args:
        root: Where `proc` and `sys` are.
    """
    free = psutil.virtual_memory().available
    for folder in _groups(root):
        left = _left_in(folder)
        if left is not None:
            free = min(free, left)
    limit = int(free * SHARE)
    return limit if _granted is None else min(limit, _granted)


def require_memory(size_bytes: int, what: str) -> None:
    """Refuse what would not fit, before it is unpacked.

    Args:
        size_bytes: What it would take, all copies that exist at one time together.
        what: The file, and the part of it, as the subject of a sentence.

    Raises:
        DatasetFormatError: It is more than `memory_limit`; says both.
    """
    limit = memory_limit()
    if size_bytes > limit:
        raise DatasetFormatError(
            f"{what} would take {in_words(size_bytes)} of memory; {in_words(limit)} may be used, "
            "half of what is free now. If the file is what it should be, close other programs, "
            "split it, or use a machine with more memory."
        )


def require_rows(n_rows: int, what: str) -> None:
    """Refuse more samples than their names and labels would fit into memory.

    Raises:
        DatasetFormatError: As `require_memory`.
    """
    require_memory(n_rows * ROW_BYTES, f"{what}, with {n_rows:,} rows,")


def in_words(size_bytes: int) -> str:
    """A size for a message, e.g. `3.9 GiB`."""
    if size_bytes >= 2**60:
        return "more than a billion GiB"
    if size_bytes >= 2**30:
        return f"{size_bytes / 2**30:,.1f} GiB"
    return f"{max(size_bytes, 0) / 2**20:,.0f} MiB"


def _groups(root: Path) -> list[Path]:
    """Folders of this process's control groups and of those around them, where there are any."""
    mounted = root / "sys" / "fs" / "cgroup"
    found = []
    with suppress(OSError, ValueError):
        for line in (root / "proc" / "self" / "cgroup").read_text().splitlines():
            number, controllers, group = line.split(":", 2)
            if number == "0":
                top = mounted
            elif "memory" in controllers.split(","):
                top = mounted / "memory"
            else:
                continue
            # Inside a container the group's own folder may lie at the top.
            folder = top / group.lstrip("/")
            found += [folder, *(above for above in folder.parents if above.is_relative_to(top))]
    return found


def _left_in(folder: Path) -> int | None:
    """Bytes that a control group leaves its processes, or None without a limit."""
    limit = _number(folder / "memory.max", folder / "memory.limit_in_bytes")
    used = _number(folder / "memory.current", folder / "memory.usage_in_bytes")
    if limit is None or used is None or limit >= _UNLIMITED:
        return None
    return max(limit - used + _reclaimable(folder / "memory.stat"), 0)


def _number(*files: Path) -> int | None:
    for file in files:
        with suppress(OSError, ValueError):
            return int(file.read_text())
    return None


def _reclaimable(stat: Path) -> int:
    """File pages that a group can give back at once; they count as used until then."""
    with suppress(OSError, ValueError):
        for line in stat.read_text().splitlines():
            name, _, value = line.partition(" ")
            if name in ("inactive_file", "total_inactive_file"):
                return int(value)
    return 0
