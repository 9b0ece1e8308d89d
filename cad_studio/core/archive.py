"""One file that holds arrays, other files and a description, and proves that it is whole.

A zip archive whose members are stored as they are, so that an array of any size is mapped rather
than read, and any unpacker can look inside. Its last member, `about.json`, describes it and names
the SHA-256 of every other; nothing in it is ever executed or unpickled.
"""

import builtins
import hashlib
import io
import json
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import DatasetFormatError, StorageError, is_disk_full
from cad_studio.core.progress import Progress, Silent
from cad_studio.core.replacing import replacing

ABOUT = "about.json"
FORMAT = 1
_BLOCK = 1 << 22
_LOCAL_HEADER_BYTES = 30  # of a member, before its name and extra field (APPNOTE.TXT, 4.3.7)
_MOST_ABOUT_BYTES = 256 << 20
_BROKEN = (
    zipfile.BadZipFile, EOFError, OverflowError, RuntimeError, struct.error, zlib.error,
    lzma.LZMAError,
)  # fmt: skip
"""What a damaged zip raises; RuntimeError of one that says it is encrypted, or packed in a way
Python does not know, and of JSON that is nested without end."""


class ArchiveWriter:
    """An archive in the making."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        """Write into an open zip."""
        self._zip = file
        self._files: dict[str, dict[str, Any]] = {}
        self.id = ""

    def add_array(self, name: str, array: NDArray[Any]) -> None:
        """Add an array of any shape and plain dtype as `.npy`; a mapped one is never read whole."""
        flat = array.reshape(-1)
        step = max(1, _BLOCK // max(1, array.itemsize))
        parts = (flat[start : start + step] for start in range(0, len(flat), step))
        self.add_parts(name, array.dtype, array.shape, parts)

    def add_parts(
        self, name: str, dtype: "np.dtype[Any]", shape: tuple[int, ...], parts: Iterable[Any]
    ) -> None:
        """Add an array that comes in parts, the first rows first; together they have `shape`."""
        header = io.BytesIO()
        layout = {
            "descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape,
        }  # fmt: skip
        np.lib.format.write_array_header_1_0(header, layout)
        with self._member(name) as write:
            write(header.getvalue())
            for part in parts:
                write(np.ascontiguousarray(part).tobytes())

    def add_bytes(self, name: str, content: bytes) -> None:
        """Add a small file."""
        with self._member(name) as write:
            write(content)

    def add_file(self, name: str, path: Path) -> None:
        """Add a file from the disk."""
        with self._member(name) as write, path.open("rb") as file:
            while block := file.read(_BLOCK):
                write(block)

    def finish(self, kind: str, about: dict[str, Any]) -> None:
        """Write the description, last of all.

        Args:
            kind: What this is an archive of.
            about: Plain values.
        """
        whole = {"kind": kind, "format": FORMAT, **about, "files": self._files}
        text = json.dumps(whole, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")
        self._zip.writestr(zipfile.ZipInfo(ABOUT), text)
        self.id = _id_of(text)

    @contextmanager
    def _member(self, name: str) -> Iterator[Callable[[bytes], None]]:
        digest, size = hashlib.sha256(), 0
        with self._zip.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member:

            def write(block: bytes) -> None:
                nonlocal size
                member.write(block)
                digest.update(block)
                size += len(block)

            yield write
        self._files[name] = {"sha256": digest.hexdigest(), "bytes": size}


@contextmanager
def writing_archive(path: Path) -> Iterator[ArchiveWriter]:
    """Write a file, all or nothing; `finish` must be called before the block ends.

    Raises:
        StorageError: The disk is full, or the folder cannot be written to.
    """
    try:
        with replacing(path) as unfinished:
            with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as file:
                yield ArchiveWriter(file)
            with unfinished.open("rb+") as written:
                os.fsync(written.fileno())
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}.") from error


class Archive:
    """A file that `writing_archive` made, open for reading.

    Attributes:
        path: Where it lies.
        about: Its description: `kind`, `format`, `files`, and what was given to `finish`.
        id: SHA-256 of the description, 40 hexadecimal digits, and with it of all that is inside.
    """

    def __init__(self, path: Path) -> None:
        """Read the description.

        Raises:
            DatasetFormatError: There is no such file, it is something else, or it is cut short.
        """
        self.path = path
        if not path.is_file():
            raise DatasetFormatError(f"There is no file {path}.")
        try:
            with zipfile.ZipFile(path) as file:
                self._members = {info.filename: info for info in file.infolist()}
                if self._members[ABOUT].file_size > _MOST_ABOUT_BYTES:
                    raise ValueError("description too large")
                text = file.read(ABOUT)
            self.about: dict[str, Any] = json.loads(text.decode("utf-8", "surrogatepass"))
            self._files = {
                str(name): (str(known["sha256"]), int(known["bytes"]))
                for name, known in self.about["files"].items()
            }
            self.kind, self.format = str(self.about["kind"]), int(self.about["format"])
        except (OSError, KeyError, TypeError, ValueError, AttributeError, *_BROKEN):
            raise DatasetFormatError(
                f"{path.name} was not written by CAD Studio, or it was cut short on its way. "
                "Copy it again."
            ) from None
        self.id = _id_of(text)
        for name, (_, size) in self._files.items():
            info = self._members.get(name)
            if info is None or info.compress_type or info.file_size != size:
                raise self._damaged(name)

    def names(self) -> list[str]:
        """Members, but for the description."""
        return list(self._files)

    def verify(self, progress: Progress | None = None) -> None:
        """Hold every member against its hash.

        Raises:
            DatasetFormatError: One differs, by name.
        """
        told, done = progress or Silent(), 0
        total = sum(size for _, size in self._files.values()) or 1
        for name, (expected, _) in self._files.items():
            digest = hashlib.sha256()
            for block in self._blocks(name):
                digest.update(block)
                done += len(block)
                told.report(min(1.0, done / total), f"Checking {self.path.name}")
            if digest.hexdigest() != expected:
                raise self._damaged(name)

    def array(self, name: str) -> NDArray[Any]:
        """An array, mapped and read-only.

        Raises:
            DatasetFormatError: It is not there, or it is no array of plain numbers.
        """
        try:
            start = self._start(name)
            with self.path.open("rb") as file:
                file.seek(start)
                if np.lib.format.read_magic(file) != (1, 0):
                    raise ValueError("another version")
                shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
                first = file.tell()
            n_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
            if dtype.hasobject or is_fortran or first - start + n_bytes != self._files[name][1]:
                raise ValueError("other content")
        except (OSError, ValueError, KeyError):
            raise self._damaged(name) from None
        if not n_bytes:
            return np.zeros(shape, dtype)
        return np.memmap(self.path, dtype, "r", first, shape)

    def bytes(self, name: str) -> bytes:
        """A small member."""
        return b"".join(self._blocks(name))

    def extract(self, name: str, target: Path) -> None:
        """Write a member to a file, checking its hash on the way.

        Raises:
            DatasetFormatError: The member is damaged.
            StorageError: The disk is full.
        """
        digest = hashlib.sha256()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                for block in self._blocks(name):
                    digest.update(block)
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            if is_disk_full(error):
                raise StorageError(
                    f"No space is left for {target}. Free some and start again; "
                    "nothing was changed."
                ) from error
            raise
        if digest.hexdigest() != self._files[name][0]:
            raise self._damaged(name)

    def _start(self, name: str) -> int:
        """Where the bytes of a member begin in the file."""
        info = self._members[name]
        with self.path.open("rb") as file:
            file.seek(info.header_offset)
            header = file.read(_LOCAL_HEADER_BYTES)
        lengths = (header[26:28], header[28:30])
        return (
            info.header_offset
            + _LOCAL_HEADER_BYTES
            + sum(int.from_bytes(length, "little") for length in lengths)
        )

    def _blocks(self, name: str) -> Iterator[builtins.bytes]:
        try:
            with zipfile.ZipFile(self.path) as file, file.open(name) as member:
                yield from _read(member)
        except (KeyError, ValueError, *_BROKEN):
            raise self._damaged(name) from None

    def _damaged(self, name: str) -> DatasetFormatError:
        return DatasetFormatError(
            f"{self.path.name} is damaged: {name} is not as it was written. Copy the file again."
        )


def _read(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


def _id_of(about: bytes) -> str:
    return hashlib.sha256(about).hexdigest()[:40]
