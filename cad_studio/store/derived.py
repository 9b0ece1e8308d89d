"""Results that can always be made again, as files named by what they were made from.

A name is `<origin>-<rest>`: the origin is the blob or run it rests on (`run7`), and the file goes
when that does. Nothing in the database names them.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import DamageError
from cad_studio.core.replacing import UNFINISHED, replacing
from cad_studio.store.array_files import BrokenFile, open_array

_GIVEN_UP = 3600.0
"""Seconds after which nobody is writing a file any more."""


class Derived:
    """The derived files of one project."""

    def __init__(self, folder: Path, spare: Path | None = None) -> None:
        """Keep them in `folder`, which is made when needed.

        With `spare`, `folder` is only read, and what is made goes there.
        """
        self._folder = folder
        self._spare = spare

    def path(self, name: str) -> Path:
        """Where a file lies, whether it is there or not."""
        file = self._folder / name
        return file if self._spare is None or file.is_file() else self._spare / name

    def has(self, name: str) -> bool:
        """Whether it was made."""
        return self.path(name).is_file()

    def made_at(self, name: str) -> float:
        """When a file that is there was made, in seconds since 1970."""
        return self.path(name).stat().st_mtime

    def save_array(self, name: str, array: NDArray[Any]) -> None:
        """Write `<name>`, an `.npy`, at once or not at all.

        Raises:
            StorageError: The disk is full.
        """
        with replacing(self.path(name)) as file, file.open("wb") as stream:
            np.save(stream, array)

    def load_array(self, name: str) -> NDArray[Any]:
        """An array as it was saved.

        Raises:
            DamageError: It is not whole; it was thrown away, and the next call makes it again.
        """
        try:
            return open_array(self.path(name))
        except BrokenFile as error:
            raise self._thrown_away(name) from error

    def kept_array(self, name: str, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """An array that is made when it is asked for first.

        Raises:
            StorageError: The disk is full.
            DamageError: As `load_array`.
        """
        if not self.has(name):
            self.save_array(name, make())
        return self.load_array(name)

    def save_json(self, name: str, value: Any) -> None:
        """Write a value, at once or not at all.

        Raises:
            StorageError: The disk is full.
        """
        with replacing(self.path(name)) as file:
            file.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")

    def load_json(self, name: str) -> Any:
        """A value as it was saved.

        Raises:
            DamageError: It is not whole; it was thrown away, and the next call makes it again.
        """
        try:
            return json.loads(self.path(name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise self._thrown_away(name) from error

    def keep_newest(self, begins: str, count: int) -> None:
        """Delete the oldest of the files whose names begin so, until `count` are left."""
        files = []
        for file in self._folder.glob(f"{begins}*.npy"):
            with suppress(OSError):  # deleted meanwhile
                files.append((file.stat().st_mtime, file))
        for _, file in sorted(files, reverse=True)[count:]:
            file.unlink(missing_ok=True)

    def remove_except(self, origins: set[str]) -> int:
        """Delete what rests on anything else, and what killed processes left; returns bytes."""
        freed = 0
        for file in self._folder.glob("*"):
            is_left = file.suffix == UNFINISHED and time() - file.stat().st_mtime > _GIVEN_UP
            if is_left or file.name.partition("-")[0] not in origins:
                freed += file.stat().st_size
                file.unlink(missing_ok=True)
        return freed

    def _thrown_away(self, name: str) -> DamageError:
        with suppress(OSError):
            self.path(name).unlink(missing_ok=True)
        return DamageError(
            f"{self.path(name)}, a result that can be made again, was damaged and is thrown away. "
            "Try again."
        )
