"""`.npy` and `.safetensors` files, taken only when their size is what their header says."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAPPED_FROM = 1 << 16
"""Bytes from which on an array is mapped instead of read."""


class BrokenFile(Exception):
    """A file is not there or not whole; the text ends a sentence that begins with its name."""


def open_array(file: Path) -> NDArray[Any]:
    """An array of any shape and plain dtype; read-only and mapped where it is large.

    Raises:
        BrokenFile: It is missing, cut short, longer than its header says, or has no header.
    """
    try:
        with file.open("rb") as stream:
            shape, is_fortran, dtype = _header(stream)
            start, size_bytes = stream.tell(), file.stat().st_size
            wanted = start + math.prod(shape) * dtype.itemsize
            if size_bytes != wanted:
                raise BrokenFile(f"has {size_bytes:,} bytes instead of {wanted:,}")
            if wanted - start <= MAPPED_FROM:
                flat = np.frombuffer(bytearray(stream.read()), dtype)
                return flat.reshape(shape, order="F" if is_fortran else "C")
    except FileNotFoundError as error:
        raise BrokenFile("is missing") from error
    except OSError as error:
        raise BrokenFile(f"cannot be read ({error.strerror})") from error
    except (ValueError, SyntaxError) as error:  # what numpy makes of a header that is none
        raise BrokenFile("has a damaged header") from error
    return np.memmap(file, dtype, "r", start, shape, "F" if is_fortran else "C")


def _header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError(f"version {version}")
    shape, is_fortran, dtype = read(stream)
    if dtype.hasobject:
        raise ValueError("objects")
    return shape, is_fortran, dtype


def check_safetensors(file: Path) -> None:
    """Hold the size of a `.safetensors` file against its header.

    Raises:
        BrokenFile: It is missing, cut short, longer than its header says, or has no header.
    """
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            size_bytes = file.stat().st_size
            if length > size_bytes:
                raise BrokenFile("has a damaged header")
            header = json.loads(stream.read(length))
        ends = [each["data_offsets"][1] for name, each in header.items() if name != "__metadata__"]
    except FileNotFoundError as error:
        raise BrokenFile("is missing") from error
    except OSError as error:
        raise BrokenFile(f"cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise BrokenFile("has a damaged header") from error
    wanted = 8 + length + max(ends, default=0)
    if size_bytes != wanted:
        raise BrokenFile(f"has {size_bytes:,} bytes instead of {wanted:,}")
