"""The step size over a run."""

import math

LAST_LEARNING_RATE = 1e-5


def learning_rate_at(share: float, first: float) -> float:
    """A cosine from the first step size down to 1e-5.

    Args:
        share: Part of the run that is over, 0 to 1.
        first: Step size at the start; where it is below 1e-5 it stays as it is.
    """
    last = min(first, LAST_LEARNING_RATE)
    return last + (first - last) * (1.0 + math.cos(math.pi * min(share, 1.0))) / 2.0


def snapshot_epochs(n_epochs: int, wanted: int) -> set[int]:
    """Epochs after which the belief is kept: spread evenly, the first and the last among them."""
    if wanted >= n_epochs:
        return set(range(n_epochs))
    if wanted == 1:
        return {n_epochs - 1}
    return {round(place * (n_epochs - 1) / (wanted - 1)) for place in range(wanted)}


def first_choosable_epoch(n_epochs: int) -> int:
    """The epoch from which on the hold-out chooses among models: the last fifth of a run.

    Approximated accuracy rewards confidence, and a network is surest of a wrong belief just before
    that is mended; before the step size has fallen the newest model is therefore kept.
    """
    return n_epochs - max(1, n_epochs // 5)
