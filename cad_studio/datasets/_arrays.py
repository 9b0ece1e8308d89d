"""NumPy files, read without unpickling; what they announce is known before it is unpacked."""

import math
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import DatasetFormatError
from cad_studio.datasets._memory import require_memory
from cad_studio.datasets._unpacking import unpacked

_STEP_ROWS = 65536
_LAST_CHARACTER = 0x10FFFF
_DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    OverflowError,
    AttributeError,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    SyntaxError,
    tokenize.TokenError,
)
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(frozen=True)
class Announced:
    """What the header of an array says.

    Attributes:
        shape: Its shape.
        dtype: Its dtype, without Python objects.
        is_fortran: Whether the first index runs fastest.
        start: Where in the file its values begin.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    is_fortran: bool
    start: int

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values; not bounded by any memory."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """What its values take."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        """Length of the first dimension, of an array that has one."""
        return self.shape[0]


class NpzArchive:
    """The arrays of a `.npz` file: first what they announce, then each one asked for."""

    def __init__(self, path: Path, wanted: Collection[str]) -> None:
        """Read the headers of the arrays that are wanted and there.

        Raises:
            DatasetFormatError: Damaged, or made of Python objects.
        """
        self._path = path
        self.announced: dict[str, Announced] = {}
        self.others: list[str] = []
        """Arrays that are there and not wanted."""
        with _damage_is_told(path):
            self._archive = zipfile.ZipFile(path)
            for entry in self._archive.infolist():
                name = entry.filename.removesuffix(".npy")
                if name in wanted:
                    self.announced[name] = self._header(name, entry)
                else:
                    self.others.append(name)
        self._entries = {
            entry.filename.removesuffix(".npy"): entry for entry in self._archive.infolist()
        }

    def read(self, name: str) -> NDArray[np.generic]:
        """An array, in memory or, when it is large, in a file that is mapped.

        Raises:
            DatasetFormatError: It is damaged.
        """
        header = self.announced[name]
        where = f"{self._path.name}, {name},"
        with _damage_is_told(self._path), self._archive.open(self._entries[name]) as file:
            file.read(header.start)
            values = unpacked(file, header.size_bytes, where).view(header.dtype)
            check_texts(values, where)
            order = "F" if header.is_fortran else "C"
            return values.reshape(header.shape, order=order)

    def _header(self, name: str, entry: zipfile.ZipInfo) -> Announced:
        with self._archive.open(entry) as file:
            header = _header(file)
        if header.start + header.size_bytes != entry.file_size:
            raise DatasetFormatError(
                f"{self._path.name}: {name} has {entry.file_size - header.start:,} bytes where its "
                f"shape {header.shape} asks for {header.size_bytes:,}."
            )
        return header


def read_npy(path: Path) -> NDArray[np.generic]:
    """The array of a `.npy` file, mapped.

    Raises:
        DatasetFormatError: Damaged, or made of Python objects.
    """
    with _damage_is_told(path):
        with path.open("rb") as file:
            header = _header(file)
        if header.start + header.size_bytes > path.stat().st_size:
            raise DatasetFormatError(
                f"{path.name} is cut short: its shape {header.shape} asks for "
                f"{header.size_bytes:,} bytes."
            )
        values = np.load(path, mmap_mode="r", allow_pickle=False)
        check_texts(values, path.name)
        return values


def as_mask(values: NDArray[np.generic], where: str) -> NDArray[np.bool_]:
    """A candidate matrix, bool (N, C), from booleans or numbers that are 0 or 1.

    Raises:
        DatasetFormatError: Not a matrix, or other values; names the first. Or too large.
    """
    check_mask(values.shape, values.dtype, where)
    if values.dtype == bool:
        # NumPy takes any byte of a file for a boolean, as it is; only 0 and 1 count bits well.
        values = values.view(np.uint8)
    require_memory(values.size, where)
    found = np.empty(values.shape, bool)
    n_wrong, first = 0, ""
    for start in range(0, len(values), _STEP_ROWS):
        part = values[start : start + _STEP_ROWS]
        np.not_equal(part, 0, out=found[start : start + _STEP_ROWS])
        wrong = np.argwhere(found[start : start + _STEP_ROWS] & (part != 1))
        if len(wrong) and not n_wrong:
            row, column = wrong[0]
            first = f"{part[row, column]} in row {start + row}, column {column}"
        n_wrong += len(wrong)
    if n_wrong:
        raise DatasetFormatError(
            f"{where}: {n_wrong:,} of {values.size:,} values are neither 0 nor 1 (first: {first})."
        )
    return found


def check_texts(values: NDArray[np.generic], where: str) -> None:
    """Refuse texts of characters that there are not: NumPy holds them, and Python cannot.

    Raises:
        DatasetFormatError: There are some.
    """
    if values.dtype.kind != "U" or not values.size:
        return
    kind = np.dtype(np.uint32).newbyteorder(values.dtype.byteorder)
    for start in range(0, len(values) if values.ndim else 1, _STEP_ROWS):
        part = values[start : start + _STEP_ROWS] if values.ndim else values
        points = np.ascontiguousarray(part).view(kind)
        if ((points > _LAST_CHARACTER) | ((points >= 0xD800) & (points <= 0xDFFF))).any():
            raise DatasetFormatError(f"{where} is damaged: its texts hold no characters.")


def check_mask(shape: tuple[int, ...], dtype: np.dtype[np.generic], where: str) -> None:
    """Hold what an array announces against what a candidate matrix is.

    Raises:
        DatasetFormatError: Not a matrix, or not of numbers.
    """
    if len(shape) != 2:
        raise DatasetFormatError(
            f"{where}: expected a matrix (samples, classes), found the shape {shape}."
        )
    if dtype.kind not in "biuf":
        raise DatasetFormatError(f"{where}: expected booleans or 0 and 1, found {dtype}.")


def _header(file: BinaryIO) -> Announced:
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"the version {version} of its format is not read")
    shape, is_fortran, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError("Python objects")
    if not all(type(side) is int and 0 <= side < 2**62 for side in shape):
        raise ValueError(f"its shape is {shape}")
    if dtype.subdtype is not None or dtype.names is not None or dtype.itemsize == 0:
        raise ValueError(f"its values are {dtype}")
    return Announced(shape, dtype, is_fortran, file.tell())


@contextmanager
def _damage_is_told(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise DatasetFormatError(_said(path, error)) from error


def _said(path: Path, error: BaseException) -> str:
    reason = str(error)
    if any(sign in reason for sign in ("allow_pickle", "Object arrays", "Python objects")):
        return (
            f"{path.name} holds Python objects, which are not unpickled because that can run "
            "code. Save plain arrays."
        )
    return f"{path.name} is damaged or no NumPy file ({reason})."
