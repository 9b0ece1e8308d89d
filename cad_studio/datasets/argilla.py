"""Argilla exports: records as JSON, a dataset folder, or the flat Parquet table of a Hub dataset.

Submitted responses to a label question become votes; several labels in one response are a set.
Suggestions are a model's and stay out.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cad_studio.core.dataset import Images, SourceDataset
from cad_studio.core.errors import DatasetFormatError, DoubtfulSourceError
from cad_studio.core.progress import Progress
from cad_studio.core.understanding import Understanding
from cad_studio.datasets._answers import (
    ITEM_BYTES,
    Answer,
    Item,
    build_answered,
    chosen_key,
    image_tree,
    person,
)
from cad_studio.datasets._arrow import ParquetPart, column
from cad_studio.datasets._base import READERS, DatasetReader, ReadOptions, source_path
from cad_studio.datasets._cells import plain_label
from cad_studio.datasets._classes import Label
from cad_studio.datasets._json_files import Json, load_json, starts_of
from cad_studio.datasets._memory import require_memory
from cad_studio.datasets._written_images import is_embedded, plain_path
from cad_studio.datasets.picture_formats import is_picture_name

_RECORDS, _SETTINGS = "records.json", ".argilla/settings.json"
_KEYS = (b'"fields"', b'"responses"', b'"suggestions"')
_FLAT = ".responses"
_SUBMITTED = {None, "submitted"}
_IMAGE_FIELDS = ("image", "img", "picture", "photo")


@READERS.register("argilla")
class Argilla(DatasetReader):
    """Responses of annotators in Argilla."""

    name = "argilla"
    wants = "records of Argilla as .json, a folder with records.json, or their .parquet table"

    def recognises(self, source: str) -> bool:
        """Records in JSON, a folder with them, or a Parquet file with columns of responses."""
        path = Path(source).expanduser()
        if path.is_dir():
            return (path / _RECORDS).is_file() and _holds_records(path / _RECORDS)
        if not path.is_file():
            return False
        if path.suffix.lower() == ".parquet":
            return any(name.endswith(f"{_FLAT}.users") for name in _columns_of(path))
        return path.suffix.lower() == ".json" and _holds_records(path)

    def is_sure(self, source: str) -> bool:
        """No other format has such records, or such columns."""
        return True

    def is_fragile(self, source: str) -> bool:
        """A Parquet file."""
        return Path(source).suffix.lower() == ".parquet"

    def read(self, source: str, options: ReadOptions, progress: Progress) -> SourceDataset:
        """Read the responses to one question."""
        path = source_path(source)
        progress.report(0.0, f"Reading {path.name}")
        told = Understanding()
        images: Images | None = None
        if path.suffix.lower() == ".parquet":
            told.layout = "a table of Argilla records, one row for each record"
            part = ParquetPart(path, None)
            records, place, images = _flat_records(part, options)
            file, classes = path, {}
        else:
            told.layout = "Argilla records, one for each image"
            file = path / _RECORDS if path.is_dir() else path
            records = _nested(load_json(file), file.name)
            place = _image_field(records, options, file.name)
            classes = _classes(file.parent / _SETTINGS)
        question = _question(records, options, told, file.name)
        told.use_column("image", place)
        items = [
            _item(record, place, question, f"{file.name}, record {at}", told)
            for at, record in enumerate(records, 1)
        ]
        tree = image_tree(file.parent, options)
        names = classes.get(question)
        return build_answered(path.name, items, tree, names, options, told, images=images)


def _holds_records(path: Path) -> bool:
    head, tail = starts_of(path)
    is_list = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    return is_list and sum(key in head or key in tail for key in _KEYS) >= 2


def _columns_of(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(path).names
    except (OSError, ValueError, pa.ArrowException):
        return []


def _nested(value: Any, name: str) -> list[Json]:
    if not isinstance(value, list) or not value:
        raise DatasetFormatError(f"{name} holds no records.")
    require_memory(ITEM_BYTES * len(value), name)
    for at, record in enumerate(value, 1):
        if not isinstance(record, dict) or not isinstance(record.get("fields"), dict):
            raise DatasetFormatError(f"{name}, record {at}: expected an object with 'fields'.")
    return value


def _flat_records(part: ParquetPart, options: ReadOptions) -> tuple[list[Json], str, Images | None]:
    """Rows of the flat table in the form of nested records, and the images they hold."""
    import pyarrow as pa

    names = part.schema.names
    questions = [name.removesuffix(f"{_FLAT}.users") for name in names
                 if name.endswith(f"{_FLAT}.users")]  # fmt: skip
    stored = [
        name for name in names
        if pa.types.is_struct(part.schema.field(name).type)
        and part.schema.field(name).type.get_field_index("bytes") >= 0
    ]  # fmt: skip
    of_questions = {
        name for name in names for q in questions if name.startswith((f"{q}.responses", f"{q}.sug"))
    }
    plain = [name for name in names if name not in {*stored, *of_questions, "_server_id", "status"}]
    cells = {name: column(part, name) for name in plain}
    responses = {
        question: [
            column(part, f"{question}{_FLAT}{ending}")
            if f"{question}{_FLAT}{ending}" in names
            else [None] * part.n_rows
            for ending in ("", ".users", ".status")
        ]
        for question in questions
    }
    records: list[Json] = []
    for row in range(part.n_rows):
        said = {
            question: [
                {"value": value, "user_id": user, "status": status}
                for value, user, status in zip(*_same_length(columns, row), strict=True)
            ]
            for question, columns in responses.items()
        }
        fields = {name: values[row] for name, values in cells.items()}
        records.append({"id": fields.pop("id", None), "fields": fields, "responses": said})
    given = options.columns.get("image", [])
    place = chosen_key(stored, given, _IMAGE_FIELDS, "image", part.label) if stored else None
    if place is not None:
        return records, place, part.images(place)
    return records, _image_field(records, options, part.label), None


def _same_length(columns: Sequence[Sequence[Any]], row: int) -> Iterator[list[Any]]:
    """Values, users and statuses of one row; what is absent is None."""
    values = list(columns[0][row] or [])
    for each in columns:
        cell = list(each[row] or [])
        yield cell if len(cell) == len(values) else [None] * len(values)


def _image_field(records: Sequence[Json], options: ReadOptions, name: str) -> str:
    fields = dict.fromkeys(key for record in records for key in record["fields"])
    given = options.columns.get("image", [])
    pictured = [key for key in fields if any(_is_picture(r["fields"].get(key)) for r in records)]
    found = chosen_key(fields if given else pictured, given, _IMAGE_FIELDS, "image", name)
    if found is None:
        raise DatasetFormatError(
            f"{name} has no field of images; it has: {', '.join(list(fields)[:12]) or 'none'}. "
            "Say which: --columns image=NAME."
        )
    return found


def _is_picture(value: object) -> bool:
    return isinstance(value, str) and (is_embedded(value) or is_picture_name(plain_path(value)))


def _question(records: Iterable[Json], options: ReadOptions, told: Understanding, name: str) -> str:
    """The question whose answers are the classes.

    Raises:
        DoubtfulSourceError: There are several, and none is said to be it.
    """
    asked: dict[str, None] = {}
    for record in records:
        for question, responses in (record.get("responses") or {}).items():
            if any(_labels(each.get("value"), "") for each in _listed(responses)):
                asked[question] = None
    if not asked:
        raise DatasetFormatError(f"{name} holds no responses to a label question.")
    found = chosen_key(asked, options.columns.get("label", []), ("label", "class"), "label", name)
    if found is None:
        raise DoubtfulSourceError(
            f"{name} asks several questions ({', '.join(asked)}). Say which one names the "
            f"classes: --columns label={next(iter(asked))}."
        )
    told.use_column("label", found)
    left = [question for question in asked if question != found]
    told.leave_out("other questions", left, "Choose another with --columns label=NAME.")
    return found


def _item(record: Json, place: str, question: str, where: str, told: Understanding) -> Item:
    fields = record["fields"]
    further = {key: value for key, value in fields.items() if key != place}
    further |= record.get("metadata") or {}
    own = record.get("id")
    item = Item(str(fields.get(place) or ""), where, id="" if own is None else str(own))
    item.fields = further
    for response in _listed((record.get("responses") or {}).get(question)):
        labels = _labels(response.get("value"), where)
        if response.get("status") not in _SUBMITTED:
            told.leave_out("responses that were not submitted", [where])
        elif not labels:
            told.leave_out("responses without a label", [where])
        else:
            item.answers.append(Answer(person(response.get("user_id")), labels))
    if not item.answers and (record.get("suggestions") or {}).get(question):
        told.leave_out("suggestions of a model", [where])
    return item


def _labels(value: Any, where: str) -> tuple[Label, ...]:
    """The classes in a response; none where it is of another kind of question."""
    members = value if isinstance(value, list) else [value]
    if not all(isinstance(member, str) and member for member in members):
        return ()
    return tuple(dict.fromkeys(plain_label(member, where) for member in members))


def _classes(settings: Path) -> dict[str, list[str]]:
    """The options of each question, where the settings of the dataset lie beside the records."""
    if not settings.is_file():
        return {}
    value = load_json(settings)
    found: dict[str, list[str]] = {}
    for question in _listed(value.get("questions") if isinstance(value, dict) else None):
        kind = question.get("settings")
        options = _listed(kind.get("options") if isinstance(kind, dict) else None)
        names = [str(option.get("value")) for option in options if option.get("value") is not None]
        if len(names) > 1:
            found[str(question.get("name"))] = names
    return found


def _listed(value: Any) -> list[Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
