"""Whether true labels are complete enough to be learnt from and flipped."""

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import SettingError


def require_truth(
    truth: NDArray[np.integer], n_classes: int, rows: NDArray[np.integer] | None = None
) -> None:
    """Refuse true labels that are unknown or belong to no class.

    Args:
        truth: integers (N,). 0 to C - 1 where known.
        n_classes: C.
        rows: integers (M,). The rows that matter; all when None.

    Raises:
        SettingError: A label is outside 0 to C - 1; with the count and the first row.
    """
    labels = truth if rows is None else truth[rows]
    outside = np.flatnonzero((labels < 0) | (labels >= n_classes))
    if len(outside):
        first = outside[0] if rows is None else rows[outside[0]]
        verb = "has" if len(outside) == 1 else "have"
        raise SettingError(
            f"{len(outside):,} of {len(labels):,} samples {verb} no known true label "
            f"(first: row {first}). Candidate sets can only be synthesised where the truth "
            "is known. Choose a split that is fully labelled."
        )
