"""Checkpoints: tensors as safetensors beside their state as JSON, complete or not there at all.

A checkpoint is a folder `checkpoint-<serial>`; it is written under another name and renamed when
all is on the disk. The last two are kept, and one that was damaged gives way to the one before.
"""

import json
import logging
import os
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cad_studio.core.errors import StorageError, is_disk_full

KEPT = 2
_PREFIX = "checkpoint-"
_UNFINISHED = "unfinished-"
_TENSORS = "tensors.safetensors"
_STATE = "state.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """What was read back.

    Attributes:
        tensors: As they were saved, on the CPU.
        state: Plain values.
        damaged: Names of newer checkpoints that could not be read.
    """

    tensors: dict[str, Tensor]
    state: dict[str, Any]
    damaged: list[str]


class Checkpoints:
    """The checkpoints of one run, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        """Keep them in `folder`, which is made when needed."""
        self.folder = folder

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> Path:
        """Add one and delete all but the last two.

        Args:
            tensors: Any dtype, shape and device.
            state: What JSON can hold.

        Returns:
            Its folder.

        Raises:
            StorageError: The disk is full; what was saved before is intact.
        """
        names = self._names()
        serial = int(names[-1].removeprefix(_PREFIX)) + 1 if names else 0
        unfinished = self.folder / f"{_UNFINISHED}{serial:08d}"
        final = self.folder / f"{_PREFIX}{serial:08d}"
        try:
            self._clear_unfinished()
            unfinished.mkdir(parents=True)
            _write(unfinished, tensors, state)
            os.replace(unfinished, final)
            _sync(self.folder)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            if is_disk_full(error):
                raise StorageError(
                    f"No space is left for a checkpoint in {self.folder}. Free some and resume; "
                    "the checkpoint before is intact."
                ) from error
            raise
        for name in self._names()[:-KEPT]:
            shutil.rmtree(self.folder / name, ignore_errors=True)
        return final

    def load(self) -> Checkpoint | None:
        """The newest that can be read; None where there is none at all.

        Raises:
            StorageError: There are some, and all are damaged.
        """
        damaged: list[str] = []
        for name in reversed(self._names()):
            found = _read(self.folder / name)
            if found is not None:
                if damaged:
                    log.warning("%s cannot be read; going on from %s.", ", ".join(damaged), name)
                return Checkpoint(*found, damaged)
            damaged.append(name)
        if damaged:
            raise StorageError(
                f"All {len(damaged)} checkpoints in {self.folder} are damaged "
                f"(first: {damaged[0]}). Delete them to start the run anew."
            )
        return None

    def _names(self) -> list[str]:
        """Complete checkpoints, oldest first."""
        return sorted(path.name for path in self.folder.glob(f"{_PREFIX}*"))

    def _clear_unfinished(self) -> None:
        for path in self.folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(path, ignore_errors=True)


def _write(folder: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    seen: set[int] = set()
    plain = {}
    for name, tensor in tensors.items():
        value = tensor.detach().to("cpu").contiguous()
        # safetensors refuses two names for one memory.
        plain[name] = value.clone() if value.data_ptr() in seen else value
        seen.add(value.data_ptr())
    save_file(plain, folder / _TENSORS)
    checksum = _checksum(folder / _TENSORS)
    text = json.dumps({"checksum": checksum, "state": dict(state)}, indent=1)
    (folder / _STATE).write_text(text, encoding="utf-8")
    for name in (_TENSORS, _STATE):
        _sync(folder / name)
    _sync(folder)


def _read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    try:
        whole = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        if whole["checksum"] != _checksum(folder / _TENSORS):
            return None
        return load_file(folder / _TENSORS), whole["state"]
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None


def _checksum(file: Path) -> int:
    """CRC-32 of the content: against damage, not against malice."""
    total = 0
    with file.open("rb") as stream:
        while block := stream.read(1 << 24):
            total = zlib.crc32(block, total)
    return total


def _sync(path: Path) -> None:
    """Make it durable, where the system lets a file or folder be opened so."""
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
