"""Which training rows a run sets aside; numpy alone, as pages that show a run ask for it too."""

import numpy as np
from numpy.typing import NDArray


def split_hold_out(
    rows: NDArray[np.int64], share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Set a random share of the training rows aside.

    Args:
        rows: int64 (N,).
        share: 0 to 0.5.
        seed: Random seed.

    Returns:
        Rows to learn from, two at least, and rows held out; each in the order given.
    """
    n_held = min(round(len(rows) * share), len(rows) - 2)
    # A stream of its own, so that other uses of the seed do not follow this choice.
    chosen = np.random.default_rng((seed, 2)).permutation(len(rows))[:n_held]
    held = np.zeros(len(rows), bool)
    held[chosen] = True
    return rows[~held], rows[held]
