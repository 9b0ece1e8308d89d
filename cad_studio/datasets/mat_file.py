"""MATLAB files of the partial-label benchmarks, features with candidate sets.

`data`, `partial_target` and `target`, or `X`, `Y_P` and `Y`; dense or sparse, samples along either
side, at the top level or inside one struct. Classes without names are called `1` to the number of
classes, as MATLAB counts.
"""

import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN, SourceDataset
from cad_studio.core.errors import CadStudioError, DatasetFormatError
from cad_studio.core.optional import require
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Progress
from cad_studio.datasets._base import READERS, DatasetReader, ReadOptions, source_path
from cad_studio.datasets._classes import ClassTable
from cad_studio.datasets._memory import require_memory, require_rows
from cad_studio.datasets.npz import to_features

Array = NDArray[np.generic]
Matrix = Any
"""An array, a SciPy sparse matrix, or None for anything else; Any, for SciPy has no types."""

FEATURES = ("data", "x", "features", "fea")
PARTIAL = ("partial_target", "y_p", "partialtarget", "candidates", "partial_labels")
TRUTH = ("target", "y", "labels", "truth")
_KNOWN = {*FEATURES, *PARTIAL, *TRUTH}
_VALUE_BYTES = 8 + 4 + 1
"""A value as it is loaded, as a float32 feature, and as held against what it may be."""


@READERS.register("mat")
class MatFile(DatasetReader):
    """Features and candidate sets in a MATLAB file."""

    name = "mat"
    wants = "a .mat file with data and partial_target, or X and Y_P"

    def recognises(self, source: str) -> bool:
        """A file that ends in `.mat`."""
        path = Path(source).expanduser()
        return path.is_file() and path.suffix.lower() == ".mat"

    def is_fragile(self, source: str) -> bool:
        """Always: SciPy's reader is made for sound files."""
        return Path(source).suffix.lower() == ".mat"

    def read(self, source: str, options: ReadOptions, progress: Progress) -> SourceDataset:
        """Load the matrices and find out which way round they lie."""
        path = source_path(source)
        progress.report(0.0, f"Reading {path.name}")
        found = _variables(path)
        features = _dense(path, _pick(path, found, FEATURES, "features"))
        partial = _dense(path, _pick(path, found, PARTIAL, "candidate sets"))
        target = next(
            (_dense(path, found[name]) for name in TRUTH if found.get(name) is not None), None
        )
        features, partial = _turned(path, features, partial, target)
        require_rows(len(partial), path.name)
        wrong = partial[(partial != 0) & (partial != 1) & (partial != -1)]
        if len(wrong):
            raise DatasetFormatError(
                f"{path.name}: the candidate matrix holds {wrong[0]}; expected 0 and 1."
            )
        names = list(options.class_names or map(str, range(1, partial.shape[1] + 1)))
        ClassTable(names, path.name)
        if len(names) != partial.shape[1]:
            raise DatasetFormatError(
                f"{path.name}: {len(names)} class names for {partial.shape[1]} classes."
            )
        split = options.only_split()
        return SourceDataset(
            class_names=names,
            ids=[f"{split}/{row:05d}" for row in range(len(partial))],
            splits=[split] * len(partial),
            candidates=PartialLabels.from_dense(partial > 0),
            truth=None if target is None else _truth(path, target, partial.shape),
            features=to_features(features, f"{path.name}, features"),
        )


def _variables(path: Path) -> dict[str, Matrix]:
    """Numeric variables by lower-case name; those of a single struct stand for themselves."""
    require("scipy", install="scipy", purpose="Reading .mat files")
    from scipy.io import loadmat, whosmat

    try:
        listed = whosmat(path)
        wanted = [name for name, _, kind in listed if kind == "struct" or name.lower() in _KNOWN]
        _check_room(path, [entry for entry in listed if entry[0] in wanted])
        raw = loadmat(path, variable_names=wanted, verify_compressed_data_integrity=True)
    except NotImplementedError as error:
        raise DatasetFormatError(
            f"{path.name} was saved as MATLAB 7.3. Save it again in MATLAB with the option -v7."
        ) from error
    except MemoryError as error:
        raise DatasetFormatError(
            f"{path.name} unpacks to more memory than may be used. If it is what it should be, "
            "split it, or use a machine with more memory."
        ) from error
    except CadStudioError:
        raise
    except Exception as error:  # scipy meets damage with whatever its lines happen to raise
        raise DatasetFormatError(
            f"{path.name} is damaged, cut short or no MATLAB file ({error})."
        ) from error
    found: dict[str, Matrix] = {}
    for name, value in raw.items():
        if name.startswith("__"):
            continue
        if isinstance(value, np.ndarray) and value.dtype.names and value.size == 1:
            record = value.reshape(-1)[0]
            for field in value.dtype.names:
                _keep(found, field, record[field])
        else:
            _keep(found, name, value)
    for name, _, _ in listed:
        found.setdefault(name.lower(), None)
    return found


def _check_room(path: Path, listed: list[tuple[str, tuple[int, ...], str]]) -> None:
    """Hold what the headers of the variables announce against the free memory."""
    size = 0
    for name, shape, kind in listed:
        if any(side < 0 for side in shape):
            raise DatasetFormatError(f"{path.name} is damaged: {name} has the shape {shape}.")
        if kind != "sparse":  # those hold their entries only
            size += _VALUE_BYTES * math.prod(map(int, shape))
    require_memory(size, path.name)
    if any(kind == "struct" for _, _, kind in listed):
        require_memory(2 * _unpacked_bytes(path), path.name)


def _unpacked_bytes(path: Path) -> int:
    """What all compressed variables announce to unpack to; that of a struct holds its fields.

    Source: MAT-File Format, MathWorks: 128 bytes of header, then tags of type and length; type 15
    is a zlib stream that begins with the tag of what it holds.
    """
    total = 0
    with path.open("rb") as file:
        header = file.read(128)
        order = "<" if header[126:128] == b"IM" else ">"
        while len(tag := file.read(8)) == 8:
            kind, length = struct.unpack(f"{order}II", tag)
            total += length
            if kind == 15:
                start = zlib.decompressobj().decompress(file.read(min(length, 1024)), 8)
                total += struct.unpack(f"{order}II", start)[1] if len(start) == 8 else 0
                length -= min(length, 1024)
            file.seek(length, 1)
    return total


def _keep(found: dict[str, Matrix], name: str, value: object) -> None:
    is_matrix = isinstance(value, np.ndarray) or hasattr(value, "toarray")
    if is_matrix and value.ndim == 2 and value.dtype.kind in "biuf":  # type: ignore[attr-defined]
        found.setdefault(name.lower(), value)


def _dense(path: Path, value: Matrix) -> Array:
    """An array, from a sparse matrix too: its shape says nothing about the size of the file."""
    if isinstance(value, np.ndarray):
        return value
    size = _VALUE_BYTES * math.prod(map(int, value.shape))
    require_memory(size, f"{path.name}, a sparse matrix of {value.shape[0]} x {value.shape[1]},")
    return value.toarray()


def _pick(path: Path, found: dict[str, Matrix], names: tuple[str, ...], what: str) -> Matrix:
    for name in names:
        if found.get(name) is not None:
            return found[name]
    listed = ", ".join(sorted(found)) or "no matrix"
    raise DatasetFormatError(
        f"{path.name} has no {what}: expected a matrix named {' or '.join(names[:2])}, "
        f"found {listed}."
    )


def _turned(
    path: Path, features: Array, partial: Array, target: Array | None
) -> tuple[Array, Array]:
    """Features (N, D) and candidates (N, C), whichever way round they were.

    The benchmarks have data (N, D) and targets (C, N); that is tried first, then the others.
    """
    if partial.shape[0] == partial.shape[1] == features.shape[0]:
        # As many classes as samples: the side along which target is one-hot tells.
        by_row = target is not None and target.shape == partial.shape
        if by_row and (target.sum(axis=1) == 1).all() and not (target.sum(axis=0) == 1).all():
            return features, partial
        return features, partial.T
    for data in (features, features.T):
        for sets in (partial.T, partial):
            if len(data) == len(sets):
                return data, sets
    raise DatasetFormatError(
        f"{path.name}: features {features.shape} and candidates {partial.shape} share no side, "
        "so the samples cannot be matched."
    )


def _truth(path: Path, target: Array, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """True labels, int32 (N,), from a one-hot matrix or a vector that counts from 1 or 0."""
    n_samples, n_classes = shape
    if 1 in target.shape and target.size == n_samples:
        labels = np.nan_to_num(target.reshape(-1), nan=-1).astype(np.int64)
        labels = labels - 1 if labels.min(initial=1) >= 1 else labels
        return np.where((labels >= 0) & (labels < n_classes), labels, UNKNOWN).astype(np.int32)
    if target.shape != shape:
        target = target.T
    if target.shape != shape:
        raise DatasetFormatError(
            f"{path.name}: the true labels {target.T.shape} do not fit candidates of "
            f"{n_samples} samples and {n_classes} classes."
        )
    one_hot = (target > 0).sum(axis=1) == 1
    return np.where(one_hot, (target > 0).argmax(axis=1), UNKNOWN).astype(np.int32)
