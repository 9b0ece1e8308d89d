"""A dataset as a folder that FiftyOne loads whole: `metadata.json`, `samples.json`, `data/`.

The layout is that of `fiftyone.types.FiftyOneDataset`, as its exporter and importer define it
(https://docs.voxel51.com/user_guide/export_datasets.html#fiftyonedataset): the documents of the
dataset and of its samples in MongoDB's JSON. Candidate sets and votes are `Classifications`, true
labels a `Classification`; a split is a field, and a tag too.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.errors import SettingError
from cad_studio.core.progress import Progress
from cad_studio.services.datasets.export_tables import Columns, image_file, votes_by_row
from cad_studio.services.datasets.loaded import LoadedDataset

if TYPE_CHECKING:
    from cad_studio.services.datasets.export_formats import Contents

_VERSION = "0.21.0"
"""Of the documents; FiftyOne brings older ones up to date when it loads them."""

_ENDINGS = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif", b"RIFF": ".webp"}
_TAKEN = {"id", "filepath", "tags", "metadata", "sample_id", "split", "candidates", "ground_truth",
          "votes", "media_type", "created_at", "last_modified_at"}  # fmt: skip
_FIELDS, _LABELS = "fiftyone.core.fields", "fiftyone.core.labels"


def write_fiftyone(told: "Contents", folder: Path, progress: Progress) -> int:
    """Write the samples into an empty folder; a further field of a sample becomes a field.

    Returns:
        How many samples.

    Raises:
        SettingError: The dataset has no images.
    """
    data, rows, fields = told.data, told.rows, told.fields
    if data.pixels is None:
        raise SettingError(
            f"{data.record.name} has no images, which FiftyOne needs. Use --format huggingface."
        )
    (folder / "data").mkdir()
    votes = votes_by_row(data) or {}
    with (folder / "samples.json").open("w", encoding="utf-8") as file:
        file.write('{"samples": [')
        for at, row in enumerate(rows.tolist()):
            if at % 256 == 0:
                progress.report(at / len(rows), "Writing samples")
            content = image_file(data, row)
            ending = next((e for start, e in _ENDINGS.items() if content.startswith(start)), ".img")
            name = f"data/{row:07d}{ending}"
            (folder / name).write_bytes(content)
            sample = _sample(data, row, name, votes.get(row, []))
            sample |= {_own_name(field): values[row] for field, values in fields.items()}
            file.write((",\n" if at else "\n") + json.dumps(sample, ensure_ascii=False))
        file.write("\n]}\n")
    text = json.dumps(_metadata(data, fields), ensure_ascii=False, indent=1)
    (folder / "metadata.json").write_text(text + "\n", encoding="utf-8")
    return len(rows)


def _sample(
    data: LoadedDataset, row: int, name: str, votes: list[dict[str, Any]]
) -> dict[str, Any]:
    record, key = data.record, f"{data.record.name}/{data.ids[row]}"
    names, split = record.class_names, record.split_names[data.splits[row]]
    truth = UNKNOWN if data.truth is None else int(data.truth[row])
    return {
        "_id": _object_id(key), "_media_type": "image", "filepath": name, "tags": [split],
        "_rand": (row * 0.6180339887498949) % 1.0, "sample_id": data.ids[row], "split": split,
        "candidates": _several(
            _classification(names[index], f"{key}/set/{index}")
            for index in data.candidates.of(row)
        ),
        "ground_truth": None if truth == UNKNOWN else _classification(names[truth], f"{key}/truth"),
        "votes": _several(
            _classification(key=f"{key}/vote/{at}", **vote) for at, vote in enumerate(votes)
        ),
    }  # fmt: skip


def _several(members: Iterator[dict[str, Any]]) -> dict[str, Any]:
    return {"_cls": "Classifications", "classifications": list(members), "logits": None}


def _classification(label: str, key: str, **more: Any) -> dict[str, Any]:
    return {
        "_id": _object_id(key), "_cls": "Classification", "tags": [], "label": label,
        "confidence": None, "logits": None, **more,
    }  # fmt: skip


def _object_id(key: str) -> dict[str, str]:
    """An id that is the same whenever the same is exported."""
    return {"$oid": hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:24]}


def _own_name(field: str) -> str:
    """A name that FiftyOne takes for a field; those of its documents are taken already."""
    name = re.sub(r"\W", "_", field).strip("_") or "field"
    return f"field_{name}" if name in _TAKEN or name[0].isdigit() else name


def _kind(values: Sequence[object]) -> str:
    kinds = {type(value) for value in values if value is not None}
    kind = "String" if str in kinds else "Float" if float in kinds else "Int"
    return f"{_FIELDS}.{kind}Field"


def _metadata(data: LoadedDataset, fields: Columns) -> dict[str, Any]:
    record = data.record
    own = {
        "class_names": record.class_names, "class_descriptions": record.class_descriptions,
        "version": record.version.hash, "annotators": data.votes.annotators if data.votes else [],
    }  # fmt: skip
    text, embedded = f"{_FIELDS}.StringField", f"{_FIELDS}.EmbeddedDocumentField"
    classification = [
        _field("id", f"{_FIELDS}.ObjectIdField", db_field="_id"),
        _field("tags", f"{_FIELDS}.ListField", subfield=text), _field("label", text),
        _field("confidence", f"{_FIELDS}.FloatField"), _field("logits", f"{_FIELDS}.VectorField"),
    ]  # fmt: skip
    several = [
        _field(
            "classifications", f"{_FIELDS}.ListField", subfield=embedded,
            embedded_doc_type=f"{_LABELS}.Classification", fields=classification,
        ),
        _field("logits", f"{_FIELDS}.VectorField"),
    ]  # fmt: skip
    more = {"embedded_doc_type": f"{_LABELS}.Classifications", "fields": several}
    return {
        "version": _VERSION, "name": record.name, "media_type": "image", "persistent": False,
        "tags": [], "info": {"cad_studio": own}, "classes": {}, "mask_targets": {},
        "default_classes": record.class_names, "default_mask_targets": {}, "skeletons": {},
        "sample_fields": [
            _field("id", f"{_FIELDS}.ObjectIdField", db_field="_id"), _field("filepath", text),
            _field("tags", f"{_FIELDS}.ListField", subfield=text),
            _field("metadata", embedded, embedded_doc_type="fiftyone.core.metadata.ImageMetadata"),
            _field("sample_id", text), _field("split", text),
            _field("candidates", embedded, **more),
            _field("ground_truth", embedded, embedded_doc_type=f"{_LABELS}.Classification",
                   fields=classification),
            _field("votes", embedded, **more),
            *(_field(_own_name(name), _kind(values)) for name, values in fields.items()),
        ],
        "frame_fields": [], "saved_views": [], "annotation_runs": {}, "brain_methods": {},
        "evaluations": {}, "runs": {}, "workspaces": [],
    }  # fmt: skip


def _field(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "ftype": kind, "embedded_doc_type": None, "subfield": None, "fields": [],
        "db_field": name, "description": None, "info": None, **more,
    }  # fmt: skip
