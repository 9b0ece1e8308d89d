"""Parquet and Arrow files and hub datasets, as parts with small columns and lazily read images."""

import json
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np

from cad_studio.core.dataset import Images
from cad_studio.core.errors import DatasetFormatError
from cad_studio.datasets._trees import FolderTree
from cad_studio.datasets.decoding import MAX_FILE_BYTES

_BATCH_ROWS = 256


class Part(Protocol):
    """One file, or one split of a hub dataset.

    Attributes:
        label: File name or split, for messages.
        split: Split its samples belong to, or None when its name tells nothing.
        features: Hugging Face feature descriptions by column; Any, for they are nested JSON.
        notes: What CAD Studio itself wrote into the file's metadata.
        schema: A `pyarrow.Schema`; Any, for pyarrow has no types.
        n_rows: Number of rows.
    """

    label: str
    split: str | None
    features: dict[str, Any]
    notes: dict[str, Any]
    schema: Any
    n_rows: int

    def column(self, name: str) -> list[Any]:
        """A column as Python values."""

    def images(self, name: str) -> Images:
        """A column of images, to be read one at a time."""


class ParquetPart:
    """A Parquet file."""

    def __init__(self, path: Path, split: str | None) -> None:
        """Read the footer.

        Raises:
            DatasetFormatError: No readable Parquet file.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.label = path.name
        self.split = split
        self._path = path
        try:
            self._file = pq.ParquetFile(path)
            self.schema = self._file.schema_arrow
        except (OSError, ValueError, pa.ArrowException) as error:
            raise DatasetFormatError(
                f"{path.name} is cut short or no Parquet file ({_first_line(error)})."
            ) from error
        self.n_rows = self._file.metadata.num_rows
        self.features, self.notes = described(self.schema.metadata)

    def column(self, name: str) -> list[Any]:
        """A column as Python values."""
        import pyarrow as pa

        try:
            return self._file.read(columns=[name]).column(0).to_pylist()
        except (OSError, ValueError, pa.ArrowException) as error:
            raise DatasetFormatError(
                f"{self.label}, column {name!r} is damaged ({_first_line(error)})."
            ) from error

    def images(self, name: str) -> Images:
        """A column of images, streamed in small batches."""
        return _ParquetImages(self._path, name)


class ArrowPart:
    """An Arrow file, as `save_to_disk` writes it; mapped into memory, not loaded."""

    def __init__(self, path: Path, split: str | None, features: dict[str, Any]) -> None:
        """Map the file.

        Raises:
            DatasetFormatError: No readable Arrow file.
        """
        import pyarrow as pa

        self.label = path.name
        self.split = split
        self._folder = path.parent
        try:
            mapped = pa.memory_map(str(path))
            try:
                self._table = pa.ipc.open_stream(mapped).read_all()
            except pa.ArrowInvalid:
                mapped.seek(0)
                self._table = pa.ipc.open_file(mapped).read_all()
        except (OSError, ValueError, pa.ArrowException) as error:
            raise DatasetFormatError(
                f"{path.name} is cut short or no Arrow file ({_first_line(error)})."
            ) from error
        self.schema = self._table.schema
        self.n_rows = self._table.num_rows
        own, self.notes = described(self.schema.metadata)
        self.features = own or features

    def column(self, name: str) -> list[Any]:
        """A column as Python values."""
        return self._table.column(name).to_pylist()

    def images(self, name: str) -> Images:
        """A column of images; each is copied out of the mapped file when asked for."""
        return _ArrowImages(self._table.column(name), self._folder)


class HubPart:
    """One split of a dataset the `datasets` library has loaded."""

    def __init__(self, dataset: Any, split: str, cache: Path) -> None:
        """Wrap a `datasets.Dataset` (Any: the library is imported only where it is used)."""
        self.label = split
        self.split = split
        self.features = dataset.features.to_dict()
        self.notes: dict[str, Any] = {}
        self.schema = dataset.features.arrow_schema
        self.n_rows = len(dataset)
        self._dataset = dataset
        self._cache = cache

    def column(self, name: str) -> list[Any]:
        """A column as Python values."""
        return self._dataset.select_columns([name]).with_format("arrow")[:].column(0).to_pylist()

    def images(self, name: str) -> Images:
        """A column of images, still encoded."""
        from datasets import Image

        encoded = self._dataset.select_columns([name]).cast_column(name, Image(decode=False))
        return _HubImages(encoded, name, self._cache)


def described(metadata: dict[bytes, bytes] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Hugging Face features and CAD Studio notes from a schema's metadata; empty when absent."""
    features = _json(metadata, b"huggingface").get("info", {})
    features = features.get("features", {}) if isinstance(features, dict) else {}
    return features if isinstance(features, dict) else {}, _json(metadata, b"cad_studio")


def _json(metadata: dict[bytes, bytes] | None, key: bytes) -> dict[str, Any]:
    try:
        value = json.loads((metadata or {}).get(key, b"{}"))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


class _ParquetImages:
    """Images of a Parquet column. Reading in order is fast; a step back starts its group again."""

    def __init__(self, path: Path, name: str) -> None:
        import pyarrow.parquet as pq

        self._file = pq.ParquetFile(path)
        self._label = path.name
        self._folder = path.parent
        self._name = name
        footer = self._file.metadata
        counts = [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
        self._starts = np.cumsum([0, *counts])
        self._lock = Lock()
        self._forget()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def read(self, row: int) -> bytes:
        with self._lock:
            # The batch before is kept for callers that read a little out of order.
            for start, column in (self._now, self._before):
                if start <= row < start + len(column):
                    return image_bytes(
                        column[row - start], f"{self._label}, row {row}", self._folder
                    )
            import pyarrow as pa

            try:
                self._advance(row)
            except (OSError, ValueError, pa.ArrowException) as error:
                self._forget()
                raise OSError(
                    f"{self._label}, row {row}: damaged ({_first_line(error)})"
                ) from error
            start, column = self._now
            return image_bytes(column[row - start], f"{self._label}, row {row}", self._folder)

    def _advance(self, row: int) -> None:
        group = int(np.searchsorted(self._starts, row, side="right")) - 1
        if group != self._group or row < self._now[0]:
            self._group = group
            self._batches = self._file.iter_batches(
                batch_size=_BATCH_ROWS, row_groups=[group], columns=[self._name]
            )
            self._next = int(self._starts[group])
        while row >= self._next:
            batch = next(self._batches, None)
            if batch is None:
                raise OSError("fewer rows than announced")
            self._before = self._now
            self._now = (self._next, batch.column(0))
            self._next += len(batch)

    def _forget(self) -> None:
        self._group = -1
        self._next = 0
        self._batches: Any = iter(())
        self._now: tuple[int, Any] = (0, ())
        self._before: tuple[int, Any] = (0, ())


class _ArrowImages:
    """Images of a mapped Arrow column."""

    def __init__(self, column: Any, folder: Path) -> None:
        self._column = column
        self._folder = folder

    def __len__(self) -> int:
        return len(self._column)

    def read(self, row: int) -> bytes:
        return image_bytes(self._column[row], f"row {row}", self._folder)


class _HubImages:
    """Images of a hub dataset, as the `datasets` library hands them out."""

    def __init__(self, dataset: Any, name: str, cache: Path) -> None:
        self._dataset = dataset
        self._name = name
        self._cache = cache

    def __len__(self) -> int:
        return len(self._dataset)

    def read(self, row: int) -> bytes:
        return _bytes_of(self._dataset[row][self._name], f"row {row}", self._cache)


def image_bytes(scalar: Any, where: str, folder: Path) -> bytes:
    """The encoded image in a `pyarrow.Scalar`: a struct of bytes and path, or bytes alone.

    Raises:
        OSError: There is none, or it is a file outside `folder`.
    """
    return _bytes_of(scalar.as_py(), where, folder)


def _bytes_of(value: Any, where: str, folder: Path) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        data, path = value.get("bytes"), value.get("path")
        if isinstance(data, bytes) and data:
            return data
        if path:
            return _beside(str(path), folder)
    raise OSError(f"{where}: there is no image")


def _beside(path: str, folder: Path) -> bytes:
    name = path
    if Path(path).is_absolute():
        try:
            name = Path(path).resolve().relative_to(folder.resolve()).as_posix()
        except ValueError as error:
            raise OSError(f"{path!r} lies outside the folder {str(folder)!r}") from error
    return FolderTree(folder).read(name, MAX_FILE_BYTES)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
