"""Tensors in `.pt` files, read without torch and without running anything in them.

The layout is that of `torch.save`: a zip with a pickle `data.pkl` and a file for each storage, or
the one before torch 1.6, pickles and storages in a row (torch/serialization.py, `_legacy_save`).
Shapes are known before any storage is unpacked.
"""

import io
import math
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import DatasetFormatError
from cad_studio.datasets._memory import require_memory
from cad_studio.datasets._plain_pickle import (
    PlainKind,
    PlainUnpickler,
    cost_bytes,
    damage_is_told,
)
from cad_studio.datasets._unpacking import unpacked

Storages = Callable[[str, int], NDArray[np.uint8]]
"""Key and size in bytes to the bytes of a storage."""

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "UntypedStorage": "uint8",
}
_DTYPES = {*_STORAGES.values(), "uint16", "uint32", "uint64"}
_KINDS = {
    "_rebuild_qtensor": "a quantised tensor",
    "_rebuild_nested_tensor": "a nested tensor",
    "_rebuild_meta_tensor_no_storage": "a meta tensor, which has no values",
    "_rebuild_wrapper_subclass": "a tensor of a class of its own",
}
"""Tensors that are told by their name, for they are no matrix of numbers."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor whose values are still in the file.

    Attributes:
        file_name: For messages.
        shape: Its shape; not bounded by any memory.
        dtype: What `values` will have: float32 for bfloat16.
    """

    file_name: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    _load: Callable[[], NDArray[np.generic]]

    def values(self) -> NDArray[np.generic]:
        """The values, in memory or mapped; a sparse tensor becomes a dense array.

        Raises:
            DatasetFormatError: Damaged, or too large.
        """
        with damage_is_told(self.file_name), _zip_damage_is_told(self.file_name):
            return self._load()


def read_tensors(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a `.pt` file by name; a tensor alone is called `candidates`.

    Raises:
        DatasetFormatError: Damaged, of another kind, or more than tensors; nothing in it is run.
    """
    with damage_is_told(path.name), _zip_damage_is_told(path.name):
        value = _from_zip(path) if zipfile.is_zipfile(path) else _from_row(path)
        found = value if isinstance(value, dict) else {"candidates": value}
        tensors = {
            name: item.stored(path.name) if isinstance(item, _NumpyArray) else item
            for name, item in found.items()
            if isinstance(name, str) and isinstance(item, StoredTensor | _NumpyArray)
        }
    if not tensors:
        raise DatasetFormatError(f"{path.name} holds no tensor.")
    return tensors


def _from_zip(path: Path) -> object:
    archive = zipfile.ZipFile(path)
    entries = {entry.filename: entry for entry in archive.infolist()}
    main = next((entry for entry in entries if entry.endswith("/data.pkl")), None)
    if main is None:
        raise DatasetFormatError(f"{path.name} is no .pt file: there is no data.pkl in it.")
    folder = main.removesuffix("data.pkl")
    size = entries[main].file_size
    require_memory(16 * size, path.name)
    with archive.open(entries[main]) as file:
        data = unpacked(file, size, f"{path.name}, data.pkl,").tobytes()
    require_memory(cost_bytes(data), path.name)
    order = "<"
    if f"{folder}byteorder" in entries:
        order = ">" if archive.read(f"{folder}byteorder")[:3] == b"big" else "<"

    def storage(key: str, size_bytes: int) -> NDArray[np.uint8]:
        with _zip_damage_is_told(path.name), archive.open(f"{folder}data/{key}") as file:
            return unpacked(file, size_bytes, f"{path.name}, storage {key[:20]},")

    return _Unpickler(io.BytesIO(data), path.name, len(data), storage, order).load()


def _from_row(path: Path) -> object:
    size = path.stat().st_size
    require_memory(2 * size, path.name)
    data = path.read_bytes()
    file = io.BytesIO(data)

    def load() -> Any:
        return _Unpickler(file, path.name, size, storage, "<").load()

    def storage(key: str, size_bytes: int) -> NDArray[np.uint8]:
        start, length = places.get(key, (0, -1))
        if length != size_bytes or start + length > len(data):
            raise DatasetFormatError(f"{path.name} is cut short: a storage is missing.")
        return np.frombuffer(data, np.uint8, length, start)

    places: dict[str, tuple[int, int]] = {}
    if load() != _LEGACY_MAGIC:
        raise DatasetFormatError(f"{path.name} is damaged or no .pt file.")
    load(), load()  # protocol and system
    unpickler = _Unpickler(file, path.name, size, storage, "<")
    value = unpickler.load()
    keys = load()
    for key in keys if isinstance(keys, list) else ():
        count = int.from_bytes(file.read(8), "little")
        length = count * unpickler.item_bytes.get(key, 1)
        places[key] = (file.tell(), length)
        file.seek(min(file.tell() + length, len(data)))
    return value


class _Dict(dict[Any, Any]):
    """Stands for an OrderedDict; a state of its own, such as versions of modules, is left out."""

    def __init__(self, *_: Any) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        pass


@dataclass(frozen=True)
class _Name:
    """Stands for a name of torch that is no function: a storage's class, a dtype."""

    name: str


class _NumpyArray:
    """An array of NumPy between the tensors: its parts as they are pickled."""

    def __init__(self, *_: Any) -> None:
        self._state: tuple[Any, ...] = ()

    def __setstate__(self, state: Any) -> None:
        self._state = state if isinstance(state, tuple) else ()

    def stored(self, file_name: str) -> StoredTensor:
        """The array as a tensor."""
        _, shape, kind, is_fortran, data = self._state
        if not isinstance(kind, PlainKind) or not _are_sides(shape) or not isinstance(data, bytes):
            raise ValueError("an array that is none")
        if math.prod(shape) * kind.dtype.itemsize != len(data):
            raise DatasetFormatError(f"{file_name} is damaged: an array is not as long as it says.")
        values = np.frombuffer(data, kind.dtype).reshape(shape, order="F" if is_fortran else "C")
        return StoredTensor(file_name, tuple(shape), kind.dtype, lambda: values)


class _Storage:
    """Values in a row, still in the file."""

    def __init__(self, load: Storages, key: str, dtype: str, n_values: int, order: str) -> None:
        self.dtype = dtype
        self.order = order
        is_brain = dtype == "bfloat16"
        self._kind = np.dtype("uint16" if is_brain else dtype).newbyteorder(order)
        self.size_bytes = n_values * self._kind.itemsize
        self._load, self._key = load, key

    def values(self) -> NDArray[np.generic]:
        return self._load(self._key, self.size_bytes).view(self._kind)


class _Unpickler(PlainUnpickler):
    """Plain data, and tensors as `StoredTensor`."""

    def __init__(
        self, file: BinaryIO, name: str, size_bytes: int, storages: Storages, order: str
    ) -> None:
        super().__init__(file, name, size_bytes)
        self._storages = storages
        self._order = order
        self.item_bytes: dict[str, int] = {}

    def stand_in(self, module: str, name: str) -> Any:
        """Also the functions that `torch.save` names for tensors."""
        if (module, name) == ("collections", "OrderedDict"):
            return _Dict
        if module == "torch._utils" and name in _KINDS:
            raise DatasetFormatError(
                f"{self._name} holds {_KINDS[name]}. Save the candidate matrix as a plain tensor "
                "of 0 and 1."
            )
        if module == "torch._utils" and name in _FUNCTIONS:
            return lambda *given: _FUNCTIONS[name](self._name, *given)
        if module == "torch.serialization" and name == "_get_layout":
            return _text
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):
            return _NumpyArray
        if (module, name) == ("numpy", "ndarray"):
            return _Name(name)
        if (module, name) == ("torch", "Size"):
            return lambda *given: self._copy(tuple, given)
        if module in ("torch", "torch.storage") and (name in _STORAGES or name in _DTYPES):
            return _Name(name)
        if module in ("torch", "torch.storage"):
            raise DatasetFormatError(
                f"{self._name} holds values of the kind {name[:40]}, which are not read. Save the "
                "candidate matrix as a plain tensor of 0 and 1."
            )
        return super().stand_in(module, name)

    def refusal(self, name: str) -> str:
        """What to say about a name that is not known."""
        return (
            f"{self._name} is damaged or holds more than tensors ({name[:80]}). Nothing in it was "
            "run; save the candidate matrix alone with torch.save."
        )

    def persistent_load(self, pid: Any) -> _Storage:
        """A storage: ('storage', class, key, device, number of values, ...)."""
        word, kind, key, _device, n_values = pid[:5]
        if not isinstance(kind, _Name) or not isinstance(key, str) or word != "storage":
            raise ValueError("a storage that is none")
        dtype = _STORAGES.get(kind.name)
        if dtype is None or type(n_values) is not int or n_values < 0:
            raise ValueError("a storage that is none")
        stored = _Storage(self._storages, key, dtype, n_values, self._order)
        self.item_bytes[key] = stored.size_bytes // n_values if n_values else 1
        return stored


def _dense(name: str, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> StoredTensor:
    return _strided(name, storage, storage.dtype, offset, size, stride)


def _dense_of(
    name: str, storage: Any, offset: Any, size: Any, stride: Any, _grad: Any, _hooks: Any,
    dtype: Any, *_: Any,
) -> StoredTensor:  # fmt: skip
    return _strided(name, storage, dtype.name, offset, size, stride)


def _strided(
    name: str, storage: Any, dtype: str, offset: Any, size: Any, stride: Any
) -> StoredTensor:
    if not isinstance(storage, _Storage) or not (_are_sides(size) and _are_sides(stride)):
        raise ValueError("a tensor that is none")
    kind = np.dtype("uint16" if dtype == "bfloat16" else dtype).newbyteorder(storage.order)
    last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
    is_empty = 0 in size
    if not _are_sides((offset,)) or (
        not is_empty and (last + 1) * kind.itemsize > storage.size_bytes
    ):
        raise DatasetFormatError(
            f"{name} is damaged: a tensor is larger than what is stored of it."
        )

    def load() -> NDArray[np.generic]:
        if is_empty:
            return np.empty(size, kind)
        if (n_bytes := math.prod(size) * kind.itemsize) > storage.size_bytes:
            require_memory(n_bytes, name)  # one that repeats what is stored
        row = storage.values().view(np.uint8).view(kind)[offset:]
        steps = [step * kind.itemsize for step in stride]
        values = np.lib.stride_tricks.as_strided(row, size, steps, writeable=False)
        if dtype != "bfloat16":
            return values
        require_memory(4 * math.prod(size), name)
        # The upper half of a float32.
        return (values.astype(np.uint32) << 16).view(np.float32)

    given = np.dtype(np.float32) if dtype == "bfloat16" else kind
    return StoredTensor(name, tuple(size), given, load)


def _sparse(name: str, layout: Any, data: Any, *_: Any) -> StoredTensor:
    if _text(layout) not in ("torch.sparse_coo", "torch.sparse_csr", "torch.sparse_csc"):
        raise DatasetFormatError(
            f"{name} holds a sparse tensor of the layout {layout[:40]}, which is not read. "
            "Save it after to_dense()."
        )
    *places, values, size = data[:3] if layout == "torch.sparse_coo" else data[:4]
    if not all(isinstance(part, StoredTensor) for part in (*places, values)):
        raise ValueError("a sparse tensor that is none")
    if not _are_sides(size) or len(size) != 2:
        raise DatasetFormatError(f"{name} holds a sparse tensor that is not a matrix.")

    def load() -> NDArray[np.generic]:
        n_entries = math.prod(values.shape)
        require_memory(math.prod(size) * values.dtype.itemsize + 64 * n_entries, name)
        where = _coordinates(layout, [part.values() for part in places], size)
        if where.shape != (2, *values.shape) or (where < 0).any() or (size <= where.T).any():
            raise DatasetFormatError(f"{name} is damaged: a sparse tensor leaves its own shape.")
        dense = np.zeros(size, values.dtype)
        np.add.at(dense, tuple(where), values.values())
        return dense

    return StoredTensor(name, tuple(size), values.dtype, load)


def _coordinates(
    layout: str, places: list[NDArray[np.generic]], size: tuple[int, int]
) -> NDArray[np.generic]:
    """Row and column of each value, (2, M), of a matrix."""
    if layout == "torch.sparse_coo":
        return places[0]
    starts, inner = places
    counts = np.diff(starts)
    if counts.sum() != len(inner) or (counts < 0).any():
        raise ValueError("counts that do not fit")
    outer = np.repeat(np.arange(len(counts)), counts)
    return np.stack([outer, inner] if layout == "torch.sparse_csr" else [inner, outer])


def _text(value: Any) -> str:
    if not isinstance(value, str):  # `str` of it might have no end
        raise ValueError("a text that is none")
    return value


def _parameter(_name: str, data: Any, *_: Any) -> Any:
    return data


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "_rebuild_tensor_v2": _dense,
    "_rebuild_tensor_v3": _dense_of,
    "_rebuild_sparse_tensor": _sparse,
    "_rebuild_parameter": _parameter,
}


def _are_sides(values: Any) -> bool:
    return isinstance(values, tuple) and all(type(v) is int and 0 <= v < 2**62 for v in values)


@contextmanager
def _zip_damage_is_told(name: str) -> Iterator[None]:
    try:
        yield
    except (
        OSError,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        LookupError,
        RuntimeError,
        NotImplementedError,
    ) as error:
        raise DatasetFormatError(f"{name} is damaged or no .pt file ({error}).") from error
