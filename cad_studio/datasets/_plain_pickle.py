"""Pickles of plain containers and numbers; everything else is refused and nothing is run."""

import io
import pickle
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from cad_studio.core.errors import DatasetFormatError
from cad_studio.datasets._memory import require_memory

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


_CONTAINERS = (list, tuple, dict, set, frozenset)


def load_plain_pickle(path: Path) -> object:
    """What a pickle holds, if that is dicts, lists, tuples, sets, texts and numbers.

    Raises:
        DatasetFormatError: Anything else is in it, or it is damaged or larger than 512 MiB.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DatasetFormatError(f"{path.name} has more than {MAX_BYTES // 2**20} MiB.")
        data = path.read_bytes()
        require_memory(cost_bytes(data), path.name)
        with damage_is_told(path.name):
            unpickler = PlainUnpickler(io.BytesIO(data), path.name, len(data))
            found = unpickler.load()
            if unpickler.has_repeated:
                _require_spelled_out(found, len(data))
            return found
    except OSError as error:
        raise DatasetFormatError(f"{path.name} cannot be read: {error}.") from error


@contextmanager
def damage_is_told(name: str) -> Iterator[None]:
    """Put what an unpickler meets in a damaged pickle into words."""
    try:
        yield
    except _DAMAGE as error:
        raise DatasetFormatError(f"{name} is damaged or no pickle ({error}).") from error


def _require_spelled_out(found: object, size_bytes: int) -> None:
    """Refuse what refers to one container so often that going through it would not end.

    A value takes a byte at least where it is spelled out; a reference to a long list takes two.
    """
    lengths: dict[int, int] = {}
    open_ids = set()
    stack = [found]
    while stack:
        value = stack[-1]
        if id(value) in lengths:
            stack.pop()
            continue
        inside = _members(value)
        if id(value) not in open_ids:
            open_ids.add(id(value))
            missing = [each for each in inside if id(each) not in lengths and _members(each)]
            if any(id(each) in open_ids for each in missing):
                raise ValueError("a list that is its own member")
            stack += missing
            if missing:
                continue
        stack.pop()
        open_ids.discard(id(value))
        lengths[id(value)] = 1 + sum(lengths.get(id(each), 1) for each in inside)
    if lengths[id(found)] > 1000 + size_bytes:
        raise ValueError(f"{lengths[id(found)]:,} values in {size_bytes:,} bytes")


def _members(value: object) -> Iterable[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, _CONTAINERS) else ()


def cost_bytes(data: bytes) -> int:
    """What the objects of a pickle take at most: opcodes of one byte make objects of hundreds."""
    return 16 * len(data) + sum(size * data.count(code) for code, size in _OBJECT_BYTES.items())


_OBJECT_BYTES = {
    **dict.fromkeys((pickle.EMPTY_LIST, pickle.LIST, pickle.EMPTY_DICT, pickle.DICT), 72),
    **dict.fromkeys((pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3), 72),
    **dict.fromkeys((pickle.EMPTY_SET, pickle.FROZENSET), 224),
    **dict.fromkeys((pickle.MEMOIZE, pickle.BINPUT), 110),
}


# The unpickler written in Python: the one in C takes memory for a memo index as large as a hostile
# file likes. Ten votes for each of 50,000 images take a few seconds.
class PlainUnpickler(pickle._Unpickler):  # type: ignore[name-defined,misc]  # noqa: SLF001
    """Puts harmless stand-ins in the place of the few names that plain data needs.

    Attributes:
        has_repeated: Whether a list, tuple, dict or set was referred to again.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)  # type: ignore[attr-defined]  # noqa: SLF001

    def __init__(self, file: BinaryIO, name: str, size_bytes: int) -> None:
        """Read from a file.

        Args:
            file: Stands at the first byte of the pickle.
            name: What to call it in messages.
            size_bytes: Its length. What its calls make may not be much more, for plain data spells
                out every member once; a hostile pickle copies one list a million times.
        """
        super().__init__(file)
        self._name = name
        self._budget = 1000 + 4 * size_bytes
        self.has_repeated = False

    def find_class(self, module: str, name: str) -> Any:
        """A stand-in for a name; called for every class or function a pickle asks for."""
        stand_in = self.stand_in(module.replace("numpy._core", "numpy.core"), name)
        if stand_in is None:
            raise DatasetFormatError(self.refusal(f"{module}.{name}"))
        return stand_in

    def stand_in(self, module: str, name: str) -> Any:
        """What takes the place of a name; None for a name that plain data does not need."""
        known = _STAND_INS.get((module, name))
        if known is not None:
            return known
        copied = _COPIED.get((module, name))
        return None if copied is None else lambda *given: self._copy(copied, given)

    def refusal(self, name: str) -> str:
        """What to say about a name that is not known."""
        return (
            f"{self._name} asks for {name[:80]}, which could run code. Only dicts, lists, tuples, "
            "sets, texts and numbers are unpickled; nothing was run."
        )

    def persistent_load(self, pid: Any) -> Any:
        """Never: plain data has no persistent ids."""
        raise DatasetFormatError(f"{self._name} refers to data outside the file.")

    def _copy(self, kind: Callable[..., Any], given: tuple[Any, ...]) -> Any:
        members = given[0] if given else ()
        self._budget -= len(members)
        if self._budget < 0:
            raise DatasetFormatError(
                f"{self._name} makes far more out of its data than it holds; it was given up."
            )
        if kind in (set, frozenset):
            _require_plain(members)
        return kind(members)

    def load_get(self) -> None:
        super().load_get()
        self._note_repeated()

    def load_binget(self) -> None:
        super().load_binget()
        self._note_repeated()

    def load_long_binget(self) -> None:
        super().load_long_binget()
        self._note_repeated()

    def _note_repeated(self) -> None:
        self.has_repeated |= isinstance(self.stack[-1], _CONTAINERS)

    # Hashing a tuple of tuples of the same tuple, forty deep, takes for ever: keys and members of
    # sets are plain values.
    def load_setitem(self) -> None:
        _require_plain(self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self) -> None:
        _require_plain(self.stack[::2])
        super().load_setitems()

    def load_dict(self) -> None:
        _require_plain(self.stack[::2])
        super().load_dict()

    def load_members(self) -> None:
        _require_plain(self.stack)
        super().load_additems()

    def load_frozenset(self) -> None:
        _require_plain(self.stack)
        super().load_frozenset()

    dispatch[pickle.GET[0]] = load_get
    dispatch[pickle.BINGET[0]] = load_binget
    dispatch[pickle.LONG_BINGET[0]] = load_long_binget
    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.DICT[0]] = load_dict
    dispatch[pickle.ADDITEMS[0]] = load_members
    dispatch[pickle.FROZENSET[0]] = load_frozenset


def _require_plain(values: Iterable[Any]) -> None:
    for value in values:
        if not isinstance(value, int | str | bytes | float | None):
            raise ValueError(f"a {type(value).__name__} as a key or as a member of a set")


class _Kind:
    """Stands for a numpy dtype; knows integers and floats only."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        if not isinstance(code, str) or code[:1] not in "iufb" or len(code) > 3:
            raise ValueError("numbers of another kind than integers and floats")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] == ">":
            self.dtype = self.dtype.newbyteorder(">")


def _number(kind: Any, data: Any) -> int | float | bool:
    if not isinstance(kind, _Kind) or not isinstance(data, bytes):
        raise ValueError("a number that is none")
    return np.frombuffer(data, kind.dtype, count=1)[0].item()


def _latin_bytes(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ValueError("bytes that are none")
    return text.encode("latin1")


def _empty_dict(*_: Any) -> dict[Any, Any]:
    return {}


_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "scalar"): _number,
    ("numpy", "dtype"): _Kind,
    ("collections", "defaultdict"): _empty_dict,
    ("collections", "OrderedDict"): _empty_dict,
}
_COPIED: dict[tuple[str, str], Callable[..., Any]] = {
    ("_codecs", "encode"): _latin_bytes,
    **{
        (module, kind.__name__): kind
        for module in ("builtins", "__builtin__")
        for kind in (list, set, frozenset)
    },
}
"""Names that make something as large as what they are given."""
