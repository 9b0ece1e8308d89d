"""Arrays and images as files named by the hash of their content.

A file is written beside its place and renamed into it, so a name that exists is complete. Nothing
of the studio ever changes a file once it has its name; that nothing else did is checked at reading:
the size always, the content of small files once in a process, and of all by `check`.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import numpy as np
import psutil
from cachetools import LRUCache
from numpy.typing import NDArray

from cad_studio.core.errors import DamageError, StorageError, is_disk_full
from cad_studio.store.array_files import BrokenFile, open_array

_HASH_DIGITS = 40
_CHECKED_WHOLE = 1 << 25
"""Bytes up to which the content is checked when a process first reads a file."""
_PART = 1 << 20
_MOST_MAPPED = 24

Signature = tuple[int, int, int]


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

    def flush(self, to_disk: bool = False) -> None:
        """Hand everything to the system, and to the disk itself where that is asked for."""
        self._file.flush()
        if to_disk:
            os.fsync(self._file.fileno())

    def digest(self) -> str:
        """Hash of all bytes so far, 40 hexadecimal digits."""
        return self._hash.hexdigest()[:_HASH_DIGITS]


class Blobs:
    """The files of a project.

    A blob's name is `<hash>.<suffix>`; it lies in a subfolder of the hash's first two digits.
    """

    def __init__(
        self, folder: Path, scratch: Path, describe: Callable[[str], str] = lambda name: ""
    ) -> None:
        """Keep blobs in `folder` and unfinished ones in `scratch`, on the same disk.

        `describe` gives the sentences that follow when a blob is damaged: what it belongs to, and
        what can be done.
        """
        self._folder = folder
        self._scratch = scratch
        self._describe = describe
        self._checked: dict[str, Signature] = {}
        self._mapped: LRUCache[str, tuple[Signature, NDArray[Any]]] = LRUCache(_MOST_MAPPED)
        self._mapping = Lock()
        self.journal: Path | None = None
        """File that names of new blobs are written into before they are given, or None."""

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
        if self.journal is not None and not target.exists():
            with _disk_errors(self._folder), self.journal.open("a", encoding="utf-8") as file:
                file.write(f"{name}\n")
        with _disk_errors(self._folder):
            writer.flush(to_disk=True)
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
            flat = contiguous.reshape(-1).view(np.uint8).data
            for start in range(0, len(flat), 1 << 24):
                writer.write(flat[start : start + (1 << 24)])
            return self.keep(writer, "npy")

    def load_array(self, name: str) -> NDArray[Any]:
        """A saved array, read-only and memory-mapped where it is large.

        Raises:
            DamageError: The file is missing, or not what was written.
        """
        self._require(name)

        def opened() -> NDArray[Any]:
            try:
                return open_array(self.path(name))
            except BrokenFile as error:
                raise self._damage(name, str(error)) from error

        return self._mapped_once(name, opened)

    def map_bytes(self, name: str, size_bytes: int) -> NDArray[np.uint8]:
        """A blob's bytes, memory-mapped, uint8 (`size_bytes`,).

        Raises:
            DamageError: The file is missing, of another size, or not what was written.
        """
        found = self._require(name)
        if found != size_bytes:
            raise self._damage(name, f"has {found:,} bytes instead of {size_bytes:,}")
        if size_bytes == 0:
            return np.zeros(0, np.uint8)
        return self._mapped_once(name, lambda: np.memmap(self.path(name), np.uint8, mode="r"))

    def _mapped_once(self, name: str, opened: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """An array that is mapped already, or is now; to map a large one again costs milliseconds.

        Every page that is looked at is then found again by the system, one by one.
        """
        signature = self.signature(name)
        with self._mapping:
            kept = self._mapped.get(name)
            if kept is not None and kept[0] == signature:
                return kept[1]
        found = opened()
        if isinstance(found, np.memmap) and signature is not None:
            # Mapped, what another process has deleted would keep its place on the disk.
            gone = [each for each in tuple(self._mapped) if not self.has(each)]
            with self._mapping:
                for each in gone:
                    self._mapped.pop(each, None)
                self._mapped[name] = (signature, found)
        return found

    def check(self, names: Iterable[str]) -> None:
        """Hold the content of blobs against their names, unless this process did so before.

        Raises:
            DamageError: Of the first that is missing or not what was written.
        """
        for name in names:
            if self._checked.get(name) != self.signature(name) or not self.has(name):
                problem = self.problem(name)
                if problem is not None:
                    raise self._damage(name, problem)

    def problem(self, name: str) -> str | None:
        """What is wrong with a blob, the rest of a sentence; None when all of it is as written."""
        before = self.signature(name)
        digest = hashlib.sha256()
        try:
            with self.path(name).open("rb") as file:
                while part := file.read(_PART):
                    digest.update(part)
        except FileNotFoundError:
            return "is missing"
        except OSError as error:
            return f"cannot be read ({error.strerror})"
        if digest.hexdigest()[:_HASH_DIGITS] != name.partition(".")[0]:
            self._checked.pop(name, None)
            return "is not what was written"
        if before is not None:
            self._checked[name] = before
        return None

    def signature(self, name: str) -> Signature | None:
        """What changes when a file is replaced, cut or written over; None where there is none."""
        try:
            status = self.path(name).stat()
        except OSError:
            return None
        return status.st_size, status.st_mtime_ns, status.st_ino

    def names(self) -> dict[str, int]:
        """Every blob in the folder, named by a record or not, with its size in bytes."""
        return {
            path.name: path.stat().st_size for path in self._folder.glob("??/*") if path.is_file()
        }

    def remove(self, names: Iterable[str]) -> int:
        """Delete some blobs; returns how many bytes became free."""
        freed = 0
        for name in names:
            path = self.path(name)
            with self._mapping:
                self._mapped.pop(name, None)  # mapped, it would keep its place on the disk
            if path.is_file():
                freed += path.stat().st_size
                path.unlink(missing_ok=True)
        return freed

    def _require(self, name: str) -> int:
        """Check a blob that is about to be read; returns its size in bytes."""
        signature = self.signature(name)
        if signature is None:
            raise self._damage(name, "is missing")
        if signature[0] <= _CHECKED_WHOLE and self._checked.get(name) != signature:
            problem = self.problem(name)
            if problem is not None:
                raise self._damage(name, problem)
        return signature[0]

    def _damage(self, name: str, problem: str) -> DamageError:
        return DamageError(f"The file {self.path(name)} {problem}. {self._describe(name)}".rstrip())

    def save_json(self, value: Any) -> str:
        """Save a value as UTF-8 JSON; returns its name."""
        with self.writing() as writer:
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            writer.write(text.encode("utf-8", "surrogatepass"))
            return self.keep(writer, "json")

    def load_json(self, name: str) -> Any:
        """A value saved by `save_json`.

        Raises:
            DamageError: The file is missing, or not what was written.
        """
        self._require(name)
        try:
            return json.loads(self.path(name).read_bytes().decode("utf-8", "surrogatepass"))
        except ValueError as error:
            raise self._damage(name, "is not what was written") from error

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
