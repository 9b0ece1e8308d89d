"""Label Studio exports: JSON, JSON-MIN, CSV and TSV of a project of image classification.

JSON holds every annotation of a task; JSON-MIN and the tables have one record for each annotation.
What annotators chose becomes votes, and several choices in one annotation are a set. Skipped
annotations count as none. Tasks that CAD Studio has written hold its sets as predictions, which
are taken where nobody has annotated; other predictions are a model's and stay out.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cad_studio.core.dataset import SourceDataset
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
    last_answers,
    person,
)
from cad_studio.datasets._base import READERS, DatasetReader, ReadOptions, source_path
from cad_studio.datasets._cells import plain_label
from cad_studio.datasets._classes import Label
from cad_studio.datasets._json_files import Json, load_json, starts_of
from cad_studio.datasets._memory import require_memory
from cad_studio.datasets._tables import SUFFIXES, Table, beginning_of, read_table_file
from cad_studio.datasets._written_images import is_embedded, plain_path
from cad_studio.datasets.picture_formats import is_picture_name

WRITER = "cad-studio"
"""How the `model_version` of predictions begins that hold sets of CAD Studio."""

OWN_QUESTION = ("candidates",)
"""What the choices of CAD Studio's own tasks are called."""

IMAGE_KEYS = ("image", "img", "picture", "photo", "image_url", "url")
CHOICE_KEYS = ("choice", "choices", "candidates", "label", "class")
_OF_ANNOTATION = frozenset(
    {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement"}
)
_TASK = re.compile(rb'"(annotations|predictions|completed_by|annotation_id|was_cancelled)"\s*:')


@READERS.register("label-studio")
class LabelStudio(DatasetReader):
    """What annotators chose in Label Studio."""

    name = "label-studio"
    wants = "a JSON, JSON-MIN, CSV or TSV export of a Label Studio project with choices"

    def recognises(self, source: str) -> bool:
        """A JSON list of tasks or annotations, or a table with the ids of annotations."""
        path = Path(source).expanduser()
        if not path.is_file():
            return False
        if path.suffix.lower() in SUFFIXES:
            table = beginning_of(path)
            return table is not None and {"annotation_id", "annotator"} <= set(table.columns)
        if path.suffix.lower() != ".json":
            return False
        head, tail = starts_of(path)
        return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[") and bool(
            _TASK.search(head) or _TASK.search(tail)
        )

    def is_sure(self, source: str) -> bool:
        """Ids of annotations in the header of a table; a table of votes has none."""
        return Path(source).suffix.lower() in SUFFIXES

    def read(self, source: str, options: ReadOptions, progress: Progress) -> SourceDataset:
        """Read all annotations and gather them by image."""
        path = source_path(source)
        progress.report(0.0, f"Reading {path.name}")
        told = Understanding()
        names: list[str] | None = None
        descriptions: dict[str, str] = {}
        if path.suffix.lower() in SUFFIXES:
            told.layout = "a Label Studio table, one row for each annotation"
            table = read_table_file(path, options.tables().form, told)
            items = _gathered(_rows_of(table), options, told, path.name)
        else:
            records = _records(path)
            if any("data" in record for record in records):
                told.layout = "a Label Studio JSON export, one record for each task"
                items = _tasks(records, options, told, path.name)
                names, descriptions = _written_classes(records[0])
            else:
                told.layout = "a Label Studio JSON-MIN export, one record for each annotation"
                numbered = ((f"{path.name}, record {n}", r) for n, r in enumerate(records, 1))
                items = _gathered(numbered, options, told, path.name)
        tree = image_tree(path.parent, options)
        progress.report(0.5, "Gathering the answers by image")
        return build_answered(path.name, items, tree, names, options, told, descriptions)


def read_answers(path: Path, told: Understanding) -> list[Item]:
    """What annotators chose in the tasks of CAD Studio, from a JSON or JSON-MIN export.

    Images are not looked for. The id of an item is that of the sample, empty where a task has none.

    Raises:
        DatasetFormatError: The file is something else, with the task.
        DoubtfulSourceError: Several questions were asked.
    """
    records, options = _records(path), ReadOptions()
    if any("data" in record for record in records):
        items = _tasks(records, options, told, path.name, needs_images=False)
        for item in items:
            item.id = item.id or str(item.fields.get("id") or "")
    else:
        numbered = ((f"{path.name}, record {n}", r) for n, r in enumerate(records, 1))
        items = _gathered(numbered, options, told, path.name, needs_images=False)
    return [last_answers(item, told) for item in items]


def _records(path: Path) -> list[Json]:
    value = load_json(path)
    value = [value] if isinstance(value, dict) else value  # one task, as its own export is
    if not isinstance(value, list) or not all(isinstance(record, dict) for record in value):
        raise DatasetFormatError(f"{path.name} must hold a list of Label Studio tasks.")
    require_memory(ITEM_BYTES * len(value), path.name)
    return value


def _rows_of(table: Table) -> Iterator[tuple[str, Json]]:
    """The rows of a table as records, each with its place."""
    for row in range(len(table)):
        yield table.where(row), {name: cells[row] for name, cells in table.columns.items()}


def _tasks(
    records: Sequence[Json],
    options: ReadOptions,
    told: Understanding,
    name: str,
    needs_images: bool = True,
) -> list[Item]:
    """The tasks of a JSON export."""
    data = [record["data"] for record in records if isinstance(record.get("data"), dict)]
    if len(data) < len(records):
        raise DatasetFormatError(f"{name}: a task has no 'data'. Export the project again.")
    image = _image_key(data, options, name) if needs_images else ""
    if image:
        told.use_column("image", image)
    question = _question(records, options, told, name)
    items = []
    for at, (record, content) in enumerate(zip(records, data, strict=True), 1):
        where = f"{name}, task {record.get('id', at)}"
        own = content.get("sample_id")
        known = {image, "id", "split", "sample_id"} if own is not None else {image}
        item = Item(
            str(content.get(image) or ""), where,
            id="" if own is None else str(own),
            split="" if own is None else str(content.get("split") or ""),
            fields={key: value for key, value in content.items() if key not in known},
        )  # fmt: skip
        for annotation in _listed(record.get("annotations")):
            answer = _answer(annotation, question, where, told)
            if answer is not None:
                item.answers.append(answer)
                if annotation.get("ground_truth") is True and len(answer.labels) == 1:
                    item.truth = answer.labels[0]
                    told.take("true labels", "annotations marked as ground truth")
        _add_predictions(item, record, question, told)
        drafts = len(_listed(record.get("drafts")))
        told.leave_out("drafts, which were not submitted", [where] * drafts)
        items.append(item)
    return items


def _answer(annotation: Json, question: str, where: str, told: Understanding) -> Answer | None:
    """What an annotator chose, or None where that is nothing."""
    if annotation.get("was_cancelled"):
        told.leave_out("skipped annotations", [where])
        return None
    labels = _chosen(annotation, question, where)
    if not labels:
        told.leave_out("annotations without a choice", [where])
        return None
    at = str(annotation.get("updated_at") or annotation.get("created_at") or "")
    return Answer(person(annotation.get("completed_by")), labels, at)


def _chosen(annotation: Json, question: str, where: str) -> tuple[Label, ...]:
    labels: list[Label] = []
    for result in _listed(annotation.get("result")):
        if result.get("type") == "choices" and result.get("from_name") == question:
            labels += _choice_labels(result.get("value"), where)
    return tuple(dict.fromkeys(labels))


def _add_predictions(item: Item, record: Json, question: str, told: Understanding) -> None:
    """Take the set that CAD Studio wrote as a prediction; leave a model's out."""
    for prediction in _listed(record.get("predictions")):
        labels = _chosen(prediction, question, item.where)
        if not str(prediction.get("model_version") or "").startswith(WRITER):
            if labels:
                told.leave_out("predictions of a model", [item.where])
        elif labels and not item.answers:
            item.proposed = labels
            told.take("sets", "those that CAD Studio wrote, where nobody has annotated")


def _question(records: Sequence[Json], options: ReadOptions, told: Understanding, name: str) -> str:
    """The name of the control whose choices are the classes.

    Raises:
        DoubtfulSourceError: Several questions were asked, and none is said to be it.
    """
    asked: dict[str, None] = {}
    others: dict[str, None] = {}
    for record in records:
        for kind in ("annotations", "predictions"):
            for annotation in _listed(record.get(kind)):
                for result in _listed(annotation.get("result")):
                    where = asked if result.get("type") == "choices" else others
                    where[str(result.get("from_name"))] = None
    given = options.columns.get("label", [])
    found = chosen_key(asked, given, OWN_QUESTION, "label", name)
    if found is None and asked:
        raise DoubtfulSourceError(
            f"{name} asks several questions ({', '.join(asked)}). Say which one names the "
            f"classes: --columns label={next(iter(asked))}."
        )
    if found is None:
        hint = f" It has: {', '.join(others)}." if others else ""
        raise DatasetFormatError(f"{name} holds no choices, so no classes.{hint}")
    told.use_column("label", found)
    left = [each for each in (*asked, *others) if each != found]
    told.leave_out("other questions", left, "Choose another with --columns label=NAME.")
    return found


def _gathered(
    records: Iterator[tuple[str, Json]],
    options: ReadOptions,
    told: Understanding,
    name: str,
    needs_images: bool = True,
) -> list[Item]:
    """The tasks of records that have one annotation each."""
    numbered = list(records)
    contents = [record for _, record in numbered]
    if not contents:
        raise DatasetFormatError(f"{name} holds no annotations.")
    image = _image_key(contents, options, name) if needs_images else ""
    label = _label_key(contents, image, options, name)
    if image:
        told.use_column("image", image)
    told.use_column("label", label)
    told.use_column("annotator", "annotator")
    items: dict[tuple[str, str], Item] = {}
    for where, record in numbered:
        written = str(record.get(image) or "")
        own = str(record.get("sample_id") or "")
        key = (own or str(record.get("id")), written)
        item = items.setdefault(key, Item(written, where, id=own))
        further = record.keys() - _OF_ANNOTATION - {image, label, "sample_id"}
        item.fields |= {key: record[key] for key in record if key in further}
        labels = tuple(dict.fromkeys(_choice_labels(record.get(label), where)))
        if not labels:
            told.leave_out("annotations without a choice", [where])
            continue
        at = str(record.get("updated_at") or record.get("created_at") or "")
        item.answers.append(Answer(person(record.get("annotator")), labels, at))
    return list(items.values())


def _choice_labels(value: Any, where: str) -> list[Label]:
    """The classes in a choice: one name, a list of names, or `{"choices": [...]}`."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return [value]  # a class whose name starts with a bracket
    if isinstance(value, dict):
        value = value.get("choices")
    if value is None or value == "":
        return []
    members = value if isinstance(value, list) else [value]
    return [plain_label(member, where) for member in members]


def _image_key(contents: Sequence[Json], options: ReadOptions, name: str) -> str:
    keys = dict.fromkeys(key for content in contents for key in content)
    given = options.columns.get("image", [])
    pictured = [key for key in keys if any(_is_picture(content.get(key)) for content in contents)]
    found = chosen_key(keys if given else pictured, given, IMAGE_KEYS, "image", name)
    if found is not None:
        return found
    if pictured:
        raise DoubtfulSourceError(
            f"{name} names several images for each task ({', '.join(pictured)}). Say which: "
            f"--columns image={pictured[0]}."
        )
    raise DatasetFormatError(
        f"{name} names no image files; it has: {', '.join(list(keys)[:12])}. Say which column "
        "does: --columns image=NAME."
    )


def _label_key(contents: Sequence[Json], image: str, options: ReadOptions, name: str) -> str:
    keys = [
        key for key in dict.fromkeys(key for content in contents for key in content)
        if key not in _OF_ANNOTATION and key != image
    ]  # fmt: skip
    found = chosen_key(keys, options.columns.get("label", []), CHOICE_KEYS, "label", name)
    if found is None:
        raise DoubtfulSourceError(
            f"{name} has several columns that could be the choice ({', '.join(keys[:12])}). Say "
            f"which: --columns label={keys[0]}."
            if keys
            else f"{name} has no column of choices."
        )
    return found


def _is_picture(value: object) -> bool:
    if not isinstance(value, str):
        return False
    return is_embedded(value) or is_picture_name(plain_path(value))


def _written_classes(record: Json) -> tuple[list[str] | None, dict[str, str]]:
    """Class names and descriptions that CAD Studio wrote beside the first task."""
    meta = record.get("meta")
    names = meta.get("class_names") if isinstance(meta, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None, {}
    described = meta.get("class_descriptions")
    if not isinstance(described, dict):
        return names, {}
    return names, {str(name): str(text) for name, text in described.items()}


def _listed(value: Any) -> list[Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
