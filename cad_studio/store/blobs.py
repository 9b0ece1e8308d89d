"""Arrays and images as files named by the hash of their content.

A file is written beside its place and renamed into it, so a name that exists is complete. Nothing
ever changes a file once it has its name.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import psutil
from numpy.typing import NDArray

from cad_studio.core.errors import StorageError, is_disk_full

_HASH_DIGITS = 40


class BlobWriter:
    """A file in the making: takes bytes, knows their hash."""

    def __init__(self, file: BinaryIO, scratch: Path) -> None:
        """Write to an open file that lies at `scratch`."""
        self._file = file
        self._hash = hashlib.sha256()
        self.scratch = scratch
        self.size_bytes = 0

    def write(self, data: bytes | memoryview) -> None:
        """Append."""
        self._file.write(data)
        self._hash.update(data)
        self.size_bytes += len(data)

    def digest(self) -> str:
        """Hash of all bytes so far, 40 hexadecimal digits."""
        return self._hash.hexdigest()[:_HASH_DIGITS]


class Blobs:
    """The files of a project.

    A blob's name is `<hash>.<suffix>`; it lies in a subfolder of the hash's first two digits.
    """

    def __init__(self, folder: Path, scratch: Path) -> None:
        """Keep blobs in `folder` and unfinished ones in `scratch`, on the same disk."""
        self._folder = folder
        self._scratch = scratch

    def path(self, name: str) -> Path:
        """Where a blob lies."""
        return self._folder / name[:2] / name

    def has(self, name: str) -> bool:
        """Whether the blob is there."""
        return self.path(name).is_file()

    @contextmanager
    def writing(self) -> Iterator[BlobWriter]:
        """A scratch file that is gone when the block ends, unless `keep` was given it.

        Raises:
            StorageError: The disk is full.
        """
        self._scratch.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self._scratch, prefix=f"{os.getpid()}-")
        scratch = Path(name)
        try:
            with _disk_errors(self._folder), os.fdopen(descriptor, "wb") as file:
                yield BlobWriter(file, scratch)
        finally:
            scratch.unlink(missing_ok=True)

    def keep(self, writer: BlobWriter, suffix: str) -> str:
        """Give a scratch file its lasting name and return that; inside the `writing` block."""
        name = f"{writer.digest()}.{suffix}"
        target = self.path(name)
        with _disk_errors(self._folder):
            writer._file.flush()
            os.fsync(writer._file.fileno())
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(writer.scratch, target)
            _sync_folder(target.parent)
        return name

    def save_array(self, array: NDArray[Any]) -> str:
        """Save an array of any shape and plain dtype as `.npy`; returns its name."""
        with self.writing() as writer:
            contiguous = np.asarray(array, order="C")
            np.lib.format.write_array_header_1_0(
                writer, np.lib.format.header_data_from_array_1_0(contiguous)
            )
            flat = memoryview(contiguous.reshape(-1).view(np.uint8))
            for start in range(0, len(flat), 1 << 24):
                writer.write(flat[start : start + (1 << 24)])
            return self.keep(writer, "npy")

    def load_array(self, name: str) -> NDArray[Any]:
        """A saved array, memory-mapped and read-only."""
        array = np.load(self.path(name), allow_pickle=False, mmap_mode=None)
        if array.nbytes > 1 << 16:
            array = np.load(self.path(name), allow_pickle=False, mmap_mode="r")
        return array

    def map_bytes(self, name: str) -> NDArray[np.uint8]:
        """A blob's bytes, memory-mapped, uint8 (size,)."""
        path = self.path(name)
        if path.stat().st_size == 0:
            return np.zeros(0, np.uint8)
        return np.memmap(path, np.uint8, mode="r")

    def save_json(self, value: Any) -> str:
        """Save a value as UTF-8 JSON; returns its name."""
        with self.writing() as writer:
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            writer.write(text.encode("utf-8", "surrogatepass"))
            return self.keep(writer, "json")

    def load_json(self, name: str) -> Any:
        """A value saved by `save_json`."""
        return json.loads(self.path(name).read_bytes().decode("utf-8", "surrogatepass"))

    def remove_except(self, used: set[str]) -> int:
        """Delete blobs that no record names; returns how many bytes became free."""
        freed = 0
        if not self._folder.is_dir():
            return 0
        for path in self._folder.glob("??/*"):
            if path.name not in used:
                freed += path.stat().st_size
                path.unlink(missing_ok=True)
        return freed

    def clear_scratch(self) -> None:
        """Delete what killed processes left unfinished; their numbers begin the names."""
        for path in self._scratch.glob("*-*"):
            owner = path.name.partition("-")[0]
            if owner.isdigit() and not psutil.pid_exists(int(owner)):
                path.unlink(missing_ok=True)


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise StorageError(
                f"No space is left for {folder}. Free some and start again; "
                "what was saved before is intact."
            ) from error
        raise


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, where the system lets a folder be opened."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
