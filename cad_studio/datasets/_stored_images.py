"""Images that are cells of Parquet, Arrow and hub datasets, read when they are asked for."""

from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from cad_studio.datasets._trees import FolderTree
from cad_studio.datasets.decoding import MAX_FILE_BYTES

_IMAGE_ROWS = 256
_IMAGE_BYTES = 16 * 2**20


class ParquetImages:
    """Images of a Parquet column. Reading in order is fast; a step back starts its group again."""

    def __init__(self, path: Path, name: str, content: Any = None) -> None:
        """Read the column `name` of the file, or of `content`, a `pyarrow.Buffer` with it."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._file = pq.ParquetFile(path if content is None else pa.BufferReader(content))
        self._label = path.name
        self._folder = path.parent
        self._name = name
        footer = self._file.metadata
        counts = [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
        self._starts = np.cumsum([0, *counts])
        self._batch_rows = _rows_at_once(footer, name)
        self._lock = Lock()
        self._forget()

    def __len__(self) -> int:
        """N."""
        return int(self._starts[-1])

    def read(self, row: int) -> bytes:
        """One encoded image."""
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
            except (OSError, ValueError, LookupError, MemoryError, pa.ArrowException) as error:
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
                batch_size=self._batch_rows, row_groups=[group], columns=[self._name]
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


def _rows_at_once(footer: Any, name: str) -> int:
    """Rows of a column of a Parquet file that take some MiB, as far as its footer tells."""
    size = 1
    for group in range(footer.num_row_groups):
        for place in range(footer.num_columns):
            chunk = footer.row_group(group).column(place)
            if chunk.path_in_schema.partition(".")[0] == name:
                size += chunk.total_uncompressed_size
    return int(np.clip(_IMAGE_BYTES * footer.num_rows // max(size, 1), 1, _IMAGE_ROWS))


class ArrowImages:
    """Images of a mapped Arrow column."""

    def __init__(self, column: Any, folder: Path) -> None:
        """Read a `pyarrow.ChunkedArray`; files it names lie in `folder`."""
        self._column = column
        self._folder = folder

    def __len__(self) -> int:
        """N."""
        return len(self._column)

    def read(self, row: int) -> bytes:
        """One encoded image."""
        return image_bytes(self._column[row], f"row {row}", self._folder)


class HubImages:
    """Images of a hub dataset, as the `datasets` library hands them out."""

    def __init__(self, dataset: Any, name: str, cache: Path) -> None:
        """Read the column `name` of a `datasets.Dataset`; files it names lie in `cache`."""
        self._dataset = dataset
        self._name = name
        self._cache = cache

    def __len__(self) -> int:
        """N."""
        return len(self._dataset)

    def read(self, row: int) -> bytes:
        """One encoded image."""
        return _bytes_of(self._dataset[row][self._name], f"row {row}", self._cache)


def image_bytes(scalar: Any, where: str, folder: Path) -> bytes:
    """The encoded image in a `pyarrow.Scalar`: a struct of bytes and path, or bytes alone.

    Raises:
        OSError: There is none, or it is a file outside `folder`.
    """
    try:
        value = scalar.as_py()
    except ValueError as error:  # a struct with a field twice
        raise OSError(f"{where}: there is no image ({_first_line(error)})") from error
    return _bytes_of(value, where, folder)


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
