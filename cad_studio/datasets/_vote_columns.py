"""Which columns of a table are what, when the table holds votes of annotators."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cad_studio.core.errors import DoubtfulSourceError
from cad_studio.datasets._tables import Table

IMAGE = ("image", "file_name", "filename", "path", "file")
ANNOTATOR = ("annotator", "worker", "user")
LABEL = ("label", "vote", "answer")
_TRUTH, _SPLIT = "truth", "split"
_OTHER_READERS = frozenset({"candidates", "label", "labels"})
"""Columns by which a table is one of samples rather than of votes."""

_BLANK = frozenset({"", "nan", "none", "null", "na", "n/a", "<na>", "?", "-", "skip", "skipped"})
_MOST_LABELS = 1000
_INDEX = frozenset({"", "unnamed: 0", "index", "id"})


def is_blank(value: object) -> bool:
    """Whether a cell holds no vote: nothing, NaN, or a word for it such as `skip`."""
    if value is None:
        return True
    if isinstance(value, float):
        return math.isnan(value)
    return isinstance(value, str) and value.strip().casefold() in _BLANK


@dataclass(frozen=True)
class VoteColumns:
    """The columns of a table by what they hold.

    Attributes:
        image: File of the image.
        annotator: Who votes, of a long table; None for a wide one.
        labels: The votes: one column of a long table, one for each annotator of a wide one.
        truth: True label, or None.
        split: Split, or None.
        fields: Everything else.
    """

    image: str
    annotator: str | None
    labels: tuple[str, ...]
    truth: str | None
    split: str | None
    fields: tuple[str, ...]

    @property
    def is_long(self) -> bool:
        """Whether there is a row for each vote."""
        return self.annotator is not None

    def votes(self, table: Table) -> Iterator[tuple[int, str, object]]:
        """Row of the table, annotator and what was given, blank or not, by row."""
        if self.annotator is not None:
            [labels] = (table.columns[name] for name in self.labels)
            yield from zip(range(len(table)), table.texts(self.annotator), labels, strict=True)
            return
        columns = [(name, table.columns[name]) for name in self.labels]
        for row in range(len(table)):
            for name, values in columns:
                yield row, name, values[row]

    def roles(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Names by role, for what an import says it understood."""
        yield "image", (self.image,)
        if self.annotator is None:
            yield "annotator", self.labels
        else:
            yield "annotator", (self.annotator,)
            yield "label", self.labels
        for role, name in (("truth", self.truth), ("split", self.split)):
            if name is not None:
                yield role, (name,)
        if self.fields:
            yield "field", self.fields


def choose_columns(
    table: Table, wanted: Mapping[str, Sequence[str]], class_names: Sequence[str] | None = None
) -> VoteColumns | None:
    """The columns of a table of votes, or None where it looks like something else.

    Args:
        table: The whole table, or its beginning.
        wanted: Column names by role, as the user gives them.
        class_names: Where they are known, columns of votes hold nothing else.

    Raises:
        DatasetFormatError: A column the user names is not there.
        DoubtfulSourceError: Columns of 0 and 1 could be votes or classes.
    """
    for names in wanted.values():
        table.require(*names)
    image = _first(table, wanted.get("image"), IMAGE)
    annotators = list(wanted.get("annotator", ()))
    annotator = annotators[0] if len(annotators) == 1 else None
    if not annotators:
        annotator = _first(table, None, ANNOTATOR)
    label = _first(table, wanted.get("label"), LABEL)
    if image is None:
        return None
    truth = _first(table, wanted.get("truth"), (_TRUTH,))
    split = _first(table, wanted.get("split"), (_SPLIT,))
    if annotator is not None and label is not None and len(annotators) < 2:
        used = {image, annotator, label, truth, split}
        return VoteColumns(image, annotator, (label,), truth, split, _others(table, used))
    if not annotators:
        if _OTHER_READERS & set(table.columns):
            return None
        left = _others(table, {image, truth, split})
        annotators = _alike(table, left, class_names)
    if len(annotators) < 2 and not wanted.get("annotator"):
        return None
    used = {image, truth, split, *annotators}
    return VoteColumns(image, None, tuple(annotators), truth, split, _others(table, used))


def _first(table: Table, given: Sequence[str] | None, known: Sequence[str]) -> str | None:
    return next((name for name in (*(given or ()), *known) if name in table.columns), None)


def _others(table: Table, used: set[str | None]) -> tuple[str, ...]:
    return tuple(
        name for name in table.columns if name not in used and name.strip().casefold() not in _INDEX
    )


def _alike(table: Table, names: Sequence[str], class_names: Sequence[str] | None) -> list[str]:
    """The columns that share their values, as those of annotators do; the largest such group."""
    said = {}
    for name in names:
        values = {str(value).strip() for value in table.columns[name] if not is_blank(value)}
        if not 0 < len(values) <= _MOST_LABELS:
            continue
        if class_names is not None and not values <= set(class_names) | _numbers(class_names):
            continue
        said[name] = values
    groups: list[list[str]] = []
    for name, values in said.items():
        joined = [each for each in groups if any(values & said[other] for other in each)]
        groups = [each for each in groups if each not in joined]
        groups.append([*(other for each in joined for other in each), name])
    best = sorted(max(groups, key=len, default=[]), key=list(names).index)
    if len(best) > 1 and all(said[name] <= {"0", "1", "0.0", "1.0"} for name in best):
        raise DoubtfulSourceError(
            f"{table.name}: the columns {', '.join(best[:6])} hold 0 and 1: votes for one of two "
            "classes, or a class each. For votes name them, --columns "
            f"annotator={best[0]},annotator={best[1]}; for classes give the images as the source "
            "and this table with --candidates."
        )
    return best


def _numbers(class_names: Sequence[str]) -> set[str]:
    whole = {str(index) for index in range(len(class_names))}
    return whole | {f"{index}.0" for index in range(len(class_names))}
