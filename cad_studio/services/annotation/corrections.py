"""Sets corrected elsewhere come back as actions, after a look at what they would change."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cad_studio.core.annotation import ClassMap, speaker
from cad_studio.core.errors import DatasetFormatError, SettingError, closest
from cad_studio.core.optional import require
from cad_studio.datasets._cells import candidate_cell
from cad_studio.datasets._tables import Table, read_text_table
from cad_studio.services.access import Access
from cad_studio.services.annotation.action_requests import ActionRequest
from cad_studio.services.annotation.annotated_sets import AnnotatedSets
from cad_studio.services.annotation.annotation import AnnotationService
from cad_studio.services.annotation.returned_answers import ReturnedAnswers, class_of, read_returned
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.datasets.loaded import LoadedDataset

SUFFIXES = (".csv", ".jsonl", ".json", ".parquet")
_SHOWN = 20
_LARGEST_BYTES = 512 * 2**20
_ANSWERS = ".json"
"""Ending of what Label Studio exports; everything else has one set for each sample."""


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
            first twenty: `id`, `before`, `after`, by class names). Of answers from Label Studio
            also `statements` (count), `people` (statements by annotator), `contradictions` (samples
            on which no class is left that all agree on), `left_out` (what does not count, as
            sentences), and of each change `said` (classes by annotator) and `contradicts`.

        Raises:
            DatasetFormatError: The file cannot be read, with the line.
            SettingError: It names a class that cannot be chosen, or an impossible annotator.
        """
        self._access.require("owner")
        if file.suffix.lower() == _ANSWERS:
            return self._preview_answers(name, file)
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
        """Take over the sets of a file as one action.

        Sets become statements of the one who acts; answers from Label Studio become statements of
        those who gave them.

        Args:
            name: The dataset.
            file: As for `preview`.
            request: Who does it, with its key; kind, rows and arguments are filled in here.

        Raises:
            DatasetFormatError: The file cannot be read.
            SettingError: It changes nothing.
        """
        self._access.require("owner")
        if file.suffix.lower() == _ANSWERS:
            answers = self._answers(name, file, self._access.name(request.who))
            kind, rows, given = "statements", answers.rows, {"said": answers.said}
        else:
            found = self._read(name, file)
            kind, rows, given = "correct", found.rows, {"sets": found.sets}
        why = request.why or f"From {file.name}"
        if not rows:
            raise SettingError(f"{file.name} says nothing else than the dataset does.")
        made = ActionRequest(
            kind, rows, {**given, "file": file.name}, request.who, request.key, request.window,
            request.seconds, why,
        )  # fmt: skip
        if kind == "statements" and not self._annotation.drafted(name, made)[0]:
            raise SettingError(f"{file.name} says nothing else than the dataset does.")
        return self._annotation.act_inner(name, made)

    def _answers(self, name: str, file: Path, owner: str) -> ReturnedAnswers:
        _content(file)
        data, book = self._datasets.load(name), self._sets.book(name)
        classes = ClassMap.from_json(None if book is None else book.classes)
        return read_returned(file, data, classes, owner)

    def _preview_answers(self, name: str, file: Path) -> dict[str, Any]:
        owner = self._access.checked_name() or "owner"
        found, data = self._answers(name, file, owner), self._datasets.load(name)
        names, said = data.record.class_names, dict(zip(found.rows, found.said, strict=True))
        changes, after = [], {}
        if found.rows:
            made = ActionRequest("statements", found.rows, {"said": found.said}, owner, "preview")
            changes, after = self._annotation.drafted(name, made)
        before = {change.row: change.sets_before for change in reversed(changes)}
        later = {change.row: change.sets_after for change in changes}
        people: dict[str, int] = {}
        for change in changes:
            who = speaker(change.about, owner) or owner
            people[who] = people.get(who, 0) + 1
        return {
            "n_rows": found.n_tasks, "changed": len(later), "unknown": len(found.unknown),
            "unknown_first": found.unknown[0] if found.unknown else None, "empty": found.empty,
            "statements": len(changes), "people": people, "left_out": found.left_out,
            "contradictions": sum(state.contradicts() for state in after.values()),
            "changes": [
                {
                    "id": data.ids[row],
                    "before": [names[index] for index in before[row]],
                    "after": [names[index] for index in later[row]],
                    "said": {
                        who: [names[index] for index in chosen]
                        for who, chosen in said[row].items()
                    },
                    "contradicts": after[row].contradicts(),
                }
                for row in sorted(later)[:_SHOWN]
            ],
        }  # fmt: skip

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
            chosen = tuple({class_of(each, data, where) for each in classes})
            wanted = list(kept.apply(chosen))
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


def _content(file: Path) -> bytes:
    try:
        if file.stat().st_size > _LARGEST_BYTES:
            raise DatasetFormatError(f"{file.name} is larger than 512 MB.")
        return file.read_bytes()
    except OSError as error:
        raise DatasetFormatError(f"{file.name} cannot be read: {error.strerror}.") from error


def _said(file: Path, data: LoadedDataset) -> list[tuple[str, list[Any], str]]:
    """Id, candidates and place of every sample in a file."""
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise DatasetFormatError(
            f"{file.name} is no file of corrections. {closest(suffix, SUFFIXES)}".rstrip()
        )
    content = _content(file)
    if suffix == ".parquet":
        return _of_parquet(file)
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
