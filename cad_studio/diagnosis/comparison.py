"""What differs between runs: settings, answers, and figures with their spread over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Change:
    """Samples whose answer a second run changed, int64 rows each, ascending.

    Attributes:
        fixed: Wrong before, right now.
        broken: Right before, wrong now.
        moved: Another class, both wrong or truth not known.
    """

    fixed: NDArray[np.int64]
    broken: NDArray[np.int64]
    moved: NDArray[np.int64]


def changed_answers(
    before: NDArray[np.integer],
    after: NDArray[np.integer],
    truth: NDArray[np.integer] | None,
    rows: NDArray[np.int64],
) -> Change:
    """Compare two runs sample by sample.

    Args:
        before: integers (N,). Predicted classes of the run compared with.
        after: integers (N,). Those of the run looked at.
        truth: integers (N,), below 0 where not known, or None.
        rows: int64 (M,). Samples that count.
    """
    differs = rows[before[rows] != after[rows]]
    if truth is None:
        none = np.zeros(0, np.int64)
        return Change(none, none, differs)
    label = truth[differs]
    was, now = before[differs] == label, after[differs] == label
    return Change(differs[now], differs[was], differs[~was & ~now])


def different_settings(
    settings: Sequence[Mapping[str, Any]],
) -> dict[str, list[Any]]:
    """Settings that are not the same in all runs, each with its value in every run.

    Args:
        settings: One mapping per run; a name may be missing, which counts as None.
    """
    names = dict.fromkeys(name for each in settings for name in each)
    found = {name: [each.get(name) for each in settings] for name in names}
    return {
        name: values for name, values in found.items() if any(v != values[0] for v in values[1:])
    }


def spread(values: Sequence[float | None]) -> dict[str, Any]:
    """Mean and standard deviation of a figure over equal runs with different seeds.

    Returns:
        `n`, `mean`, `sd` (with n - 1; None for fewer than two values).
    """
    known = [value for value in values if value is not None]
    if not known:
        return {"n": 0, "mean": None, "sd": None}
    sd = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return {"n": len(known), "mean": float(np.mean(known)), "sd": sd}
