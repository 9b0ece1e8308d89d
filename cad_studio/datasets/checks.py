"""What is wrong or remarkable about a source, counted, with the first case of each kind."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import PROBLEM_KINDS, UNKNOWN, Problem, SourceDataset
from cad_studio.datasets.selection import take_rows

NOTE_KINDS = {
    "full-set": "candidate sets with all classes",
    "singleton": "candidate sets with one class",
    "truth-outside": "true labels outside the candidate set",
    "duplicate-image": "images equal to an earlier one",
}
"""Kinds that are reported but do not stand in the way of an import, in the plural."""


@dataclass(frozen=True)
class Finding:
    """Samples with one thing in common.

    Attributes:
        kind: A key of `PROBLEM_KINDS` or `NOTE_KINDS`.
        count: Number of samples, 1 or more.
        first_row: The first of them.
        message: The first of them, in words.
        blocking: Whether these samples cannot be imported.
    """

    kind: str
    count: int
    first_row: int
    message: str
    blocking: bool

    @property
    def title(self) -> str:
        """The kind in words, in the plural."""
        return (PROBLEM_KINDS | NOTE_KINDS)[self.kind]


@dataclass(frozen=True)
class Report:
    """The findings of one check.

    Attributes:
        n_samples: N.
        findings: Blocking ones first, each kind at most once.
        problems: Every sample that cannot be imported, with the reason; by row, the first reason
            a kind.
    """

    n_samples: int
    findings: list[Finding]
    problems: list[Problem]

    @property
    def is_clean(self) -> bool:
        """Whether everything can be imported."""
        return not self.problems

    def bad_rows(self) -> NDArray[np.int64]:
        """The rows that cannot be imported, ascending, int64 (M,)."""
        return np.unique(np.asarray([problem.row for problem in self.problems], np.int64))

    def to_json(self) -> dict[str, object]:
        """The report as plain values, ready for `json.dumps`."""
        return {
            "n_samples": self.n_samples,
            "n_bad": len(self.bad_rows()),
            "findings": [{**asdict(found), "title": found.title} for found in self.findings],
        }

    def lines(self) -> list[str]:
        """One sentence for each finding, e.g. `12 of 500: empty candidate sets (first: ...).`."""
        return [
            f"{found.count:,} of {self.n_samples:,}: {found.title} "
            f"(first: {found.message.rstrip('.')})."
            for found in self.findings
        ]


def check(source: SourceDataset, hashes: Sequence[str | None] | None = None) -> Report:
    """Look at every sample.

    Args:
        source: What a reader found; what it already put into `problems` counts too.
        hashes: A content hash for each image, None where an image could not be decoded. Without
            them equal images are not looked for.
    """
    problems = {(problem.kind, problem.row): problem for problem in reversed(source.problems)}
    for problem in (*_set_problems(source), *_id_problems(source), *_feature_problems(source)):
        if not _is_told(problems, problem):
            problems[problem.kind, problem.row] = problem
    ordered = sorted(problems.values(), key=lambda problem: problem.row)
    findings = [
        _finding(kind, [problem for problem in ordered if problem.kind == kind])
        for kind in PROBLEM_KINDS
    ]
    findings += _notes(source, hashes)
    return Report(len(source.ids), [found for found in findings if found], ordered)


def without(source: SourceDataset, rows: Sequence[int] | NDArray[np.integer]) -> SourceDataset:
    """The source less some samples; votes keep pointing at theirs, images stay unread."""
    kept = np.ones(len(source.ids), bool)
    kept[np.asarray(rows, np.int64)] = False
    return take_rows(source, np.flatnonzero(kept))


_EXPLAINS_EMPTY = ("empty-set", "unknown-class", "length-mismatch")


def _is_told(problems: dict[tuple[str, int], Problem], problem: Problem) -> bool:
    """Whether a sample's reader already said this, or said why it is so."""
    if problem.kind == "empty-set":
        return any((kind, problem.row) in problems for kind in _EXPLAINS_EMPTY)
    return (problem.kind, problem.row) in problems


def _finding(kind: str, problems: list[Problem]) -> Finding | None:
    if not problems:
        return None
    first = problems[0]
    return Finding(kind, len(problems), first.row, first.message, blocking=True)


def _set_problems(source: SourceDataset) -> list[Problem]:
    if source.candidates is not None:
        empty = source.candidates.sizes() == 0
    elif source.truth is not None:
        empty = source.truth == UNKNOWN
    else:
        empty = np.zeros(len(source.ids), bool)
    return [
        Problem("empty-set", row, f"row {row} ({source.ids[row]!r}): the candidate set is empty.")
        for row in np.flatnonzero(empty).tolist()
    ]


def _id_problems(source: SourceDataset) -> list[Problem]:
    first: dict[str, int] = {}
    problems = []
    for row, name in enumerate(source.ids):
        earlier = first.setdefault(name, row)
        if earlier != row:
            message = f"row {row}: the id {name!r} is used before (row {earlier})."
            problems.append(Problem("duplicate-id", row, message))
    return problems


def _feature_problems(source: SourceDataset) -> list[Problem]:
    if source.features is None:
        return []
    finite = np.isfinite(source.features)
    problems = []
    for row in np.flatnonzero(~finite.all(axis=1)).tolist():
        column = int(np.flatnonzero(~finite[row])[0])
        value = source.features[row, column]
        message = f"row {row} ({source.ids[row]!r}): feature {column} is {value}."
        problems.append(Problem("non-finite", row, message))
    return problems


def _notes(source: SourceDataset, hashes: Sequence[str | None] | None) -> list[Finding | None]:
    notes: list[Finding | None] = []
    if source.candidates is not None:
        sizes = source.candidates.sizes()
        n_classes = len(source.class_names)
        notes.append(_note(source, "full-set", sizes == n_classes, f"all {n_classes} classes"))
        notes.append(_note(source, "singleton", sizes == 1, "one candidate"))
        if source.truth is not None:
            known = source.truth != UNKNOWN
            outside = known & ~source.candidates.contains(source.truth) & (sizes > 0)
            note = _note(source, "truth-outside", outside, "the truth is no candidate")
            if note is not None:
                name = source.class_names[int(source.truth[note.first_row])]
                text = f"row {note.first_row} ({source.ids[note.first_row]!r}): the truth {name!r} "
                note = Finding(
                    note.kind, note.count, note.first_row, f"{text}is no candidate.", False
                )
            notes.append(note)
    if hashes is not None:
        notes.append(_equal_images(source, hashes))
    return notes


def _note(source: SourceDataset, kind: str, rows: NDArray[np.bool_], text: str) -> Finding | None:
    if not rows.any():
        return None
    first = int(rows.argmax())
    message = f"row {first} ({source.ids[first]!r}): {text}."
    return Finding(kind, int(rows.sum()), first, message, blocking=False)


def _equal_images(source: SourceDataset, hashes: Sequence[str | None]) -> Finding | None:
    first: dict[str, int] = {}
    equal = []
    for row, value in enumerate(hashes):
        if value is not None and first.setdefault(value, row) != row:
            equal.append((row, first[value]))
    if not equal:
        return None
    row, earlier = equal[0]
    message = (
        f"row {row} ({source.ids[row]!r}) is the same image as row {earlier} "
        f"({source.ids[earlier]!r})."
    )
    return Finding("duplicate-image", len(equal), row, message, blocking=False)
