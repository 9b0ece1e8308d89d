"""Find the setting of a synthesis that gives candidate sets of a wanted mean size.

Two knobs decide it. How long the annotator learned decides how sharp it is: it goes from sets of
about 4 classes in which one distractor is nearly always present to smaller, more varied ones. The
rate scales every flip probability, so the expected mean size grows with it, from 1 at rate 0.
"""

import numpy as np
from numpy.typing import NDArray

from cad_studio.annotators.flipping import BLOCK_CELLS, flip_probabilities
from cad_studio.annotators.training import Ask
from cad_studio.core.errors import SettingError

TOLERANCE = 0.1
"""Largest distance between the expected mean size and the one asked for."""

MOST_EPOCHS = 40
"""Epochs tried at most, or three times those that the fewest steps of a training take."""

MAX_RATE = 1000.0
WATCHED_ROWS = 8192
"""Samples measured after each epoch; by them the mean size is known to about .02."""


def expected_size(logits: NDArray[np.float32], truth: NDArray[np.integer], rate: float) -> float:
    """The mean size of candidate sets before they are drawn, 1 to C.

    Args:
        logits: float32 (N, C). Of the annotator.
        truth: integers (N,). 0 to C - 1.
        rate: Factor on the flip probabilities.

    Raises:
        SettingError: A true label is unknown, or `rate` is negative or no number.
    """
    step = max(1, BLOCK_CELLS // logits.shape[1])
    total = 0.0
    for start in range(0, len(logits), step):
        part = slice(start, start + step)
        total += float(flip_probabilities(logits[part], truth[part], rate).sum(dtype=np.float64))
    return 1.0 + total / len(logits)


def find_rate(
    logits: NDArray[np.float32], truth: NDArray[np.integer], mean_size: float
) -> tuple[float, float]:
    """The rate at which candidate sets have a wanted mean size, by bisection.

    Args:
        logits: float32 (N, C). Of the annotator.
        truth: integers (N,). 0 to C - 1.
        mean_size: 1 to C.

    Returns:
        The rate, of four digits, and the expected size it gives.

    Raises:
        SettingError: No rate up to `MAX_RATE` comes within `TOLERANCE`.
    """
    if mean_size == 1:
        return 0.0, 1.0
    # A sample of the rows finds the rate; all of them judge it.
    some = spread(len(logits), max(WATCHED_ROWS, BLOCK_CELLS // logits.shape[1]))
    low, high = 0.0, MAX_RATE
    for _ in range(60):
        # Rates worth telling apart lie near 1, so the upper half is halved in its logarithm.
        middle = (low + high) / 2 if high <= 1 else np.sqrt(max(low, 0.01) * high)
        if expected_size(logits[some], truth[some], float(middle)) < mean_size:
            low = float(middle)
        else:
            high = float(middle)
        if high - low <= 1e-5 * high:
            break
    rate = float(f"{high:.4g}")
    size = expected_size(logits, truth, rate)
    if abs(size - mean_size) > TOLERANCE:
        raise SettingError(
            f"No rate up to {MAX_RATE:g} gives sets of mean size {mean_size:g}: the closest is "
            f"{size:.2f}, at rate {rate:g}. Choose a size nearer to that, or fewer epochs: a less "
            "certain annotator confuses more classes."
        )
    return rate, size


class SizeWatch:
    """Stops an annotator's training once its sets have the size that is wanted.

    Attributes:
        sizes: Expected mean size after each epoch that was looked at, by epoch.
    """

    def __init__(
        self,
        truth: NDArray[np.integer],
        rate: float,
        mean_size: float,
        exactly: bool,
        first_epoch: int = 1,
    ) -> None:
        """Watch for a mean size.

        Args:
            truth: integers (N,). 0 to C - 1.
            rate: At which the sets are measured.
            mean_size: The one wanted.
            exactly: Whether to stop only close to it; otherwise, at or below it.
            first_epoch: The training makes at least so many, and is not stopped before.
        """
        self.sizes: dict[int, float] = {}
        self._rows = spread(len(truth), WATCHED_ROWS)
        self._truth = truth[self._rows]
        self._rate = rate
        self._mean_size = mean_size
        self._exactly = exactly
        self._first_epoch = first_epoch

    def __call__(self, epoch: int, ask: Ask) -> bool:
        """Measure the sets after an epoch."""
        if epoch < self._first_epoch:
            return False
        size = expected_size(ask(self._rows), self._truth, self._rate)
        self.sizes[epoch] = size
        if self._exactly:
            # Half the tolerance is left for what the other samples add.
            return abs(size - self._mean_size) <= TOLERANCE / 2
        return size <= self._mean_size


def spread(n_samples: int, most: int) -> NDArray[np.int64]:
    """Up to `most` rows, evenly over all, ascending, int64 (M,)."""
    if n_samples <= most:
        return np.arange(n_samples)
    return np.linspace(0, n_samples - 1, most).astype(np.int64)
