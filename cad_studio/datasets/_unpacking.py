"""Bytes out of a compressed stream, as many as were announced and never more."""

import mmap
import shutil
import tempfile
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import DatasetFormatError
from cad_studio.datasets._memory import SHARE, in_words

IN_MEMORY_BYTES = 256 * 2**20
"""What is larger goes into an unnamed file that is mapped, so that memory does not bound it."""

_STEP_BYTES = 2**20


def unpacked(stream: BinaryIO, size_bytes: int, what: str) -> NDArray[np.uint8]:
    """Exactly the bytes that a header announces, uint8 (size_bytes,).

    Args:
        stream: Where they come from, one pass from its present place to its end.
        size_bytes: How many are announced. A wild number costs nothing.
        what: What to call the stream in messages.

    Raises:
        DatasetFormatError: There are fewer or more, or no room for them on the disk.
    """
    if size_bytes > IN_MEMORY_BYTES:
        return _in_a_file(stream, size_bytes, what)
    found = np.empty(size_bytes, np.uint8)
    view = memoryview(found)
    done = 0
    while done < size_bytes:
        piece = stream.read(min(size_bytes - done, _STEP_BYTES))
        if not piece:
            raise _short(what, done, size_bytes)
        view[done : done + len(piece)] = piece
        done += len(piece)
    _check_end(stream, size_bytes, what)
    return found


def _in_a_file(stream: BinaryIO, size_bytes: int, what: str) -> NDArray[np.uint8]:
    free = int(shutil.disk_usage(tempfile.gettempdir()).free * SHARE)
    if size_bytes > free:
        raise DatasetFormatError(
            f"{what} would unpack to {in_words(size_bytes)}; {in_words(free)} may be used in "
            f"{tempfile.gettempdir()!r}, half of what is free there. If the file is what it should "
            "be, free some space, or name a folder on a larger disk in the variable TMPDIR."
        )
    with tempfile.TemporaryFile() as file:
        done = 0
        while done < size_bytes:
            piece = stream.read(min(size_bytes - done, _STEP_BYTES))
            if not piece:
                raise _short(what, done, size_bytes)
            done += file.write(piece)
        _check_end(stream, size_bytes, what)
        file.flush()
        # ACCESS_COPY: the array may be written to, as any other.
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY), np.uint8)


def _check_end(stream: BinaryIO, size_bytes: int, what: str) -> None:
    if stream.read(1):  # also makes the stream compare its checksum
        raise DatasetFormatError(f"{what} holds more than the {size_bytes:,} bytes it announces.")


def _short(what: str, found: int, size_bytes: int) -> DatasetFormatError:
    return DatasetFormatError(f"{what} holds {found:,} of the {size_bytes:,} bytes it announces.")
