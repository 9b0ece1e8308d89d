"""Some samples of a dataset, with everything that belongs to them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import Images, Problem, SourceDataset, Votes
from cad_studio.core.errors import DatasetFormatError, closest


class SomeImages:
    """Some rows of other images, read when asked for."""

    def __init__(self, images: Images, rows: NDArray[np.integer]) -> None:
        """Take `rows`, int64 (M,), of `images` in that order."""
        if isinstance(images, SomeImages):
            images, rows = images.whole(rows)
        self._images = images
        self._rows = rows

    def whole(self, rows: NDArray[np.integer]) -> tuple[Images, NDArray[np.integer]]:
        """The images that these were taken of, and where some of them lie among those."""
        return self._images, self._rows[rows]

    def __len__(self) -> int:
        """M."""
        return len(self._rows)

    def read(self, row: int) -> bytes | NDArray[np.uint8]:
        """One image, as the images below give it."""
        return self._images.read(int(self._rows[row]))


def take_rows(source: SourceDataset, rows: NDArray[np.integer]) -> SourceDataset:
    """The dataset of some samples, in the order of `rows`, int64 (M,) without repeats."""
    rows = np.asarray(rows, np.int64)
    position = np.full(len(source.ids), -1, np.int64)
    position[rows] = np.arange(len(rows))
    return SourceDataset(
        class_names=list(source.class_names),
        ids=[source.ids[row] for row in rows],
        splits=[source.splits[row] for row in rows],
        candidates=None if source.candidates is None else source.candidates.take(rows),
        truth=None if source.truth is None else source.truth[rows],
        images=None if source.images is None else SomeImages(source.images, rows),
        features=None if source.features is None else source.features[rows],
        votes=None if source.votes is None else _take_votes(source.votes, position),
        class_descriptions=dict(source.class_descriptions),
        problems=[
            Problem(problem.kind, int(position[problem.row]), problem.message)
            for problem in source.problems
            if position[problem.row] >= 0
        ],
    )


def only_splits(source: SourceDataset, splits: Sequence[str], name: str) -> SourceDataset:
    """The samples of some splits, in their order; all of them when no split is given.

    Raises:
        DatasetFormatError: A split that is not there.
    """
    there = sorted(set(source.splits))
    if not splits or set(there) <= set(splits) <= set(there):
        return source
    for split in splits:
        if split not in there:
            hint = closest(split, there)
            raise DatasetFormatError(f"{name} has no split {split!r}. {hint}".rstrip())
    wanted = set(splits)
    rows = [row for row, split in enumerate(source.splits) if split in wanted]
    return take_rows(source, np.asarray(rows, np.int64))


def _take_votes(votes: Votes, position: NDArray[np.int64]) -> Votes:
    kept = position[votes.sample] >= 0
    return Votes(
        sample=position[votes.sample[kept]].astype(np.int32),
        annotator=votes.annotator[kept],
        label=votes.label[kept],
        annotators=list(votes.annotators),
    )
