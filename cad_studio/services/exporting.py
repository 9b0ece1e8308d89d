"""Write a dataset's current candidate sets so that an import brings them back unchanged."""

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cad_studio.core.dataset import UNKNOWN, chunks
from cad_studio.core.errors import (
    RecordNotFoundError,
    SettingError,
    StorageError,
    closest,
    is_disk_full,
)
from cad_studio.core.optional import require
from cad_studio.core.progress import Progress
from cad_studio.services.access import Access
from cad_studio.services.datasets import DatasetService
from cad_studio.services.loaded import LoadedDataset
from cad_studio.store.pixels import EncodedPixels
from cad_studio.store.projects import Project

FORMATS = ("csv", "parquet", "npz")
FIELD_PREFIX = "field:"
"""What the name of a field's array begins with in an `.npz`, where it may be called anything."""

Columns = Mapping[str, Sequence[str | float | int | None]]
"""N values by name."""

_ROWS_PER_CHUNK = 1024


class ExportService:
    """Exports of one project."""

    def __init__(self, project: Project, datasets: DatasetService, access: Access) -> None:
        """Read through `datasets`; files for the window go to the project's folder `exports`.

        `access` rules on who may name another file.
        """
        self._folder = project.folder / "exports"
        self._datasets = datasets
        self._access = access

    def export(
        self, name: str, format_name: str, out: Path | None, progress: Progress
    ) -> dict[str, Any]:
        """Write a file, all or nothing.

        `csv` holds ids, splits, sets and known labels: `--candidates` of an import takes it.
        `parquet` (the Hugging Face layout) and `npz` hold the images or vectors too.

        Args:
            name: Name of the dataset.
            format_name: `csv`, `parquet` or `npz`.
            out: The file to write; its folder must exist. None makes one in the project.
            progress: Told how far it is.

        Returns:
            `name`, `format`, `out`, `rows`, `bytes`, `version`.

        Raises:
            SettingError: The format is not known, the folder is missing, or the images cannot be
                held by the format.
            DamageError: A file of the dataset is missing, or not what was written.
            StorageError: The disk is full.
            NotAllowedError, ReadOnlyError: The one who acts may not choose the file.
        """
        if out is not None:
            self._access.require_to_reach(str(out))
        if format_name not in FORMATS:
            hint = closest(format_name, FORMATS)
            raise SettingError(f"{format_name!r} is not an export format. {hint}".rstrip())
        data = self._datasets.load(name)
        data.require_whole()
        if out is None:
            self._folder.mkdir(exist_ok=True)
            out = self._folder / f"{name}-v{data.record.version.number}.{format_name}"
        fields = self._datasets.fields.columns(data)
        with replacing(out) as scratch:
            if format_name == "csv":
                _write_csv(data, scratch, progress, fields)
            elif format_name == "npz":
                _write_npz(data, scratch, progress, fields)
            else:
                write_parquet(data, scratch, progress, fields=fields)
        return {
            "name": name,
            "format": format_name,
            "out": str(out),
            "rows": len(data),
            "bytes": out.stat().st_size,
            "version": data.record.version.hash,
        }

    def finished(self, result: dict[str, Any]) -> Path:
        """The file that an export into the project made.

        Raises:
            RecordNotFoundError: It is not there any more, or the result is of something else.
        """
        out = Path(str(result.get("out", "")))
        if out.parent != self._folder or not out.is_file():
            raise RecordNotFoundError("This file is not there any more. Export again.")
        return out


def csv_lines(
    data: LoadedDataset,
    chosen: NDArray[np.int64] | None = None,
    fields: Columns | None = None,
) -> Iterator[list[Any]]:
    """The rows of the CSV, the header first; those of some samples, or of all.

    Args:
        data: The dataset.
        chosen: Rows, int64 (M,); None for all.
        fields: N further values by column name, as `FieldService.columns`.
    """
    names, fields = data.record.class_names, fields or {}
    yield ["id", "split", "candidates", "label", *fields]
    chosen = np.arange(len(data)) if chosen is None else chosen
    for part in chunks(len(chosen), _ROWS_PER_CHUNK):
        rows = chosen[part]
        for row, members in zip(rows, data.candidates.lists(rows), strict=True):
            yield [
                data.ids[row],
                data.record.split_names[data.splits[row]],
                json.dumps([names[member] for member in members], ensure_ascii=False),
                _label(data, int(row)) or "",
                *("" if values[row] is None else values[row] for values in fields.values()),
            ]


def _write_csv(data: LoadedDataset, path: Path, progress: Progress, fields: Columns) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for row, line in enumerate(csv_lines(data, fields=fields)):
            if row % _ROWS_PER_CHUNK == 0:
                progress.report(row / (len(data) + 1), "Writing CSV")
            writer.writerow(line)


def _write_npz(data: LoadedDataset, path: Path, progress: Progress, fields: Columns) -> None:
    progress.report(0.0, "Packing arrays")
    record = data.record
    arrays: dict[str, np.ndarray] = {
        "candidates": data.candidates.dense(),
        "ids": np.array(data.ids),
        "class_names": np.array(record.class_names),
        "split": np.array(record.split_names)[data.splits],
    }
    if data.truth is not None:
        arrays["labels"] = data.truth
    if data.votes is not None:
        votes = data.votes
        arrays["votes"] = np.stack([votes.sample, votes.annotator, votes.label])
        arrays["annotators"] = np.array(votes.annotators, str)
        if votes.weight is not None:
            arrays["vote_weights"] = votes.weight
    if data.features is not None:
        arrays["features"] = data.features
    if data.pixels is not None:
        shape = data.pixels.native_shape
        if shape is None:
            raise SettingError(
                f"The images of {record.name} differ in size, which npz cannot hold. "
                "Use --format parquet."
            )
        pixels = data.pixels.batch(np.arange(len(data)), *shape)
        arrays["images"] = pixels[..., 0] if shape[2] == 1 else pixels
    if record.class_descriptions:
        arrays["class_descriptions"] = np.array(
            [record.class_descriptions.get(name, "") for name in record.class_names]
        )
    for name, values in fields.items():
        arrays[FIELD_PREFIX + name] = _array(values)
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _array(values: Sequence[str | float | int | None]) -> NDArray[np.generic]:
    """A field as an array without objects: numbers with NaN, or texts with empty ones, for none."""
    if any(isinstance(value, str) for value in values):
        return np.array(["" if value is None else str(value) for value in values])
    return np.array([np.nan if value is None else value for value in values], np.float64)


def write_parquet(
    data: LoadedDataset,
    path: Path,
    progress: Progress,
    chosen: NDArray[np.int64] | None = None,
    fields: Columns | None = None,
) -> None:
    """Some samples, or all, in the layout of the Hugging Face Hub, with a column for each field."""
    arrow = require("pyarrow", "pyarrow", "The Parquet export")
    parquet = require("pyarrow.parquet", "pyarrow", "The Parquet export")
    record = data.record
    image = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    columns = [
        ("id", arrow.string()),
        ("split", arrow.string()),
        ("candidates", arrow.list_(arrow.string())),
        ("label", arrow.string()),
    ]
    votes = votes_by_row(data)
    if votes is not None:
        vote = [("annotator", arrow.string()), ("label", arrow.string()),
                ("weight", arrow.float32())]  # fmt: skip
        columns.append(("votes", arrow.list_(arrow.struct(vote))))
    if data.pixels is not None:
        columns.append(("image", image))
    if data.features is not None:
        columns.append(("features", arrow.list_(arrow.float32())))
    fields = fields or {}
    for name, values in fields.items():
        kinds = {type(value) for value in values if value is not None}
        kind = (
            arrow.string() if str in kinds else arrow.float64() if float in kinds else arrow.int64()
        )
        columns.append((name, kind))
    kept = {"class_names": record.class_names, "class_descriptions": record.class_descriptions}
    metadata = {"cad_studio": json.dumps(kept | _annotators(data))}
    schema = arrow.schema(columns, metadata=metadata)
    names = record.class_names
    chosen = np.arange(len(data)) if chosen is None else chosen
    with parquet.ParquetWriter(path, schema) as writer:
        for part in chunks(len(chosen), _ROWS_PER_CHUNK):
            rows = chosen[part]
            progress.report(part[0] / len(chosen), "Writing Parquet")
            batch: dict[str, list[Any]] = {
                "id": [data.ids[row] for row in rows],
                "split": [record.split_names[data.splits[row]] for row in rows],
                "candidates": [
                    [names[member] for member in members] for members in data.candidates.lists(rows)
                ],
                "label": [_label(data, int(row)) for row in rows],
            }
            if votes is not None:
                batch["votes"] = [votes.get(int(row), []) for row in rows]
            if data.pixels is not None:
                batch["image"] = [image_file(data, int(row)) for row in rows]
            if data.features is not None:
                batch["features"] = list(data.features[rows])
            for name, values in fields.items():
                batch[name] = [values[row] for row in rows]
            writer.write_table(arrow.table(batch, schema=schema))


def _label(data: LoadedDataset, row: int) -> str | None:
    if data.truth is None or data.truth[row] == UNKNOWN:
        return None
    return data.record.class_names[data.truth[row]]


def _annotators(data: LoadedDataset) -> dict[str, list[str]]:
    return {} if data.votes is None else {"annotators": data.votes.annotators}


def votes_by_row(data: LoadedDataset) -> dict[int, list[dict[str, Any]]] | None:
    """The imported votes of each sample that has some, in their order; None where there are none.

    Returns:
        Of each vote `annotator` (None where not known), `label`, and `weight` (1 for one vote).
    """
    votes = data.votes
    if votes is None:
        return None
    names = data.record.class_names
    weights = [1.0] * len(votes.sample) if votes.weight is None else votes.weight.tolist()
    columns = (votes.sample.tolist(), votes.annotator.tolist(), votes.label.tolist(), weights)
    found: dict[int, list[dict[str, Any]]] = {}
    for row, who, label, weight in zip(*columns, strict=True):
        name = None if who == UNKNOWN else votes.annotators[who]
        vote = {"annotator": name, "label": names[label], "weight": weight}
        found.setdefault(row, []).append(vote)
    return found


def image_file(data: LoadedDataset, row: int) -> dict[str, Any]:
    """The image of a sample as a file, in the form Parquet keeps: `bytes` and `path`."""
    pixels = data.pixels
    assert pixels is not None
    if isinstance(pixels, EncodedPixels):
        return {"bytes": pixels.file(row), "path": data.ids[row]}
    shape = pixels.native_shape
    assert shape is not None
    image = pixels.batch(np.array([row]), *shape)[0]
    out = io.BytesIO()
    Image.fromarray(image[..., 0] if shape[2] == 1 else image).save(out, "PNG", compress_level=3)
    return {"bytes": out.getvalue(), "path": data.ids[row]}


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """A scratch file beside `out` that takes its place when the block ends well."""
    if not out.parent.is_dir():
        raise SettingError(f"The folder {out.parent} does not exist. Make it or choose another.")
    if out.is_dir():
        raise SettingError(f"{out} is a folder. Give the name of a file with --out.")
    try:
        descriptor, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}-")
        os.close(descriptor)
    except OSError as error:
        raise SettingError(f"{out.parent} cannot be written: {error.strerror}.") from error
    scratch = Path(name)
    try:
        yield scratch
        os.replace(scratch, out)
    except OSError as error:
        if is_disk_full(error):
            raise StorageError(
                f"No space is left for {out}. Free some and export again."
            ) from error
        raise
    finally:
        scratch.unlink(missing_ok=True)
