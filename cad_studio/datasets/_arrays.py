"""NumPy files, read without unpickling and within a limit."""

import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import DatasetFormatError

MAX_ARRAY_BYTES = 16 * 2**30
"""Most that the arrays of one file may take in memory."""

_DAMAGE = (OSError, ValueError, EOFError, KeyError, MemoryError, RuntimeError, TypeError)
_DAMAGED_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    SyntaxError,
    tokenize.TokenError,
)


def read_npy(path: Path) -> NDArray[np.generic]:
    """The array of a `.npy` file.

    Raises:
        DatasetFormatError: Damaged, too large, or made of Python objects.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (*_DAMAGE, *_DAMAGED_ZIP) as error:
        raise DatasetFormatError(_said(path, error)) from error


def read_npz(path: Path, wanted: set[str] | None = None) -> dict[str, NDArray[np.generic]]:
    """The arrays of a `.npz` file by name, those of `wanted` only when it is given.

    Raises:
        DatasetFormatError: Damaged, too large, or made of Python objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {
                entry.filename.removesuffix(".npy"): entry.file_size for entry in archive.infolist()
            }
        names = [name for name in members if wanted is None or name in wanted]
        total = sum(members[name] for name in names)
        if total > MAX_ARRAY_BYTES:
            raise DatasetFormatError(
                f"{path.name} would take {total / 2**30:.1f} GiB in memory; at most "
                f"{MAX_ARRAY_BYTES // 2**30} GiB are read."
            )
        with np.load(path, allow_pickle=False) as file:
            return {name: _member(path, file, name) for name in names}
    except (*_DAMAGE, *_DAMAGED_ZIP) as error:
        raise DatasetFormatError(_said(path, error)) from error


def _member(path: Path, file: "np.lib.npyio.NpzFile", name: str) -> NDArray[np.generic]:
    value = file[name]
    if not isinstance(value, np.ndarray):
        raise DatasetFormatError(f"{path.name}: {name!r} is no NumPy array.")
    return value


def as_mask(values: NDArray[np.generic], where: str) -> NDArray[np.bool_]:
    """A candidate matrix, bool (N, C), from booleans or numbers that are 0 or 1.

    Raises:
        DatasetFormatError: Not a matrix, or other values; names the first.
    """
    if values.ndim != 2:
        raise DatasetFormatError(
            f"{where}: expected a matrix (samples, classes), found the shape {values.shape}."
        )
    if values.dtype.kind not in "biuf":
        raise DatasetFormatError(f"{where}: expected booleans or 0 and 1, found {values.dtype}.")
    if values.dtype != bool:
        wrong = np.argwhere((values != 0) & (values != 1))
        if len(wrong):
            row, column = wrong[0]
            raise DatasetFormatError(
                f"{where}: {len(wrong):,} of {values.size:,} values are neither 0 nor 1 "
                f"(first: {values[row, column]} in row {row}, column {column})."
            )
    return np.asarray(values).astype(bool)


def _said(path: Path, error: Exception) -> str:
    reason = str(error)
    if any(sign in reason for sign in ("allow_pickle", "Object arrays", "Python objects")):
        return (
            f"{path.name} holds Python objects, which are not unpickled because that can run "
            "code. Save plain arrays."
        )
    return f"{path.name} is damaged or no NumPy file ({reason})."
