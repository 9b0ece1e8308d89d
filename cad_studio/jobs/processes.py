"""Processes of this machine, told apart for ever: by number, beginning and boot."""

import contextlib
import os
import signal
from pathlib import Path

import psutil

from cad_studio.core.errors import ResourceError
from cad_studio.jobs._base import Place
from cad_studio.jobs.memory import count_oom_kills, has_killed_since

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has no signal that cannot be heard
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGILL, signal.SIGFPE}


def place_of(pid: int) -> Place:
    """What tells a process from every other, and what its end will be judged by."""
    return {
        "pid": pid,
        "started": started(pid),
        "boot": boot_id(),
        "oom_kills": count_oom_kills(),
    }


def is_alive(place: Place) -> bool:
    """Whether the very process of a place still runs.

    The number alone is not enough: the system gives it to another one later. Nor is the beginning,
    which is counted anew after a restart.
    """
    pid = place.get("pid")
    if pid is None or place.get("started") is None or started(pid) != place["started"]:
        return False
    if was_restarted(place.get("boot"), boot_id()):
        return False
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def end(place: Place) -> None:
    """End the process of a place and those it started, at once; nothing if it is gone.

    Raises:
        ResourceError: It is another user's.
    """
    if not is_alive(place):
        return
    pid = place["pid"]
    try:
        family = psutil.Process(pid).children(recursive=True)
        if os.name == "posix" and os.getpgid(pid) == pid:
            os.killpg(pid, _KILL)  # a worker leads a group of its own
        else:
            psutil.Process(pid).kill()
        for child in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    except (ProcessLookupError, psutil.NoSuchProcess):
        return
    except (PermissionError, psutil.AccessDenied) as error:
        raise ResourceError(
            f"Process {pid}, which runs this job, belongs to another user. Ask them to end it."
        ) from error


def why_ended(place: Place, exit_code: int | None) -> str:
    """Why the process of a place has ended before its job did, in a sentence.

    Args:
        place: Of a process that is gone.
        exit_code: What it ended with, below 0 the signal that ended it; None when nobody saw.
    """
    if was_restarted(place.get("boot"), boot_id()):
        return "The machine was restarted while this job ran."
    may_be_killed = exit_code is None or exit_code == -_KILL
    if may_be_killed and has_killed_since(place.get("oom_kills") or {}):
        return "The machine ran out of memory, and the system ended the process of this job."
    if exit_code is None:
        return "Its process was killed or crashed."
    if exit_code >= 0:
        return f"Its process ended too early, with exit status {exit_code}; its log may say why."
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    if -exit_code in _CRASHES:
        return f"Its process crashed ({name}); its log may say where."
    return f"Its process was killed ({name})."


def was_restarted(before: str | None, now: str | None) -> bool:
    """Whether two boots are known and differ."""
    return before is not None and now is not None and before != now


def boot_id() -> str | None:
    """What names the time since the machine was started; None where the kernel gives no name.

    A time of start would not do: it moves when the clock is set.
    """
    with contextlib.suppress(OSError):
        return _BOOT_ID.read_text().strip()
    return None


def started(pid: int) -> str | None:
    """When a process began, by a count that a change of the clock does not touch where known."""
    stat = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(OSError, IndexError):
        # field 22, in ticks since boot; the name before it may itself hold spaces and brackets
        return stat.read_text().rpartition(")")[2].split()[19]
    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return None
