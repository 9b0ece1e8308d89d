"""JSON files of other tools: what they start with, and all of it within the memory there is."""

import json
from pathlib import Path
from typing import Any

from cad_studio.core.errors import DatasetFormatError
from cad_studio.datasets._memory import require_memory

Json = dict[str, Any]
"""An object of a JSON file, whatever is in it."""

_LOOKED_AT_BYTES = 65536


def starts_of(path: Path) -> tuple[bytes, bytes]:
    """The first and the last 64 KiB of a file, enough to recognise what it is."""
    with path.open("rb") as file:
        head = file.read(_LOOKED_AT_BYTES)
        file.seek(max(0, path.stat().st_size - _LOOKED_AT_BYTES))
        return head, file.read()


def load_json(path: Path) -> Any:
    """The value in a JSON file.

    Raises:
        DatasetFormatError: It cannot be read, is not JSON, or would take too much memory.
    """
    try:
        require_memory(2 * path.stat().st_size, path.name)
        data = path.read_bytes()
    except OSError as error:
        raise DatasetFormatError(f"{path.name} cannot be read: {error.strerror}.") from error
    return parse_json(data, path.name)


def parse_json(data: bytes, name: str) -> Any:
    """The value of a JSON text.

    Raises:
        DatasetFormatError: It is not JSON, or would take too much memory.
    """
    require_memory(_cost_bytes(data), name)
    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DatasetFormatError(f"{name} is not UTF-8 text. Save it as UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise DatasetFormatError(f"{name} is not readable JSON ({error}).") from error


def _cost_bytes(data: bytes) -> int:
    """What a text takes as Python objects, at most, the text itself included."""
    values = data.count(b",") + data.count(b":")
    containers = data.count(b"{") + data.count(b"[")
    return 3 * len(data) + 80 * values + 200 * containers
