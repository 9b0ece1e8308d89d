"""Which row of a file belongs to which sample, by id, or by what tells one for sure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import Problem, SourceDataset
from cad_studio.core.errors import DatasetFormatError
from cad_studio.datasets._classes import shown
from cad_studio.datasets._file_names import NameFinder


def positions_of(names: Sequence[str], source: SourceDataset, where: str) -> NDArray[np.int64]:
    """For each sample the row of its id in the file, or -1, int64 (N,).

    Ids of the file that no sample has are told in the source's understanding.

    Raises:
        DatasetFormatError: An id is there twice, or none belongs to a sample.
    """
    place: dict[str, int] = {}
    for row, name in enumerate(names):
        if name in place:
            raise DatasetFormatError(
                f"{where}: the id {shown(name)} is there twice (rows {place[name]} and {row})."
            )
        place[name] = row
    positions = np.asarray([place.get(name, -1) for name in source.ids], np.int64)
    _meet_by_file_name(positions, place, source, where)
    if (positions < 0).all():
        first = shown(names[0]) if names else "none"
        raise DatasetFormatError(
            f"{where}: none of its {len(names):,} ids is an id of the source (first: {first}; "
            f"the source has e.g. {shown(source.ids[0])})."
        )
    return positions


def _meet_by_file_name(
    positions: NDArray[np.int64], place: dict[str, int], source: SourceDataset, where: str
) -> None:
    """Fill in the rows of ids that differ in folder, ending or slashes, where that is unique."""
    bare = np.flatnonzero(positions < 0).tolist()
    rest = place.keys() - set(source.ids)
    if not rest:
        return
    finder = NameFinder(source.ids)
    rows = {source.ids[row]: row for row in bare}
    met: dict[str, list[str]] = {}
    for name in place:  # in the order of the file
        found = finder.find(name) if name in rest else None
        if found in rows:
            met.setdefault(found, []).append(name)
    for found, names in met.items():
        if len(names) == 1:
            positions[rows[found]] = place[names[0]]
    once = [found for found, names in met.items() if len(names) == 1]
    if once:
        words = f"{len(once):,} of {where} met by file name (first: {met[once[0]][0]} is {once[0]})"
        source.understanding.take("ids", words)
    unused = sorted(rest - {met[found][0] for found in once})
    source.understanding.leave_out(f"ids of {where} that no sample has", unused)


def without_sets(source: SourceDataset, positions: NDArray[np.int64], where: str) -> list[Problem]:
    """A problem for each sample that a file has no row for."""
    return [
        Problem("length-mismatch", row, f"{where} has no candidates for {source.ids[row]!r}.")
        for row in np.flatnonzero(positions < 0).tolist()
    ]
