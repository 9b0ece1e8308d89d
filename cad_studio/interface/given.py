"""What notebooks hand in, as plain values: rows of any kind, runs and numbers of any kind."""

from collections.abc import Iterable
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cad_studio.core.errors import SettingError, closest

if TYPE_CHECKING:
    from cad_studio.interface.run import StudioRun

Rows = Iterable[int] | NDArray[np.generic] | int
"""Row numbers, one row, or a mask with a truth value for every sample."""


def rows_of(rows: Rows, n_samples: int) -> list[int]:
    """Row numbers as plain ones, in their order.

    Raises:
        SettingError: A mask is of another length, or something is no row number.
    """
    found = np.atleast_1d(np.asarray(rows if isinstance(rows, int) else list(rows)))
    if found.dtype == bool:
        if found.shape != (n_samples,):
            raise SettingError(f"The mask has {len(found):,} values for {n_samples:,} samples.")
        return np.flatnonzero(found).tolist()
    if not found.size:
        return []
    if found.ndim != 1 or not np.issubdtype(found.dtype, np.integer):
        raise SettingError(f"Rows are whole numbers or a mask, not {found.dtype} values.")
    return found.tolist()


def run_number(run: "StudioRun | int") -> int:
    """The number of a run, given itself or as any kind of whole number."""
    return run.id if hasattr(run, "id") else index(run)


def maybe_run(run: "StudioRun | int | None") -> int | None:
    """The same, or None."""
    return None if run is None else run_number(run)


def known_fields(kind: Any, given: dict[str, Any], what: str) -> dict[str, Any]:
    """Fields of a dataclass as they are handed in; a text stands for a list of one.

    Raises:
        SettingError: One is no field of it.
    """
    fields = kind.__dataclass_fields__
    found = {}
    for name, value in given.items():
        if name not in fields:
            raise SettingError(f"{name!r} is not {what}. {closest(name, fields)}".rstrip())
        if "tuple" in str(fields[name].type):
            value = value if value is None else (value,) if isinstance(value, str) else tuple(value)
        found[name] = value
    return found


def listed(lines: Iterable[Any], key: str, columns: Iterable[str]) -> pd.DataFrame:
    """A table with these columns, also where it has no line; `key` is its index."""
    found = pd.DataFrame(list(lines))
    return (found if len(found) else pd.DataFrame(columns=list(columns))).set_index(key)
