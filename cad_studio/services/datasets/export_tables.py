"""A dataset's samples as tables: CSV of the sets, npz and Parquet with images or vectors too."""

import csv
import json
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN, chunks
from cad_studio.core.errors import SettingError
from cad_studio.core.optional import require
from cad_studio.core.progress import Progress
from cad_studio.datasets.npz import FIELD_PREFIX
from cad_studio.datasets.png_files import png_files
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.store.pixels import EncodedPixels

if TYPE_CHECKING:
    from cad_studio.services.datasets.export_formats import Contents

Columns = Mapping[str, Sequence[str | float | int | None]]
"""N values by name."""

_ROWS_PER_CHUNK = 1024
_TOGETHER_BYTES = 16 << 20
_PACKERS = 2
_OF_FEW_VALUES = ["split", "candidates.list.element", "label"]


def csv_lines(
    data: LoadedDataset, chosen: NDArray[np.int64], fields: Columns
) -> Iterator[list[Any]]:
    """The rows of the CSV, the header first.

    Args:
        data: The dataset.
        chosen: Rows, int64 (M,).
        fields: N further values by column name, as `FieldService.columns`.
    """
    names = data.record.class_names
    yield ["id", "split", "candidates", "label", *fields]
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


def write_csv(told: "Contents", path: Path, progress: Progress) -> int:
    """The sets and the known labels, one sample a line."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for row, line in enumerate(csv_lines(told.data, told.rows, told.fields)):
            if row % _ROWS_PER_CHUNK == 0:
                progress.report(row / (len(told.rows) + 1), "Writing CSV")
            writer.writerow(line)
    return len(told.rows)


def write_npz(told: "Contents", path: Path, progress: Progress) -> int:
    """Everything as arrays; images of one size only."""
    progress.report(0.0, "Packing arrays")
    data, record = told.data, told.data.record
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
    for name, values in told.fields.items():
        arrays[FIELD_PREFIX + name] = _array(values)
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return len(told.rows)


def _array(values: Sequence[str | float | int | None]) -> NDArray[np.generic]:
    """A field as an array without objects: numbers with NaN, or texts with empty ones, for none."""
    if any(isinstance(value, str) for value in values):
        return np.array(["" if value is None else str(value) for value in values])
    return np.array([np.nan if value is None else value for value in values], np.float64)


def write_parquet(told: "Contents", path: Path, progress: Progress) -> int:
    """The samples in the layout of the Hugging Face Hub, with a column for each field."""
    data, chosen = told.data, told.rows
    parquet = require("pyarrow.parquet", "pyarrow", "The Parquet export")
    table = _Table(told)
    parts = list(chunks(len(chosen), _rows_together(data)))
    with (
        parquet.ParquetWriter(path, table.schema, use_dictionary=_OF_FEW_VALUES) as writer,
        ThreadPoolExecutor(_PACKERS) as packers,
    ):
        files: deque[Future[list[bytes]]] = deque()
        for place, part in enumerate(parts):
            progress.report(part[0] / len(chosen), "Writing Parquet")
            if data.pixels is not None:
                ahead = parts[place + len(files) : place + 1 + _PACKERS]
                files.extend(packers.submit(image_files, data, chosen[each]) for each in ahead)
            images = files.popleft().result() if files else None
            writer.write_table(table.part(chosen[part], images))
    return len(chosen)


class _Table:
    """The columns of a Parquet file, some rows at a time."""

    def __init__(self, told: "Contents") -> None:
        self._data, self._fields = told.data, told.fields
        self._arrow = arrow = require("pyarrow", "pyarrow", "The Parquet export")
        self._votes = votes_by_row(told.data)
        record = told.data.record
        self._class_names = arrow.array(record.class_names, arrow.string())
        self._split_names = arrow.array(record.split_names, arrow.string())
        columns = [
            ("id", arrow.string()),
            ("split", arrow.string()),
            ("candidates", arrow.list_(arrow.string())),
            ("label", arrow.string()),
        ]
        if self._votes is not None:
            vote = [("annotator", arrow.string()), ("label", arrow.string()),
                    ("weight", arrow.float32())]  # fmt: skip
            columns.append(("votes", arrow.list_(arrow.struct(vote))))
        if told.data.pixels is not None:
            image = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
            columns.append(("image", image))
        if told.data.features is not None:
            columns.append(("features", arrow.list_(arrow.float32())))
        columns += [(name, self._kind(values)) for name, values in told.fields.items()]
        kept = {"class_names": record.class_names, "class_descriptions": record.class_descriptions}
        metadata = {"cad_studio": json.dumps(kept | _annotators(told.data))}
        self.schema = arrow.schema(columns, metadata=metadata)

    def _kind(self, values: Sequence[str | float | int | None]) -> Any:
        kinds = {type(value) for value in values if value is not None}
        arrow = self._arrow
        return (
            arrow.string() if str in kinds else arrow.float64() if float in kinds else arrow.int64()
        )

    def part(self, rows: NDArray[np.int64], images: list[bytes] | None) -> Any:
        """Some rows as a table; `images` are their files."""
        arrow, data = self._arrow, self._data
        ids = arrow.array([data.ids[row] for row in rows.tolist()], arrow.string())
        dense = data.candidates.dense(rows)
        ends = np.concatenate([[0], np.cumsum(dense.sum(axis=1))]).astype(np.int32)
        members = self._class_names.take(arrow.array(np.nonzero(dense)[1]))
        batch: dict[str, Any] = {
            "id": ids,
            "split": self._split_names.take(arrow.array(np.asarray(data.splits[rows]))),
            "candidates": arrow.ListArray.from_arrays(arrow.array(ends), members),
            "label": self._labels(rows),
        }
        if self._votes is not None:
            batch["votes"] = [self._votes.get(row, []) for row in rows.tolist()]
        if images is not None:
            files = arrow.array(images, arrow.binary())
            batch["image"] = arrow.StructArray.from_arrays([files, ids], ["bytes", "path"])
        if data.features is not None:
            batch["features"] = list(data.features[rows])
        for name, values in self._fields.items():
            batch[name] = [values[row] for row in rows.tolist()]
        return arrow.table(batch, schema=self.schema)

    def _labels(self, rows: NDArray[np.int64]) -> Any:
        truth = self._data.truth
        if truth is None:
            return self._arrow.nulls(len(rows), self._arrow.string())
        own = np.asarray(truth[rows])
        return self._class_names.take(self._arrow.array(own, mask=own == UNKNOWN))


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


def _rows_together(data: LoadedDataset) -> int:
    """As many rows as take some 16 MB with their images, as pixels or files, or their vectors."""
    pixels = data.pixels
    if isinstance(pixels, EncodedPixels):
        of_one = pixels.n_bytes // max(1, len(pixels))
    else:
        shape = None if pixels is None else pixels.native_shape
        of_one = 0 if shape is None else math.prod(shape)
    of_one += data.record.n_classes
    if data.features is not None:
        of_one += 8 * data.features.shape[1]
    return min(max(_TOGETHER_BYTES // of_one, 16), 16 * _ROWS_PER_CHUNK)


def image_files(data: LoadedDataset, rows: NDArray[np.int64]) -> list[bytes]:
    """The images of some samples as files: as they were imported, or else as PNG."""
    pixels = data.pixels
    assert pixels is not None
    if isinstance(pixels, EncodedPixels):
        return [pixels.file(row) for row in rows.tolist()]
    assert pixels.native_shape is not None
    return png_files(pixels.batch(rows, *pixels.native_shape))


def image_file(data: LoadedDataset, row: int) -> bytes:
    """The image of a sample as a file; see `image_files`."""
    return image_files(data, np.array([row]))[0]
