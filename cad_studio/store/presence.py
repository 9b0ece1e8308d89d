"""Which processes have a project open, and whether one ended without closing it."""

import os
import weakref
from itertools import count
from pathlib import Path
from typing import Any

import psutil

_SERIAL = count(1)


class Presence:
    """A file for each opening of a project, deleted when it is closed or the process ends well."""

    def __init__(self, folder: Path) -> None:
        """Keep the files in `folder`."""
        self._folder = folder
        self._end: weakref.finalize[Any, Any] | None = None

    def enter(self) -> None:
        """From now on this process has the project open."""
        self._folder.mkdir(exist_ok=True)
        began = _began(os.getpid())
        file = self._folder / f"{os.getpid()}-{began}-{next(_SERIAL)}.lock"
        file.touch()
        self._end = weakref.finalize(self, _leave, file, os.getpid())

    def leave(self) -> None:
        """The project is closed."""
        if self._end is not None:
            self._end()

    def left_behind(self) -> list[Path]:
        """Files of processes that are gone: they were killed, or their machine stopped."""
        return [file for file in self._folder.glob("*.lock") if not _is_alive(file)]

    def others(self) -> list[int]:
        """Numbers of other processes that have the project open."""
        alive = {int(file.name.split("-")[0]) for file in self._files() if _is_alive(file)}
        return sorted(alive - {os.getpid()})

    def _files(self) -> list[Path]:
        return [file for file in self._folder.glob("*.lock") if file.name.count("-") == 2]


def _leave(file: Path, process: int) -> None:
    if process == os.getpid():  # a fork is not the one that opened it
        file.unlink(missing_ok=True)


def _is_alive(file: Path) -> bool:
    process, _, rest = file.stem.partition("-")
    return process.isdecimal() and _began(int(process)) == rest.partition("-")[0]


def _began(process: int) -> str:
    """When a process began, which tells it from a later one of the same number."""
    try:
        return str(int(psutil.Process(process).create_time() * 100))
    except psutil.Error:
        return "gone"
