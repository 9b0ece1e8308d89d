"""Some samples of a dataset, with everything that belongs to them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN, Images, Problem, SourceDataset, Votes
from cad_studio.core.errors import DatasetFormatError, SettingError, closest
from cad_studio.core.partial_labels import PartialLabels


class SomeImages:
    """Some rows of other images, read when asked for."""

    def __init__(self, images: Images, rows: NDArray[np.integer]) -> None:
        """Take `rows`, int64 (M,), of `images` in that order."""
        if isinstance(images, SomeImages):
            images, rows = images._images, images._rows[rows]
        self._images = images
        self._rows = rows

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
        understanding=source.understanding,
        fields={
            name: [values[row] for row in rows.tolist()] for name, values in source.fields.items()
        },
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
    others = [source.ids[row] for row, split in enumerate(source.splits) if split not in wanted]
    source.understanding.leave_out("samples of other splits", others)
    rows = [row for row, split in enumerate(source.splits) if split in wanted]
    return take_rows(source, np.asarray(rows, np.int64))


def settle_unlabelled(source: SourceDataset, choice: str | None, name: str) -> SourceDataset:
    """The source without its unlabelled samples, or with every class as their candidates.

    Unlabelled is a sample whose label is not known and that has no candidates. An empty set that a
    source writes down is a problem of its sample, unless a choice is made.

    Args:
        source: What a reader found.
        choice: `keep`, `leave-out`, or None for the latter.
        name: What to call the source.

    Raises:
        SettingError: Another choice.
        DatasetFormatError: Nothing would be left.
    """
    if choice is not None and choice not in UNLABELLED:
        raise SettingError(f"unlabelled is {choice!r}. {closest(choice, UNLABELLED)}".rstrip())
    n_samples = len(source.ids)
    if choice is None and source.candidates is not None:
        return source
    bare = np.full(n_samples, True) if source.truth is None else source.truth == UNKNOWN
    if source.candidates is not None:
        bare = bare & (source.candidates.sizes() == 0)
    said = [p.row for p in source.problems if choice is None or p.kind != "empty-set"]
    bare[said] = False
    rows = np.flatnonzero(bare)
    if not len(rows):
        return source
    problems = [p for p in source.problems if p.kind != "empty-set" or not bare[p.row]]
    source = replace(source, problems=problems)
    if choice == "keep":
        source.understanding.take(
            "unlabelled samples",
            f"{len(rows):,} are kept with every class as a candidate",
            "--unlabelled",
        )
        return replace(source, candidates=_with_every_class(source, rows))
    if len(rows) == n_samples:
        raise DatasetFormatError(
            f"No sample of {name} has a label or candidates. Give a candidate file, or take all "
            "classes as candidates with --unlabelled keep."
        )
    source.understanding.leave_out(
        "samples without label and candidates",
        [source.ids[row] for row in rows.tolist()],
        "Give --unlabelled keep to take them with every class as a candidate.",
    )
    return take_rows(source, np.flatnonzero(~bare))


UNLABELLED = ("keep", "leave-out")
"""What may become of samples without label and candidates."""


def _with_every_class(source: SourceDataset, rows: NDArray[np.int64]) -> PartialLabels:
    n_classes = len(source.class_names)
    sets = source.candidates
    if sets is None:
        truth = source.truth
        labels = np.full(len(source.ids), UNKNOWN) if truth is None else truth.astype(np.int64)
        sets = PartialLabels.from_labels(labels, n_classes)
    packed = np.array(sets.packed)
    packed[rows] = PartialLabels.from_dense(np.ones((1, n_classes), bool)).packed
    return PartialLabels(packed, n_classes)


def _take_votes(votes: Votes, position: NDArray[np.int64]) -> Votes:
    kept = votes.take(position[votes.sample] >= 0)
    return replace(kept, sample=position[kept.sample].astype(np.int32))
