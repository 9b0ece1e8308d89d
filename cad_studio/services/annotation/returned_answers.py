"""Answers that annotators gave in Label Studio to tasks of a dataset, as statements of each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cad_studio.core.annotation import ClassMap
from cad_studio.core.errors import DatasetFormatError, closest
from cad_studio.core.understanding import Understanding
from cad_studio.datasets.label_studio import read_answers
from cad_studio.services.access import check_person
from cad_studio.services.datasets.loaded import LoadedDataset


@dataclass(frozen=True)
class ReturnedAnswers:
    """What annotators said of samples of a dataset.

    Attributes:
        rows: Samples with an answer, ascending.
        said: For each of them the classes that each annotator chose, ascending, by name.
        n_tasks: Tasks in the file.
        unknown: Ids the dataset does not have.
        empty: Tasks without an answer that counts, or only with removed classes.
        left_out: What does not count, as sentences.
    """

    rows: list[int]
    said: list[dict[str, tuple[int, ...]]]
    n_tasks: int
    unknown: list[str]
    empty: int
    left_out: list[str]


def read_returned(
    file: Path, data: LoadedDataset, classes: ClassMap, owner: str
) -> ReturnedAnswers:
    """The answers in an export of Label Studio.

    Skipped annotations, drafts and predictions are no answers; of several answers of one annotator
    the last counts.

    Args:
        file: JSON or JSON-MIN.
        data: The dataset whose tasks they are.
        classes: What became of its classes; answers are read in those of now.
        owner: Who is taken for the annotator where the file does not say.

    Raises:
        DatasetFormatError: It is something else, names a class that is not there, or no sample of
            the dataset.
        SettingError: The name of an annotator cannot be used.
    """
    told = Understanding()
    items = read_answers(file, told)
    found: dict[int, dict[str, tuple[int, ...]]] = {}
    unknown: list[str] = []
    empty = 0
    for item in items:
        row = data.rows_by_id.get(item.id)
        if row is None:
            unknown.append(item.id or item.where)
            continue
        if row in found:
            raise DatasetFormatError(
                f"{item.where}: the sample {item.id!r:.60} stands there again. Leave one of them."
            )
        said = {}
        for answer in item.answers:
            chosen = tuple({class_of(label, data, item.where) for label in answer.labels})
            kept = classes.apply(tuple(sorted(chosen)))
            if kept:
                said[check_person(answer.who or owner)] = kept
        if said:
            found[row] = said
        else:
            empty += 1
    if items and len(unknown) == len(items):
        raise DatasetFormatError(
            f"{file.name} names no sample of {data.record.name} (first: {unknown[0]!r:.60}). Its "
            "tasks must be those of an export of this dataset."
        )
    rows = sorted(found)
    return ReturnedAnswers(
        rows, [found[row] for row in rows], len(items), unknown, empty,
        [left.line() for left in told.left_out],
    )  # fmt: skip


def class_of(value: Any, data: LoadedDataset, where: str) -> int:
    """The index of a class as written in a file.

    Raises:
        DatasetFormatError: The dataset has none of this name or index, with the place.
    """
    names = data.record.class_names
    if isinstance(value, str) and value in names:
        return names.index(value)
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return value
    hint = closest(str(value), names)
    raise DatasetFormatError(f"{where}: {value!r:.60} is not a class. {hint}".rstrip())
