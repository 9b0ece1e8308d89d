"""Pickles of plain containers and numbers; everything else is refused and nothing is run."""

import io
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np

from cad_studio.core.errors import DatasetFormatError

MAX_BYTES = 512 * 2**20

_DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    MemoryError,
    RecursionError,
    OverflowError,
    AssertionError,
    struct.error,
)


def load_plain_pickle(path: Path) -> object:
    """What a pickle holds, if that is dicts, lists, tuples, sets, texts and numbers.

    Raises:
        DatasetFormatError: Anything else is in it, or it is damaged or larger than 512 MiB.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DatasetFormatError(f"{path.name} has more than {MAX_BYTES // 2**20} MiB.")
        return _PlainUnpickler(path.read_bytes(), path.name).load()
    except OSError as error:
        raise DatasetFormatError(f"{path.name} cannot be read: {error}.") from error
    except _DAMAGE as error:
        raise DatasetFormatError(f"{path.name} is damaged or no pickle ({error}).") from error


# The unpickler written in Python: the one in C takes memory for a memo index as large as a hostile
# file likes. Ten votes for each of 50,000 images take a few seconds.
class _PlainUnpickler(pickle._Unpickler):  # type: ignore[name-defined,misc]
    """Puts harmless stand-ins in the place of the few names that plain data needs."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(io.BytesIO(data))
        self._name = name

    def find_class(self, module: str, name: str) -> Any:
        """A stand-in for a name; called for every class or function a pickle asks for."""
        stand_in = _STAND_INS.get((module.replace("numpy._core", "numpy.core"), name))
        if stand_in is None:
            raise DatasetFormatError(
                f"{self._name} asks for {module}.{name}, which could run code. Only dicts, "
                "lists, tuples, sets, texts and numbers are unpickled; nothing was run."
            )
        return stand_in

    def persistent_load(self, pid: Any) -> Any:
        """Never: plain data has no persistent ids."""
        raise DatasetFormatError(f"{self._name} refers to data outside the file.")


class _Kind:
    """Stands for a numpy dtype; knows integers and floats only."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        if not isinstance(code, str) or code[:1] not in "iufb" or len(code) > 3:
            raise ValueError(f"numbers of the kind {code!r} are not read")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] == ">":
            self.dtype = self.dtype.newbyteorder(">")


def _number(kind: Any, data: Any) -> int | float | bool:
    if not isinstance(kind, _Kind) or not isinstance(data, bytes):
        raise ValueError("a number that is none")
    return np.frombuffer(data, kind.dtype, count=1)[0].item()


def _latin_bytes(text: Any, _codec: Any = None) -> bytes:
    return str(text).encode("latin1")


def _empty_dict(*_: Any) -> dict[Any, Any]:
    return {}


_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "scalar"): _number,
    ("numpy", "dtype"): _Kind,
    ("_codecs", "encode"): _latin_bytes,
    ("collections", "defaultdict"): _empty_dict,
    ("collections", "OrderedDict"): _empty_dict,
    ("builtins", "list"): list,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("__builtin__", "list"): list,
    ("__builtin__", "set"): set,
    ("__builtin__", "frozenset"): frozenset,
}
