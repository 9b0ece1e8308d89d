"""What an Arrow file announces: rows, and bytes once unpacked, before a column is unpacked.

The layout is that of the Arrow format 1.0, messages as FlatBuffers (Arrow, format/Message.fbs).
A file is a stream of messages behind eight bytes that name it.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MAGIC = b"ARROW1"
_DICTIONARY, _BATCH = 2, 3  # kinds of messages that hold columns
_NOT_PACKED = -1


@dataclass(frozen=True)
class ArrowAnnounced:
    """What the messages of a file say.

    Attributes:
        n_rows: Rows of all batches together.
        unpacked_bytes: What compressed columns take once unpacked; 0 where none is compressed, for
            those stay in the file.
    """

    n_rows: int
    unpacked_bytes: int


def arrow_announced(path: Path) -> ArrowAnnounced:
    """Walk over the messages of an Arrow stream or file, mapped; nothing of it is unpacked.

    Raises:
        OSError, ValueError: It is damaged, or no Arrow file.
    """
    import pyarrow as pa

    mapped = pa.memory_map(str(path))
    start = 8 if mapped.read(len(_MAGIC)) == _MAGIC else 0
    mapped.seek(start)
    n_rows = size = 0
    for message in pa.ipc.MessageReader.open_stream(mapped):
        if message is None or message.metadata is None:
            break
        try:
            rows, n_bytes = _batch(memoryview(message.metadata), message.body)
        except (struct.error, IndexError) as error:
            raise ValueError("a message of it is damaged") from error
        n_rows += rows
        size += n_bytes
    return ArrowAnnounced(n_rows, size)


def _batch(header: memoryview, body: Any) -> tuple[int, int]:
    """Rows and unpacked bytes of one message; a dictionary has no rows of its own."""
    message = _Table.root(header)
    kind = message.number(1, "<B")
    if kind not in (_DICTIONARY, _BATCH):
        return 0, 0
    batch = message.table(2)
    if kind == _DICTIONARY:
        batch = batch.table(1)
    n_rows = batch.number(0, "<q") if kind == _BATCH else 0
    if n_rows < 0:
        raise ValueError(f"it announces {n_rows} rows")
    if not batch.has(3):
        return n_rows, 0
    size = 0
    for offset, length in batch.structs(2, "<qq"):
        if length < 8 or body is None or not 0 <= offset <= len(body) - length:
            continue
        (unpacked,) = struct.unpack_from("<q", body, offset)
        size += length if unpacked == _NOT_PACKED else max(unpacked, 0)
    return n_rows, size


class _Table:
    """A table of a FlatBuffer: fields by their place in the schema."""

    def __init__(self, content: memoryview, start: int) -> None:
        self._content, self._start = content, start
        self._fields = start - self._at("<i", start)

    @classmethod
    def root(cls, content: memoryview) -> "_Table":
        """The table a buffer begins with."""
        return cls(content, struct.unpack_from("<I", content)[0])

    def has(self, field: int) -> bool:
        """Whether a field is there."""
        return self._place(field) is not None

    def number(self, field: int, form: str) -> int:
        """A number, 0 where it is absent."""
        place = self._place(field)
        return 0 if place is None else self._at(form, place)

    def table(self, field: int) -> "_Table":
        """A table within this one.

        Raises:
            ValueError: It is absent.
        """
        place = self._place(field)
        if place is None:
            raise ValueError("a message of it is damaged")
        return _Table(self._content, place + self._at("<I", place))

    def structs(self, field: int, form: str) -> list[tuple[Any, ...]]:
        """A vector of structs; empty where it is absent."""
        place = self._place(field)
        if place is None:
            return []
        start = place + self._at("<I", place)
        length, step = self._at("<I", start), struct.calcsize(form)
        found = self._content[start + 4 : start + 4 + length * step]
        if len(found) != length * step:
            raise ValueError("a message of it is damaged")
        return list(struct.iter_unpack(form, found))

    def _place(self, field: int) -> int | None:
        slot = 4 + 2 * field
        if slot + 2 > self._at("<H", self._fields):
            return None
        offset = self._at("<H", self._fields + slot)
        return self._start + offset if offset else None

    def _at(self, form: str, place: int) -> int:
        if place < 0:
            raise ValueError("a message of it is damaged")
        return int(struct.unpack_from(form, self._content, place)[0])
