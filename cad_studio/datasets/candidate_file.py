"""Candidate sets from a file of their own, put into a labelled source.

A matrix (`.npy`, `.npz`, `.pt`, `.csv`) has a row for each sample and a column for each class. A
table (`.csv` or `.jsonl` with `id` and `candidates`) and an `.npz` with `ids` are matched by id. A
pickle holds {row: [candidate list of each annotator]}, as PLCIFAR10 is published; the lists are
merged by `aggregate` (their union) or `vaguest` (the largest, the first of equal ones).
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN, Problem, SourceDataset
from cad_studio.core.errors import DatasetFormatError, SettingError, closest
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.datasets import _tables
from cad_studio.datasets import _vote_file as vote_file
from cad_studio.datasets._arrays import as_mask, read_npy
from cad_studio.datasets._cells import candidate_column
from cad_studio.datasets._classes import ClassTable, shown
from cad_studio.datasets._meeting_ids import positions_of, without_sets
from cad_studio.datasets._plain_pickle import load_plain_pickle
from cad_studio.datasets._roles import Roles, TableChoices, find_roles
from cad_studio.datasets._tables import Table, read_table_file
from cad_studio.datasets._vote_matrix import MASK, check_votes, kind_of, with_votes

MODES = ("aggregate", "vaguest")
SUFFIXES = (".npy", ".npz", *_tables.SUFFIXES, ".pt", ".pkl", ".pickle")
MAX_LABELS = 50_000_000
"""Labels in a pickle over all rows and annotators; one list may stand in it a million times."""

_PICKLES = (".pkl", ".pickle")


def apply_candidates(
    source: SourceDataset,
    path: Path,
    mode: str | None,
    votes_as: str | None = None,
    threshold: float = 0.0,
    choices: TableChoices | None = None,
) -> SourceDataset:
    """The source with the candidate sets of a file in the place of its own.

    A matrix or pickle may cover one split only, by its number of rows; the samples of the others
    then keep their label as the only candidate.

    Args:
        source: Labelled or not; its rows give the order, its ids the names.
        path: The file; its ending tells the format.
        mode: `aggregate` or `vaguest` for a file with several sets a sample; None is `aggregate`.
        votes_as: What a matrix of votes holds, one of `VOTES_AS`; None to find out.
        threshold: Share of a sample's votes that makes a class a candidate; 0 is any vote.
        choices: What the user says about the file, where it is a table; the columns of annotators
            are the arrays of an `.npz` or `.pt` that are one annotator's votes each.

    Raises:
        DatasetFormatError: The file cannot be read or does not fit the source.
        SettingError: An unknown mode, or a mode for a file with one set a sample.
    """
    suffix = path.suffix.lower()
    if mode is not None and mode not in MODES:
        raise SettingError(f"candidates_mode is {mode!r}. {closest(mode, MODES)}")
    if mode is not None and suffix not in _PICKLES:
        raise SettingError(
            f"candidates_mode is {mode!r}, but {path.name} holds one set for each sample. "
            "The mode is for pickles with a set from each annotator."
        )
    if suffix not in SUFFIXES:
        raise DatasetFormatError(
            f"{path.name} is no candidate file; expected one of {', '.join(SUFFIXES)}."
        )
    if not path.is_file():
        raise DatasetFormatError(f"{str(path)!r} does not exist.")
    if suffix in _PICKLES:
        return _with_lists(source, load_plain_pickle(path), path.name, mode or "aggregate")
    choices = choices or TableChoices()
    how = _Votes(votes_as, threshold)
    if suffix in _tables.SUFFIXES:
        table = read_table_file(path, choices.form, source.understanding)
        return _from_table(source, table, choices, how)
    if suffix == ".npy":
        return _matrix_by_row(source, read_npy(path), path.name, how)
    stored = vote_file.read(path, choices.columns.get("annotator", ()))
    if stored.ids is None:
        return _matrix_by_row(source, stored.values, path.name, how.of(stored))
    return _matrix_by_id(source, stored, path.name, how.of(stored))


@dataclass(frozen=True)
class _Votes:
    """How a matrix is read that holds votes rather than sets."""

    votes_as: str | None
    threshold: float
    names: list[str] | None = None

    def of(self, stored: vote_file.StoredMatrix) -> "_Votes":
        return _Votes(self.votes_as or stored.votes_as, self.threshold, stored.names)


def _matrix_by_row(
    source: SourceDataset, values: NDArray[np.generic], where: str, how: _Votes
) -> SourceDataset:
    check_votes(values.shape, values.dtype, where)
    rows = _covered_or_refused(source, len(values), where)
    kind = kind_of(values, len(source.class_names), where, how.votes_as)
    if kind == MASK:
        return _by_row(source, as_mask(values, where), rows, where)
    return with_votes(source, values, rows, kind, where, how.threshold, how.names)


def _matrix_by_id(
    source: SourceDataset, stored: vote_file.StoredMatrix, where: str, how: _Votes
) -> SourceDataset:
    assert stored.ids is not None
    check_votes(stored.values.shape, stored.values.dtype, where)
    if len(stored.ids) != len(stored.values):
        raise DatasetFormatError(f"{where}: {len(stored.ids)} ids for {len(stored.values)} rows.")
    kind = kind_of(stored.values, len(source.class_names), where, how.votes_as)
    if kind == MASK:
        return _by_id(source, stored.ids, as_mask(stored.values, where), where)
    positions = positions_of(stored.ids, source, where)
    rows = np.flatnonzero(positions >= 0)
    values = stored.values[positions[rows]]
    found = with_votes(source, values, rows, kind, where, how.threshold, how.names)
    unlabelled = [
        problem for problem in without_sets(source, positions, where)
        if source.truth is None or source.truth[problem.row] == UNKNOWN
    ]  # fmt: skip
    return replace(found, problems=found.problems + unlabelled)


def _from_table(
    source: SourceDataset, table: Table, choices: TableChoices, how: _Votes
) -> SourceDataset:
    roles = find_roles(table, choices.columns, source.class_names, _ROLES)
    key = roles.column.get("id") or roles.column.get("image")
    told = source.understanding
    told.use_column("id", *([key] if key else []))
    if key is not None and "candidates" in roles.column:
        told.use_column("candidates", roles.column["candidates"])
        told.leave_out(f"columns of {table.name} that are not kept", roles.rest)
        return _by_names(source, table, key, roles.column["candidates"], choices)
    return _from_class_columns(source, table, key, roles, how)


_ROLES = ("id", "image", "candidates", "class")


def _from_class_columns(
    source: SourceDataset, table: Table, key: str | None, roles: Roles, how: _Votes
) -> SourceDataset:
    """The sets of a table with a column for each class: of 0 and 1, or of how many votes it got."""
    classes = ClassTable(source.class_names, table.name)
    headers = [name for name in table.columns if name != key]
    if key is None and all(name in ("0", "1") for name in headers):
        raise DatasetFormatError(
            f"{table.name}, line 1: expected the class names, found a row of 0 and 1. Put the "
            "names of the classes in the first line."
        )
    if set(roles.classes) >= set(source.class_names):
        headers = roles.classes
        left = [name for name in roles.rest if name != key]
        source.understanding.leave_out(f"columns of {table.name} that are not kept", left)
    order = [classes.find(name) for name in headers]
    cells: list[list[object]] = [table.columns[name] for name in headers]
    if UNKNOWN in order:
        name = headers[order.index(UNKNOWN)]
        raise DatasetFormatError(f"{table.name}, line 1: {classes.complaint(name)}")
    if sorted(order) != list(range(len(classes.names))):
        raise DatasetFormatError(
            f"{table.name}, line 1: {len(order)} columns for {len(classes.names)} classes; "
            "each class needs its own."
        )
    source.understanding.use_column("class", *headers)
    values = np.zeros((len(table), len(order)))
    for column, texts in zip(order, cells, strict=True):
        for row, value in enumerate(texts):
            values[row, column] = _amount(value, table.where(row))
    is_sets = how.votes_as is None and bool(((values == 0) | (values == 1)).all())
    ids = None if key is None else table.texts(key)
    if is_sets and ids is None:
        rows = _covered_or_refused(source, len(values), table.name)
        return _by_row(source, values == 1, rows, table.name)
    if is_sets and ids is not None:
        return _by_id(source, ids, values == 1, table.name)
    if how.votes_as is None and (values == np.rint(values)).all():
        how = replace(how, votes_as="counts")  # the columns are classes, so they are no annotators
    if ids is None:
        return _matrix_by_row(source, values, table.name, how)
    return _matrix_by_id(source, vote_file.StoredMatrix(values, None, ids), table.name, how)


def _amount(value: object, where: str) -> float:
    """What a cell says of a class: 1 or 0, or how many votes it got."""
    text = str(value).strip().lower()
    with suppress(ValueError):
        amount = _WORDS.get(text)
        amount = float(text) if amount is None else amount
        if 0 <= amount < float("inf"):
            return amount
    raise DatasetFormatError(f"{where}: expected 0 or 1, or a number of votes, found {value!r}.")


_WORDS = {"false": 0.0, "true": 1.0}


def _by_names(
    source: SourceDataset, table: Table, key: str, column: str, choices: TableChoices
) -> SourceDataset:
    classes = ClassTable(source.class_names, table.name)
    positions = positions_of(table.texts(key), source, table.name)
    rows: list[int] = []
    columns: list[int] = []
    problems = without_sets(source, positions, table.name)
    cells = candidate_column(
        table.columns[column],
        table.where,
        source.class_names,
        choices.list_separator,
        source.understanding,
    )
    for sample, line in enumerate(positions.tolist()):
        members = (cells[line] if line >= 0 else None) or []
        if line >= 0 and not members:
            message = f"{table.where(line)}: the candidate set is empty."
            problems.append(Problem("empty-set", sample, message))
        for label in members:
            index = classes.find(label)
            if index == UNKNOWN:
                message = f"{table.where(line)}: {classes.complaint(label)}"
                problems.append(Problem("unknown-class", sample, message))
            else:
                rows.append(sample)
                columns.append(index)
    return _replaced(source, _packed(source, rows, columns), problems)


def _by_id(
    source: SourceDataset, names: list[str], mask: NDArray[np.bool_], where: str
) -> SourceDataset:
    _check_width(source, mask.shape[1], where)
    if len(names) != len(mask):
        raise DatasetFormatError(f"{where}: {len(names)} ids for {len(mask)} candidate sets.")
    positions = positions_of(names, source, where)
    found = np.where(positions[:, None] >= 0, mask[np.maximum(positions, 0)], False)
    problems = without_sets(source, positions, where)
    return _replaced(source, PartialLabels.from_dense(found), problems)


def _by_row(
    source: SourceDataset, mask: NDArray[np.bool_], rows: NDArray[np.int64], where: str
) -> SourceDataset:
    _check_width(source, mask.shape[1], where)
    sets = _own_labels(source).dense()
    sets[rows] = mask
    return _replaced(source, PartialLabels.from_dense(sets), _unlabelled(source, rows, where))


def _with_lists(source: SourceDataset, value: object, name: str, mode: str) -> SourceDataset:
    """Merge {row: [list of each annotator]}; a row may also have one plain list."""
    if not isinstance(value, dict) or not value:
        raise DatasetFormatError(f"{name} must hold a dict from row to candidate lists.")
    bad = next((key for key in value if type(key) is not int or key < 0), None)
    if bad is not None:
        raise DatasetFormatError(f"{name}: the key {shown(bad)} is no row number.")
    train = np.flatnonzero(np.asarray(source.splits, object) == "train")
    largest = max(value)
    rows = _covered(source, len(value))
    if rows is None or largest >= len(rows):
        rows = train if largest < len(train) else np.arange(len(source.ids))
    if largest >= len(rows):
        raise DatasetFormatError(
            f"{name} speaks of row {shown(largest)}, but the source has {len(rows):,} samples. "
            "Choose the split the file belongs to."
        )
    classes = ClassTable(source.class_names, name)
    own = _own_labels(source)
    own.packed[rows] = 0
    problems = _unlabelled(source, rows, name)
    samples: list[int] = []
    columns: list[int] = []
    n_labels = 0
    for key, sample in enumerate(rows.tolist()):
        if key not in value:
            message = f"{name} has no candidates for row {key} ({source.ids[sample]!r})."
            problems.append(Problem("length-mismatch", sample, message))
            continue
        n_labels += _n_labels(value[key])
        if n_labels > MAX_LABELS:
            raise DatasetFormatError(
                f"{name}, row {key}: more than {MAX_LABELS:,} labels so far; that is no file of "
                "candidate lists."
            )
        merged = _merged(value[key], mode, f"{name}, row {key}")
        if not merged:
            message = f"{name}, row {key}: the candidate set is empty."
            problems.append(Problem("empty-set", sample, message))
        for label in merged:
            index = classes.find(label)
            if index == UNKNOWN:
                message = f"{name}, row {key}: {classes.complaint(label)}"
                problems.append(Problem("unknown-class", sample, message))
            else:
                samples.append(sample)
                columns.append(index)
    packed = _packed(source, samples, columns).packed | own.packed
    return _replaced(source, PartialLabels(packed, own.n_classes), problems)


def _n_labels(value: object) -> int:
    members = value if isinstance(value, list | tuple | set | frozenset) else ()
    return sum(len(m) if isinstance(m, list | tuple | set | frozenset) else 1 for m in members)


def _merged(value: object, mode: str, where: str) -> list[object]:
    if not isinstance(value, list | tuple | set | frozenset):
        raise DatasetFormatError(f"{where}: expected a list, found {shown(value)}.")
    members = list(value)
    kinds = {isinstance(member, list | tuple | set | frozenset) for member in members}
    if len(kinds) > 1:
        raise DatasetFormatError(f"{where}: lists and single labels are mixed.")
    if kinds == {False}:
        return members
    if mode == "vaguest":
        return list(max(members, key=len, default=[]))
    return list(dict.fromkeys(label for member in members for label in _hashable(member, where)))


def _hashable(members: Iterable[object], where: str) -> list[object]:
    labels = list(members)
    if not all(isinstance(label, int | str) for label in labels):
        raise DatasetFormatError(f"{where}: a candidate is neither a number nor a name.")
    return labels


def _covered(source: SourceDataset, n_rows: int) -> NDArray[np.int64] | None:
    """The rows a matrix of `n_rows` is for: all, those of train, or those of one other split."""
    if n_rows == len(source.ids):
        return np.arange(n_rows)
    splits = np.asarray(source.splits, object)
    fitting = [split for split in set(source.splits) if (splits == split).sum() == n_rows]
    if "train" in fitting:
        fitting = ["train"]
    return np.flatnonzero(splits == fitting[0]) if len(fitting) == 1 else None


def _covered_or_refused(source: SourceDataset, n_rows: int, where: str) -> NDArray[np.int64]:
    rows = _covered(source, n_rows)
    if rows is None:
        counts = {split: source.splits.count(split) for split in sorted(set(source.splits))}
        parts = ", ".join(f"{split} {count:,}" for split, count in counts.items())
        raise DatasetFormatError(
            f"{where} has {n_rows:,} rows, the source has {len(source.ids):,} samples "
            f"({parts}). Choose the split the file belongs to."
        )
    return rows


def _own_labels(source: SourceDataset) -> PartialLabels:
    truth = source.truth
    labels = np.full(len(source.ids), UNKNOWN) if truth is None else truth
    return PartialLabels.from_labels(labels, len(source.class_names))


def _unlabelled(source: SourceDataset, rows: NDArray[np.int64], where: str) -> list[Problem]:
    """A problem for each sample outside `rows` that has no label to fall back on."""
    bare = np.full(len(source.ids), True) if source.truth is None else source.truth == UNKNOWN
    bare = bare.copy()
    bare[rows] = False
    return [
        Problem("length-mismatch", row, f"{where} has no candidates for {source.ids[row]!r}.")
        for row in np.flatnonzero(bare).tolist()
    ]


def _check_width(source: SourceDataset, n_columns: int, where: str) -> None:
    if n_columns != len(source.class_names):
        raise DatasetFormatError(
            f"{where} has {n_columns} columns, the source has {len(source.class_names)} classes."
        )


def _packed(source: SourceDataset, rows: list[int], columns: list[int]) -> PartialLabels:
    return PartialLabels.from_coordinates(
        np.asarray(rows, np.int64),
        np.asarray(columns, np.int64),
        len(source.ids),
        len(source.class_names),
    )


def _replaced(
    source: SourceDataset, candidates: PartialLabels, problems: list[Problem]
) -> SourceDataset:
    kept = [problem for problem in source.problems if problem.kind != "empty-set"]
    return replace(source, candidates=candidates, problems=kept + problems)
