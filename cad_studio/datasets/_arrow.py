"""Parquet and Arrow files and hub datasets, as parts whose columns are read one by one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import Images
from cad_studio.core.errors import DatasetFormatError
from cad_studio.datasets._arrow_header import arrow_announced
from cad_studio.datasets._memory import require_memory, require_rows
from cad_studio.datasets._stored_images import ArrowImages, HubImages, ParquetImages

_COLUMN_ROWS = 4096


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

    def batches(self, name: str) -> Iterator[Any]:
        """A column as one `pyarrow.Array` after the other.

        Raises:
            DatasetFormatError: It is damaged.
        """

    def images(self, name: str) -> Images:
        """A column of images, to be read one at a time."""


class ParquetPart:
    """A Parquet file."""

    def __init__(self, path: Path, split: str | None, content: Any = None) -> None:
        """Read the footer.

        Args:
            path: Where the file lies, or would lie in the folder that its archive stands for.
            split: The split of its samples, as far as its place tells.
            content: A `pyarrow.Buffer` with the file, where it lies in an archive.

        Raises:
            DatasetFormatError: No readable Parquet file.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.label = path.name
        self.split = split
        self._path = path
        self._content = content
        try:
            self._file = pq.ParquetFile(path if content is None else pa.BufferReader(content))
            self.schema = self._file.schema_arrow
        except (OSError, ValueError, pa.ArrowException) as error:
            raise DatasetFormatError(
                f"{path.name} is cut short or no Parquet file ({first_line(error)})."
            ) from error
        self.n_rows = self._file.metadata.num_rows
        _check_schema(self)
        self.features, self.notes = described(self.schema.metadata)

    def batches(self, name: str) -> Iterator[Any]:
        """A column, read a few thousand rows at a time."""
        import pyarrow as pa

        n_rows = 0
        try:
            for batch in self._file.iter_batches(batch_size=_COLUMN_ROWS, columns=[name]):
                n_rows += len(batch)
                yield batch.column(0)
        except (OSError, ValueError, LookupError, MemoryError, pa.ArrowException) as error:
            raise DatasetFormatError(
                f"{self.label}, column {name!r} is damaged ({first_line(error)})."
            ) from error
        if n_rows != self.n_rows:
            raise DatasetFormatError(
                f"{self.label}, column {name!r} has {n_rows:,} of the {self.n_rows:,} rows that "
                "the file announces."
            )

    def images(self, name: str) -> Images:
        """A column of images, streamed in small batches.

        Raises:
            DatasetFormatError: What the file says of its columns is damaged.
        """
        import pyarrow as pa

        try:
            return ParquetImages(self._path, name, self._content)
        except (OSError, ValueError, LookupError, pa.ArrowException) as error:
            raise DatasetFormatError(
                f"{self.label}, column {name!r} is damaged ({first_line(error)})."
            ) from error


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
            announced = arrow_announced(path)
            require_rows(announced.n_rows, path.name)
            require_memory(announced.unpacked_bytes, f"{path.name}, unpacked,")
            mapped = pa.memory_map(str(path))
            try:
                self._table = pa.ipc.open_stream(mapped).read_all()
            except pa.ArrowInvalid:
                mapped.seek(0)
                self._table = pa.ipc.open_file(mapped).read_all()
            self._table.validate(full=True)  # lengths and places, which are followed unseen later
        except (OSError, ValueError, pa.ArrowException) as error:
            raise DatasetFormatError(
                f"{path.name} is cut short or no Arrow file ({first_line(error)})."
            ) from error
        self.schema = self._table.schema
        self.n_rows = self._table.num_rows
        _check_schema(self)
        own, self.notes = described(self.schema.metadata)
        self.features = own or features

    def batches(self, name: str) -> Iterator[Any]:
        """A column in pieces as they lie in the file."""
        yield from self._table.column(name).chunks

    def images(self, name: str) -> Images:
        """A column of images; each is copied out of the mapped file when asked for."""
        return ArrowImages(self._table.column(name), self._folder)


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

    def batches(self, name: str) -> Iterator[Any]:
        """A column in pieces as the library keeps it."""
        yield from self._dataset.select_columns([name]).with_format("arrow")[:].column(0).chunks

    def images(self, name: str) -> Images:
        """A column of images, still encoded."""
        from datasets import Image

        encoded = self._dataset.select_columns([name]).cast_column(name, Image(decode=False))
        return HubImages(encoded, name, self._cache)


def column(part: Part, name: str) -> list[Any]:
    """A column as Python values.

    Raises:
        DatasetFormatError: It is damaged, or would take too much memory.
    """
    found: list[Any] = []
    size = 0
    for array in part.batches(name):
        size += _cost_bytes(array, is_whole=True)
        require_memory(size, f"{part.label}, column {name!r},")
        try:
            found += _plain(array)
        except ValueError as error:  # a field that is there twice, or texts that are none
            raise DatasetFormatError(
                f"{part.label}, column {name!r} cannot be read ({first_line(error)})."
            ) from error
    return found


def _plain(array: Any) -> list[Any]:
    """An array as Python values; what a dictionary holds once stays one value."""
    import pyarrow as pa

    if not isinstance(array, pa.DictionaryArray):
        return array.to_pylist()
    values = array.dictionary.to_pylist()
    return [None if place is None else values[place] for place in array.indices.to_pylist()]


def matrix(part: Part, name: str) -> NDArray[np.float32]:
    """A column of lists of numbers, all of one length, float32 (N, D); an absent one is NaN.

    Raises:
        DatasetFormatError: It is damaged, something else, or would take too much memory.
    """
    import pyarrow as pa

    found: NDArray[np.float32] | None = None
    start = 0
    for array in part.batches(name):
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
        lists = pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list
        if not any(is_list(array.type) for is_list in lists) or array.null_count:
            raise _no_vectors(part, name)
        numbers = array.flatten()
        kinds = pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean
        if not any(is_kind(numbers.type) for is_kind in kinds):
            raise _no_vectors(part, name)
        lengths = set(array.value_lengths().to_pylist())
        if found is None:
            width = next(iter(lengths), 0)
            # with the bit a value that is held against infinity takes
            require_memory(5 * part.n_rows * width, f"{part.label}, column {name!r},")
            found = np.empty((part.n_rows, width), np.float32)
        if lengths - {found.shape[1]} or start + len(array) > len(found):
            raise _no_vectors(part, name)
        values = numbers.to_numpy(zero_copy_only=False)
        with np.errstate(over="ignore"):
            found[start : start + len(array)] = values.reshape(len(array), -1)
        start += len(array)
    if found is None or start != len(found):
        raise _no_vectors(part, name)
    return found


def _no_vectors(part: Part, name: str) -> DatasetFormatError:
    return DatasetFormatError(f"{part.label}: the {name} are not lists of numbers of one length.")


def _cost_bytes(array: Any, is_whole: bool = False) -> int:
    """What an array takes as Python values, at most; one of nulls has no bytes of its own.

    Args:
        array: A `pyarrow.Array`.
        is_whole: Whether it is a column of its own, in which equal values of a dictionary are one.
    """
    import pyarrow as pa

    kind = array.type
    size = 2 * array.nbytes + 64 * len(array)
    if pa.types.is_dictionary(kind) and not is_whole:
        size += len(array) * _longest_bytes(array.dictionary)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        size += _cost_bytes(array.flatten())
    if pa.types.is_struct(kind):
        size += sum(_cost_bytes(field) for field in array.flatten())
    return size


def _longest_bytes(values: Any) -> int:
    """The most bytes that one value takes, of texts; 0 of what is short by its nature."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    texts = (
        pa.types.is_string,
        pa.types.is_binary,
        pa.types.is_large_string,
        pa.types.is_large_binary,
    )
    if not len(values) or not any(is_text(kind) for is_text in texts):
        return 0
    return int(pc.max(pc.binary_length(values)).as_py() or 0)


def _check_schema(part: Part) -> None:
    names = part.schema.names
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise DatasetFormatError(
            f"{part.label}: the column {twice!r} is there twice. Rename or drop one of them."
        )
    if part.n_rows < 0:
        raise DatasetFormatError(f"{part.label} is damaged: it announces {part.n_rows} rows.")
    require_rows(part.n_rows, part.label)


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


def first_line(error: BaseException) -> str:
    """The first line of what an error says, without a full stop."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
