"""Sets corrected elsewhere come back as actions, after a look at what they would change."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cad_studio.core.annotation import ClassMap
from cad_studio.core.errors import DatasetFormatError, SettingError, closest
from cad_studio.core.optional import require
from cad_studio.datasets._cells import candidate_cell
from cad_studio.datasets._tables import Table, read_text_table
from cad_studio.services.access import Access
from cad_studio.services.action_requests import ActionRequest
from cad_studio.services.annotated_sets import AnnotatedSets
from cad_studio.services.annotation import AnnotationService
from cad_studio.services.datasets import DatasetService
from cad_studio.services.loaded import LoadedDataset

SUFFIXES = (".csv", ".jsonl", ".json", ".parquet")
_SHOWN = 20
_LARGEST_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Corrections:
    """What a file says of samples of a dataset.

    Attributes:
        rows: Samples whose set would change, ascending.
        sets: Their new sets.
        n_rows: Samples the file speaks about.
        unknown: Ids the dataset does not have.
        empty: Samples without a class, or only with removed ones, which are left as they are.
    """

    rows: list[int]
    sets: list[list[int]]
    n_rows: int
    unknown: list[str]
    empty: int


class CorrectionService:
    """Files with corrected sets, for the datasets of one project."""

    def __init__(
        self,
        datasets: DatasetService,
        sets: AnnotatedSets,
        annotation: AnnotationService,
        access: Access,
    ) -> None:
        """Read and write through the other services of the same project."""
        self._datasets = datasets
        self._sets = sets
        self._annotation = annotation
        self._access = access

    def preview(self, name: str, file: Path) -> dict[str, Any]:
        """What a file would change; nothing is changed.

        Returns:
            `n_rows`, `changed`, `unknown` (count) and `unknown_first`, `empty`, `changes` (the
            first twenty: `id`, `before`, `after`, by class names).

        Raises:
            DatasetFormatError: The file cannot be read, with the line.
        """
        self._access.require("owner")
        found, data = self._read(name, file), self._datasets.load(name)
        names, now = data.record.class_names, self._sets.effective(name)
        return {
            "n_rows": found.n_rows, "changed": len(found.rows), "unknown": len(found.unknown),
            "unknown_first": found.unknown[0] if found.unknown else None, "empty": found.empty,
            "changes": [
                {
                    "id": data.ids[row],
                    "before": [names[index] for index in now.of(row)],
                    "after": [names[index] for index in classes],
                }
                for row, classes in zip(found.rows[:_SHOWN], found.sets[:_SHOWN], strict=True)
            ],
        }  # fmt: skip

    def apply(self, name: str, file: Path, request: ActionRequest) -> dict[str, Any]:
        """Take over the sets of a file as one action of the annotator.

        Args:
            name: The dataset.
            file: As for `preview`.
            request: Who does it, with its key; kind, rows and arguments are filled in here.

        Raises:
            DatasetFormatError: The file cannot be read.
            SettingError: It changes nothing.
        """
        self._access.require("owner")
        found = self._read(name, file)
        if not found.rows:
            raise SettingError(f"{file.name} says nothing else than the dataset does.")
        made = ActionRequest(
            "correct", found.rows, {"sets": found.sets, "file": file.name}, request.who,
            request.key, request.window, request.seconds, request.why or f"From {file.name}",
        )  # fmt: skip
        return self._annotation.act_inner(name, made)

    def _read(self, name: str, file: Path) -> Corrections:
        data, now = self._datasets.load(name), self._sets.effective(name)
        said = _said(file, data)
        rows, sets, unknown, empty = [], [], [], 0
        by_id, book, named = data.rows_by_id, self._sets.book(name), set()
        kept = ClassMap.from_json(None if book is None else book.classes)
        for sample, classes, where in said:
            if sample in named:
                raise DatasetFormatError(
                    f"{where}: the sample {sample!r:.60} stands there again. Leave one of them."
                )
            named.add(sample)
            row = by_id.get(sample)
            if row is None:
                unknown.append(sample)
                continue
            # a file from before a merge or a removal is read in the classes of now
            wanted = list(kept.apply(tuple({_class_of(each, data, where) for each in classes})))
            if not wanted:
                empty += 1
            elif wanted != now.of(row):
                rows.append(row)
                sets.append(wanted)
        if said and len(unknown) == len(said):
            raise DatasetFormatError(
                f"{file.name} names no sample of {name} (first: {unknown[0]!r:.60}). Its ids must "
                "be those of an export of this dataset."
            )
        order = sorted(range(len(rows)), key=lambda at: rows[at])
        return Corrections(
            [rows[at] for at in order], [sets[at] for at in order], len(said), unknown, empty
        )


def _said(file: Path, data: LoadedDataset) -> list[tuple[str, list[Any], str]]:
    """Id, candidates and place of every sample in a file."""
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise DatasetFormatError(
            f"{file.name} is no file of corrections. {closest(suffix, SUFFIXES)}".rstrip()
        )
    try:
        if file.stat().st_size > _LARGEST_BYTES:
            raise DatasetFormatError(f"{file.name} is larger than 512 MB.")
        content = file.read_bytes()
    except OSError as error:
        raise DatasetFormatError(f"{file.name} cannot be read: {error.strerror}.") from error
    if suffix == ".parquet":
        return _of_parquet(file)
    if suffix == ".json":
        return _of_label_studio(content, file.name)
    table = read_text_table(content, file.name)
    if {"changes", "digest"} <= set(table.columns):
        return _of_log(table, data)
    table.require("id", "candidates")
    return [
        (
            sample,
            candidate_cell(table.columns["candidates"][row], table.where(row)),
            table.where(row),
        )
        for row, sample in enumerate(table.texts("id"))
    ]


def _of_log(table: Table, data: LoadedDataset) -> list[tuple[str, list[Any], str]]:
    """The last set that a log gives each sample."""
    last: dict[int, tuple[list[Any], str]] = {}
    for at, changes in enumerate(table.columns["changes"]):
        for change in changes if isinstance(changes, list) else []:
            if not isinstance(change, dict):
                raise DatasetFormatError(f"{table.where(at)}: {change!r:.40} is no change.")
            row, after = change.get("row"), change.get("after")
            if not isinstance(row, int) or not 0 <= row < len(data):
                raise DatasetFormatError(f"{table.where(at)}: the dataset has no row {row!r:.20}.")
            if isinstance(after, list):
                last[row] = after, table.where(at)
    return [(data.ids[row], classes, where) for row, (classes, where) in last.items()]


def _of_parquet(file: Path) -> list[tuple[str, list[Any], str]]:
    parquet = require("pyarrow.parquet", "pyarrow", "Reading Parquet")
    arrow = require("pyarrow", "pyarrow", "Reading Parquet")
    try:
        table = parquet.read_table(file, columns=["id", "candidates"]).to_pylist()
    except (arrow.ArrowInvalid, KeyError, OSError) as error:
        raise DatasetFormatError(
            f"{file.name} has no columns id and candidates, or is damaged."
        ) from error
    return [
        (str(line["id"]), list(line["candidates"] or []), f"{file.name}, row {at}")
        for at, line in enumerate(table)
    ]


def _of_label_studio(content: bytes, name: str) -> list[tuple[str, list[Any], str]]:
    """Tasks of Label Studio, the last annotation of each."""
    try:
        tasks = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DatasetFormatError(f"{name} is no JSON ({error}).") from error
    found = []
    for at, task in enumerate(tasks if isinstance(tasks, list) else [tasks]):
        where = f"{name}, task {at + 1}"
        try:
            sample = str(task["data"]["id"])
            results = [
                result["value"]["choices"]
                for annotation in task.get("annotations") or []
                for result in annotation["result"]
                if result["type"] == "choices"
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise DatasetFormatError(
                f"{where}: expected data.id and annotations with choices."
            ) from error
        found.append((sample, list(results[-1]) if results else [], where))
    return found


def _class_of(value: Any, data: LoadedDataset, where: str) -> int:
    names = data.record.class_names
    if isinstance(value, str) and value in names:
        return names.index(value)
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return value
    hint = closest(str(value), names)
    raise DatasetFormatError(f"{where}: {value!r:.60} is not a class. {hint}".rstrip())
