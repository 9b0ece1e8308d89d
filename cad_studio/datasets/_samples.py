"""Samples as they are written in a table, and the dataset they make."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from cad_studio.core.dataset import UNKNOWN, Images, Problem, SourceDataset
from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.understanding import Understanding
from cad_studio.datasets._classes import ClassTable, Label, is_text, names_of, shown


@dataclass
class Samples:
    """N samples whose labels are still as written.

    Attributes:
        source: What to call the whole in messages.
        ids: N ids.
        splits: N split names.
        sets: N lists of labels, or None for a labelled source. One sample's None (not an empty
            list) means that its file has no candidates: its label then stands alone.
        labels: N true labels, None where not known; or None for all.
        where: Says where a row is written.
        problems: Found so far.
        understanding: Filled by the reader; the dataset takes it over.
        fields: N values as written by name, of further columns; the dataset takes them over.
    """

    source: str
    ids: list[str]
    splits: list[str]
    sets: list[list[Label] | None] | None
    labels: list[Label | None] | None
    where: Callable[[int], str]
    problems: list[Problem] = field(default_factory=list)
    understanding: Understanding = field(default_factory=Understanding)
    fields: dict[str, Sequence[object]] = field(default_factory=dict)


def build_dataset(
    samples: Samples,
    class_names: Sequence[str] | None,
    descriptions: dict[str, str],
    images: Images | None,
) -> SourceDataset:
    """Turn written labels into indices; what cannot be turned becomes a problem of its sample.

    Args:
        samples: The rows.
        class_names: C names where the source gives them; else they are found in the labels.
        descriptions: Free text by class name.
        images: N images or None.

    Raises:
        DatasetFormatError: No samples, no labels of any kind, or impossible class names.
    """
    if not samples.ids:
        raise DatasetFormatError(f"{samples.source} holds no samples.")
    if samples.sets is None and samples.labels is None and not class_names:
        raise DatasetFormatError(
            f"{samples.source} has neither candidates nor labels. Add a column 'candidates' or "
            "'label', or name the classes and give a candidate file."
        )
    table = ClassTable(class_names if class_names else names_of(_written(samples)), samples.source)
    if not class_names and all(item.what != "class names" for item in samples.understanding.taken):
        words = f"{len(table.names):,} found in the labels"
        samples.understanding.take("class names", words, "--class-names")
    for split in set(samples.splits):
        if not is_text(split):
            raise DatasetFormatError(f"{samples.source}: the split {shown(split)} is not Unicode.")
    problems = list(samples.problems)
    problems += _id_problems(samples)
    truth = _truth(samples, table, problems)
    candidates = _candidates(samples, table, truth, problems)
    return SourceDataset(
        class_names=table.names,
        ids=samples.ids,
        splits=samples.splits,
        candidates=candidates,
        truth=truth,
        images=images,
        class_descriptions={name: text for name, text in descriptions.items() if text},
        problems=problems,
        understanding=samples.understanding,
        fields=samples.fields,
    )


def _written(samples: Samples) -> Iterator[Label]:
    for members in samples.sets or ():
        if members is not None:
            yield from members
    for label in samples.labels or ():
        if label is not None and label != UNKNOWN:
            yield label


def _id_problems(samples: Samples) -> list[Problem]:
    first: dict[str, int] = {}
    problems = []
    for row, name in enumerate(samples.ids):
        if not is_text(name):
            raise DatasetFormatError(
                f"{samples.where(row)}: the id {shown(name)} is not valid Unicode. Rename it."
            )
        earlier = first.setdefault(name, row)
        if earlier != row:
            message = (
                f"{samples.where(row)}: the id {shown(name)} is used before "
                f"({samples.where(earlier)})."
            )
            problems.append(Problem("duplicate-id", row, message))
    return problems


def _truth(
    samples: Samples, table: ClassTable, problems: list[Problem]
) -> np.ndarray[tuple[int], np.dtype[np.int32]] | None:
    if samples.labels is None:
        return None
    truth = np.full(len(samples.ids), UNKNOWN, np.int32)
    known: dict[Label, int] = {}
    for row, label in enumerate(samples.labels):
        if label is None or label == UNKNOWN:
            continue  # an unlabelled sample; what becomes of it is up to the user
        if label not in known:
            known[label] = table.find(label)
        truth[row] = known[label]
        if known[label] == UNKNOWN:
            message = f"{samples.where(row)}: {table.complaint(label)}"
            problems.append(Problem("unknown-class", row, message))
    return truth


def _candidates(
    samples: Samples,
    table: ClassTable,
    truth: np.ndarray[tuple[int], np.dtype[np.int32]] | None,
    problems: list[Problem],
) -> PartialLabels | None:
    if samples.sets is None:
        return None
    rows: list[int] = []
    columns: list[int] = []
    known: dict[Label, int] = {}
    for row, members in enumerate(samples.sets):
        if not members:
            if members is None and truth is not None and truth[row] != UNKNOWN:
                rows.append(row)
                columns.append(int(truth[row]))
            elif members is not None or samples.labels is None or samples.labels[row] is None:
                message = f"{samples.where(row)}: the candidate set is empty."
                problems.append(Problem("empty-set", row, message))
            continue
        for label in members:
            if label not in known:
                known[label] = table.find(label)
            if known[label] == UNKNOWN:
                message = f"{samples.where(row)}: {table.complaint(label)}"
                problems.append(Problem("unknown-class", row, message))
            else:
                rows.append(row)
                columns.append(known[label])
    return PartialLabels.from_coordinates(
        np.asarray(rows, np.int64),
        np.asarray(columns, np.int64),
        len(samples.ids),
        len(table.names),
    )
