"""The matrix of candidates or votes in an `.npz` or `.pt` file, and what its names say of it.

One array is the matrix: `candidates`, or by what it holds `counts`, `shares` (also `probs`) or
`votes`, a column for each annotator. Or several arrays (N,) are one annotator's votes each, as
CIFAR-10N is published; which ones they are is for the user to say, as such files hold true and
merged labels beside them. Optional: `ids` (N,), `annotators` (A,).
"""

import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import DatasetFormatError, DoubtfulSourceError, closest
from cad_studio.datasets._arrays import Announced, NpzArchive
from cad_studio.datasets._classes import shown
from cad_studio.datasets._memory import ROW_BYTES, require_memory
from cad_studio.datasets._tensor_file import StoredTensor, read_tensors
from cad_studio.datasets._vote_matrix import check_votes

MATRICES = {
    "candidates": None,
    "counts": "counts",
    "shares": "shares",
    "probs": "shares",
    "votes": "annotators",
}
"""Name of an array to what it holds; None finds out."""


@dataclass(frozen=True)
class StoredMatrix:
    """A matrix as it is stored.

    Attributes:
        values: (M, C) or (M, A).
        votes_as: What its name says it holds, one of `VOTES_AS`, or None.
        ids: M ids, or None where rows are in the order of the source.
        names: A names of annotators, or None.
    """

    values: NDArray[np.generic]
    votes_as: str | None
    ids: list[str] | None = None
    names: list[str] | None = None


def read(path: Path, annotators: Collection[str] = ()) -> StoredMatrix:
    """The matrix of a file.

    Args:
        path: An `.npz` or `.pt` file.
        annotators: Names of the arrays (N,) that are one annotator's votes each.

    Raises:
        DatasetFormatError: Damaged, or it holds no matrix of a known name.
        DoubtfulSourceError: It holds several columns and nobody says which are annotators.
    """
    arrays: dict[str, Announced | StoredTensor]
    if path.suffix.lower() == ".npz":
        archive = NpzArchive(path, _names_in(path))
        arrays = dict(archive.announced)
        load = archive.read
    else:
        tensors = read_tensors(path)
        arrays = dict(tensors)

        def load(name: str) -> NDArray[np.generic]:
            return tensors[name].values()

    if annotators:
        return _columns(path, arrays, load, list(annotators))
    named = [name for name in MATRICES if name in arrays]
    if not named:
        wide = [name for name, each in arrays.items() if len(each.shape) == 2]
        flat = [name for name, each in arrays.items() if len(each.shape) == 1 and name != "ids"]
        if len(wide) == 1:
            named = wide
        elif len(flat) > 1 and not wide:
            raise DoubtfulSourceError(
                f"{path.name} holds the columns {', '.join(map(shown, flat[:12]))}. Say which are "
                "the votes of annotators, leaving out true and merged labels: --columns "
                f"annotator={flat[0][:40]},annotator={flat[1][:40]}."
            )
        else:
            raise DatasetFormatError(
                f"{path.name} holds no matrix called candidates, counts, shares or votes."
            )
    matrix = arrays[named[0]]
    check_votes(matrix.shape, matrix.dtype, path.name)
    return StoredMatrix(
        load(named[0]),
        MATRICES.get(named[0]),
        _texts(path, arrays, load, "ids"),
        _texts(path, arrays, load, "annotators"),
    )


def _columns(path, arrays, load, names: list[str]) -> StoredMatrix:  # type: ignore[no-untyped-def]
    for name in names:
        if name not in arrays or len(arrays[name].shape) != 1:
            raise DatasetFormatError(
                f"{path.name} has no column {name!r} of one vote a sample. "
                f"{closest(name, arrays)}".rstrip()
            )
    lengths = {arrays[name].shape[0] for name in names}
    if len(lengths) != 1:
        raise DatasetFormatError(
            f"{path.name}: the columns {', '.join(names)} have different lengths: "
            f"{', '.join(str(arrays[name].shape[0]) for name in names)}."
        )
    require_memory(16 * lengths.pop() * len(names), path.name)
    values = np.stack([np.asarray(load(name)) for name in names], axis=1)
    return StoredMatrix(values, "annotators", _texts(path, arrays, load, "ids"), names)


def _texts(path, arrays, load, name: str) -> list[str] | None:  # type: ignore[no-untyped-def]
    if name not in arrays:
        return None
    announced = arrays[name]
    if len(announced.shape) != 1:
        raise DatasetFormatError(
            f"{path.name}: {name} must be a list (N,), found {announced.shape}."
        )
    size = announced.shape[0]
    require_memory((3 * announced.dtype.itemsize + ROW_BYTES) * size, f"{path.name}, {name}")
    return [str(value) for value in load(name).tolist()]


def _names_in(path: Path) -> set[str]:
    """Names of all arrays of an archive; a damaged one is told by whoever reads it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {entry.removesuffix(".npy") for entry in archive.namelist()}
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return set()
