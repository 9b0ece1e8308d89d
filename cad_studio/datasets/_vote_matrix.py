"""Votes in a matrix beside a source: how many people chose each class, or what each one chose.

Three kinds, a row for each sample: `counts` (N, C), how many votes each class got; `shares`
(N, C), which part of the votes each class got; `annotators` (N, A), the class that each of A
annotators gave, -1, NaN or an empty text where one gave none. A matrix of 0 and 1 with a column for
each class is none of them: it holds candidate sets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN, Problem, SourceDataset, Votes
from cad_studio.core.errors import DatasetFormatError, DoubtfulSourceError, SettingError, closest
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.vote_sets import VOTES_AS, check_threshold, sets_of_votes
from cad_studio.datasets._arrays import as_mask
from cad_studio.datasets._classes import ClassTable
from cad_studio.datasets._memory import require_memory

MASK = "candidates"
"""What `kind_of` says of a matrix of 0 and 1 with a column for each class."""

_COST_BYTES = 40
"""Of a value, while it becomes votes."""
_STEP_ROWS = 65536
_ROUNDED = 0.02
"""How far the shares of a row may be from 1, written with few digits."""


def kind_of(
    values: NDArray[np.generic], n_classes: int, where: str, votes_as: str | None = None
) -> str:
    """What a matrix of (samples, columns) holds: `MASK`, or one of `VOTES_AS`.

    Raises:
        DatasetFormatError: It fits none of them, or not the kind the user gives.
        DoubtfulSourceError: It could be several, and they give different sets.
        SettingError: The user gives a kind that there is not.
    """
    if votes_as is not None and votes_as not in VOTES_AS:
        raise SettingError(f"--votes-as is {votes_as!r}. {closest(votes_as, VOTES_AS)}".rstrip())
    check_votes(values.shape, values.dtype, where)
    if votes_as is not None:
        if votes_as != "annotators":
            _check_width(values.shape[1], n_classes, where)
        return votes_as
    if values.dtype.kind in "US":
        return "annotators"
    fits = values.shape[1] == n_classes
    found = _traits(values, n_classes)
    if found.only_bits:
        if not fits and values.dtype.kind != "b":
            raise DoubtfulSourceError(
                f"{where} has {values.shape[1]} columns, the source has {n_classes} classes. As "
                "candidate sets of 0 and 1 it needs a column for each class; if its columns are "
                "annotators who chose class 0 or 1, say --votes-as annotators."
            )
        return MASK
    if not found.only_whole:
        _check_width(values.shape[1], n_classes, where)
        if found.only_shares:
            return "shares"
        try:
            as_mask(values, where)
        except DatasetFormatError as error:
            raise DatasetFormatError(
                f"{error} Rows of shares sum to 1. If these are shares all the same, say "
                "--votes-as shares."
            ) from error
    if not fits:
        if not found.only_indices:
            raise DatasetFormatError(
                f"{where} has {values.shape[1]} columns, the source has {n_classes} classes. Votes "
                "of annotators, a column each, are class indices from 0 to "
                f"{n_classes - 1} and -1 for none."
            )
        return "annotators"
    if found.only_indices and not found.n_blank:
        raise DoubtfulSourceError(
            f"{where} has {values.shape[1]} columns of whole numbers below {n_classes}: how many "
            "votes each class got, or the class that each annotator gave. Say which with "
            "--votes-as counts or --votes-as annotators."
        )
    return "annotators" if found.only_indices else "counts"


def check_votes(shape: tuple[int, ...], dtype: np.dtype[np.generic], where: str) -> None:
    """Hold what an array announces against what a matrix of votes is.

    Raises:
        DatasetFormatError: Not a matrix, or neither of numbers nor of texts.
    """
    if len(shape) != 2 or 0 in shape:
        raise DatasetFormatError(
            f"{where}: expected a matrix (samples, classes or annotators), found the shape {shape}."
        )
    if dtype.kind not in "biufU":
        raise DatasetFormatError(f"{where}: expected numbers or class names, found {dtype}.")


def with_votes(
    source: SourceDataset,
    values: NDArray[np.generic],
    rows: NDArray[np.integer],
    kind: str,
    where: str,
    threshold: float = 0.0,
    names: Sequence[str] | None = None,
) -> SourceDataset:
    """The source with the votes of a matrix, and the sets that follow from them.

    Args:
        source: Its class names give the classes.
        values: (M, C) or (M, A), as `kind` says.
        rows: Sample of each row of the matrix, int (M,). Other samples keep their label as the
            only candidate.
        kind: One of `VOTES_AS`.
        where: What to call the matrix in messages.
        threshold: Share of a sample's votes that makes a class a candidate; 0 is any vote.
        names: A names of the annotators.

    Raises:
        DatasetFormatError: Values that are no votes of this kind.
        SettingError: The threshold is not from 0 to 1.
    """
    check_threshold(threshold)
    require_memory(_COST_BYTES * values.size, where)
    rows = np.asarray(rows, np.int64)
    problems: list[Problem] = []
    if kind == "annotators":
        names = list(names or [f"annotator {column + 1}" for column in range(values.shape[1])])
        labels = _labels(source, values, rows, where, problems)
        place, column = np.nonzero(labels != UNKNOWN)
        votes = Votes(
            _int32(rows[place]),
            _int32(column),
            _int32(labels[place, column]),
            names,
            threshold=threshold,
        )
    else:
        given = _amounts(values, where)
        place, column = np.nonzero(given)
        nobody = np.full(len(place), UNKNOWN, np.int32)
        weight = given[place, column].astype(np.float32)
        votes = Votes(_int32(rows[place]), nobody, _int32(column), [], weight, threshold)
    n_samples, n_classes = len(source.ids), len(source.class_names)
    sets, thin = sets_of_votes(votes, n_samples, n_classes, threshold)
    others = np.ones(n_samples, bool)
    others[rows] = False
    own = np.full(n_samples, UNKNOWN) if source.truth is None else source.truth
    labelled = PartialLabels.from_labels(np.where(others, own, UNKNOWN), n_classes)
    sets = PartialLabels(sets.packed | labelled.packed, n_classes)
    told = {problem.row for problem in problems}
    for row in np.flatnonzero(sets.sizes() == 0).tolist():
        if row not in told:
            message = f"{where}: there is no vote for {source.ids[row]!r}."
            problems.append(Problem("empty-set", row, message))
    kept = [problem for problem in source.problems if problem.kind != "empty-set"]
    tell(source, votes, kind, threshold, len(thin))
    return replace(source, candidates=sets, votes=votes, problems=kept + problems)


def tell(source: SourceDataset, votes: Votes, kind: str, threshold: float, n_thin: int) -> None:
    """Say in the source's understanding what was taken for votes, and which share makes a set."""
    told = source.understanding
    told.take("votes", f"{_WORDS[kind]}, {len(votes.label):,} entries", "--votes-as")
    tell_threshold(source, threshold, n_thin)


def tell_threshold(source: SourceDataset, threshold: float, n_thin: int) -> None:
    """Say which share of the votes makes a class a candidate."""
    if threshold <= 0:
        value = "any vote makes a class a candidate"
    else:
        value = f"a class is a candidate with {threshold:.4g} of a sample's votes or more"
    if n_thin:
        value += (
            f"; {n_thin:,} sample{'s' * (n_thin != 1)} where none reaches it keep the classes with "
            "the most votes"
        )
    source.understanding.take("threshold", value, "--threshold")


_WORDS = {
    "counts": "number of votes for each class, without names of annotators",
    "shares": "share of votes for each class, without names of annotators",
    "annotators": "one column for each annotator",
}


@dataclass
class _Traits:
    """What all values of a matrix have in common; blank ones are NaN or below 0."""

    only_bits: bool = True
    only_whole: bool = True
    only_shares: bool = True
    only_indices: bool = True
    n_blank: int = 0


def _traits(values: NDArray[np.generic], n_classes: int) -> _Traits:
    found = _Traits()
    for start in range(0, len(values), _STEP_ROWS):
        part = np.asarray(values[start : start + _STEP_ROWS])
        if part.dtype.kind == "b":
            continue  # any byte of a file may stand for a boolean: `as_mask` looks at them
        if found.only_shares:
            totals = part.sum(axis=1, dtype=np.float64)
            found.only_shares = bool((np.abs(totals - 1) < _ROUNDED).all())
        blank = ~(part >= 0)
        n_blank = int(blank.sum())
        part = part[~blank] if n_blank else part
        found.n_blank += n_blank
        found.only_shares &= not n_blank
        found.only_bits &= not n_blank and bool(((part == 0) | (part == 1)).all())
        found.only_whole &= part.dtype.kind != "f" or bool((part == np.rint(part)).all())
        found.only_indices &= bool((part < n_classes).all())
    return found


def _labels(
    source: SourceDataset,
    values: NDArray[np.generic],
    rows: NDArray[np.int64],
    where: str,
    problems: list[Problem],
) -> NDArray[np.int64]:
    """The class of each vote, int64 (M, A), `UNKNOWN` for none; unknown ones become problems."""
    classes = ClassTable(source.class_names, where)
    if values.dtype.kind == "U":
        distinct, place = np.unique(values, return_inverse=True)
        known = np.array([classes.find(text) for text in distinct.tolist()])
        blank = np.array([not text.strip() for text in distinct.tolist()])
        labels = known[place].reshape(values.shape)
        is_wrong = (labels == UNKNOWN) & ~blank[place].reshape(values.shape)
    else:
        given = np.asarray(values, np.float64)
        is_blank = ~(given >= 0)
        whole = np.where(is_blank, UNKNOWN, given)
        is_wrong = ~is_blank & ((whole != np.rint(whole)) | (whole >= len(classes.names)))
        labels = np.where(is_wrong | is_blank, UNKNOWN, whole).astype(np.int64)
    for place in np.flatnonzero(is_wrong.any(axis=1)).tolist():
        column = int(is_wrong[place].argmax())
        message = (
            f"{where}, row {place}, column {column}: "
            f"{classes.complaint(values[place, column].item())}"
        )
        problems.append(Problem("unknown-class", int(rows[place]), message))
    return labels


def _amounts(values: NDArray[np.generic], where: str) -> NDArray[np.float64]:
    """Votes or shares for each class, float64 (M, C), none below 0."""
    if values.dtype.kind not in "biuf":
        raise DatasetFormatError(f"{where}: expected numbers of votes, found {values.dtype}.")
    given = np.nan_to_num(np.asarray(values, np.float64), nan=0.0, posinf=-1.0, neginf=-1.0)
    wrong = np.argwhere(given < 0)
    if len(wrong):
        row, column = wrong[0]
        raise DatasetFormatError(
            f"{where}: {len(wrong):,} of {given.size:,} numbers of votes are below 0 or infinite "
            f"(first: {values[row, column]} in row {row}, column {column})."
        )
    return given


def _check_width(n_columns: int, n_classes: int, where: str) -> None:
    if n_columns != n_classes:
        raise DatasetFormatError(
            f"{where} has {n_columns} columns, the source has {n_classes} classes."
        )


def _int32(values: NDArray[np.integer]) -> NDArray[np.int32]:
    return values.astype(np.int32)
