"""MATLAB files of the partial-label benchmarks, features with candidate sets.

`data`, `partial_target` and `target`, or `X`, `Y_P` and `Y`; dense or sparse, samples along either
side, at the top level or inside one struct. Classes without names are called `1` to the number of
classes, as MATLAB counts.
"""

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN, SourceDataset
from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.optional import require
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Progress
from cad_studio.datasets._base import READERS, DatasetReader, ReadOptions, source_path
from cad_studio.datasets._classes import ClassTable
from cad_studio.datasets.npz import to_features

Array = NDArray[np.generic]

FEATURES = ("data", "x", "features", "fea")
PARTIAL = ("partial_target", "y_p", "partialtarget", "candidates", "partial_labels")
TRUTH = ("target", "y", "labels", "truth")
_MAX_BYTES = 8 * 2**30


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
        features = _pick(path, found, FEATURES, "features")
        partial = _pick(path, found, PARTIAL, "candidate sets")
        target = next((found[name] for name in TRUTH if name in found), None)
        features, partial = _turned(path, features, partial, target)
        wrong = np.setdiff1d(partial, (-1, 0, 1))
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


def _variables(path: Path) -> dict[str, Array]:
    """Numeric variables by lower-case name; those of a single struct stand for themselves."""
    require("scipy", install="scipy", purpose="Reading .mat files")
    from scipy.io import loadmat, matlab, whosmat

    try:
        size = 0
        for _name, shape, _kind in whosmat(path):
            size += 8 * int(np.prod(shape, dtype=object))
        if size > _MAX_BYTES:
            raise DatasetFormatError(
                f"{path.name} would take {size / 2**30:.1f} GiB in memory; at most "
                f"{_MAX_BYTES // 2**30} GiB are read."
            )
        raw = loadmat(path, verify_compressed_data_integrity=True)
    except NotImplementedError as error:
        raise DatasetFormatError(
            f"{path.name} was saved as MATLAB 7.3. Save it again in MATLAB with the option -v7."
        ) from error
    except (
        matlab.MatReadError,
        OSError,
        ValueError,
        TypeError,
        EOFError,
        LookupError,
        MemoryError,
        ArithmeticError,
        RuntimeError,
        zlib.error,
    ) as error:
        raise DatasetFormatError(
            f"{path.name} is damaged, cut short or no MATLAB file ({error})."
        ) from error
    found: dict[str, Array] = {}
    for name, value in raw.items():
        if name.startswith("__"):
            continue
        if isinstance(value, np.ndarray) and value.dtype.names and value.size == 1:
            record = value.reshape(-1)[0]
            for field in value.dtype.names:
                _keep(path, found, field, record[field])
        else:
            _keep(path, found, name, value)
    return found


def _keep(path: Path, found: dict[str, Array], name: str, value: object) -> None:
    if hasattr(value, "toarray"):
        if 8 * int(np.prod(value.shape, dtype=object)) > _MAX_BYTES:  # type: ignore[attr-defined]
            raise DatasetFormatError(
                f"{path.name}: the sparse matrix {name!r} is too large to be unpacked."
            )
        value = value.toarray()
    if isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind in "biuf":
        found.setdefault(name.lower(), value)


def _pick(path: Path, found: dict[str, Array], names: tuple[str, ...], what: str) -> Array:
    for name in names:
        if name in found:
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
