"""Tasks for Label Studio: a dataset's images, its sets as predictions, nothing annotated yet.

Predictions are shown to annotators as a start and do not make a task count as labelled. True
labels are left out, as annotators see everything in a task. So are the annotators of the studio:
Label Studio takes annotations only of people it knows.
"""

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

from cad_studio.core.progress import Progress
from cad_studio.datasets.label_studio import OWN_QUESTION, WRITER
from cad_studio.services.datasets.export_tables import image_file
from cad_studio.services.datasets.loaded import LoadedDataset

if TYPE_CHECKING:
    from cad_studio.services.datasets.export_formats import Contents

_KINDS = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif",
          b"RIFF": "image/webp"}  # fmt: skip
"""Media type by the first bytes of a file; browsers find out the others."""

[_QUESTION] = OWN_QUESTION


def write_tasks(told: "Contents", path: Path, progress: Progress) -> int:
    """Write the tasks of the samples as one JSON list; returns how many.

    Beside the first task stands what the import of the file needs: the labelling interface, and
    the classes in their order.
    """
    data, rows = told.data, told.rows
    record = data.record
    meta = {
        "label_config": label_config(told.live()), "class_names": record.class_names,
        "class_descriptions": record.class_descriptions,
    }  # fmt: skip
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        for at, row in enumerate(rows.tolist()):
            if at % 256 == 0:
                progress.report(at / len(rows), "Writing tasks")
            task = _task(data, row) | ({} if at else {"meta": meta})
            file.write((",\n" if at else "\n") + json.dumps(task, ensure_ascii=False))
        file.write("\n]\n")
    return len(rows)


def label_config(names: list[str]) -> str:
    """The labelling interface that Label Studio needs for the tasks."""
    choices = "".join(f"<Choice value={quoteattr(name)}/>" for name in names)
    return (
        '<View><Image name="image" value="$image"/>'
        f'<Choices name="{_QUESTION}" toName="image" choice="multiple">{choices}</Choices></View>'
    )


def _task(data: LoadedDataset, row: int) -> dict[str, Any]:
    record = data.record
    # Some exports of Label Studio put the number of the task in the place of `id`.
    content: dict[str, Any] = {
        "id": data.ids[row], "sample_id": data.ids[row],
        "split": record.split_names[data.splits[row]],
    }  # fmt: skip
    if data.pixels is not None:
        content["image"] = _data_uri(image_file(data, row))
    choices = [record.class_names[index] for index in data.candidates.of(row)]
    result = {
        "id": f"set-{row}", "from_name": _QUESTION, "to_name": "image", "type": "choices",
        "value": {"choices": choices},
    }  # fmt: skip
    prediction = {"model_version": f"{WRITER} v{record.version.number}", "result": [result]}
    return {"data": content, "annotations": [], "predictions": [prediction]}


def _data_uri(content: bytes) -> str:
    kind = next((kind for start, kind in _KINDS.items() if content.startswith(start)), "image")
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
