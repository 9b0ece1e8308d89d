"""A watch over the loss: a run that has diverged ends with a message instead of useless weights."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from cad_studio.core.errors import SettingError

_SHOWN_ROWS = 8


class LossGuard:
    """Looks at every loss; on a GPU one step late, and without waiting for the step under way.

    Attributes:
        last: The newest loss that was looked at; NaN before the first.
    """

    def __init__(self, settings: str) -> None:
        """Name `settings` in the message."""
        self._settings = settings
        self._pending: tuple[Callable[[], float], int, int, Sequence[int]] | None = None
        self.last = math.nan

    def add(self, loss: Tensor, epoch: int, step: int, rows: Sequence[int]) -> None:
        """Take the loss of a step.

        Args:
            loss: float (), before the optimiser moves the weights.
            epoch: From 0.
            step: Within the epoch, from 0.
            rows: Dataset rows of the batch.

        Raises:
            SettingError: This loss, or on a GPU the one before, is not finite.
        """
        self.check()
        self._pending = (_read_later(loss.detach()), epoch, step, rows)
        if loss.device.type == "cpu":
            self.check()

    def check(self) -> None:
        """Look at what has not been looked at; before anything is saved.

        Raises:
            SettingError: It is not finite.
        """
        if self._pending is None:
            return
        read, epoch, step, rows = self._pending
        self._pending = None
        self.last = read()
        if math.isfinite(self.last):
            return
        shown = ", ".join(str(row) for row in rows[:_SHOWN_ROWS])
        more = f" and {len(rows) - _SHOWN_ROWS} more" if len(rows) > _SHOWN_ROWS else ""
        raise SettingError(
            f"The loss became {self.last} at step {step + 1} of epoch {epoch + 1}, in a batch of "
            f"rows {shown}{more}. Settings: {self._settings}. Choose a smaller learning_rate; "
            "the checkpoint before is intact."
        )


def _read_later(value: Tensor) -> Callable[[], float]:
    """What gives a number, float (), once it is asked for.

    On a GPU it is on its way to the host from now on: asking then waits for this number alone,
    whereas reading it from the device would wait for all that was started since.
    """
    if value.device.type != "cuda":
        return lambda: float(value)
    told = torch.empty((), dtype=value.dtype, pin_memory=True)
    told.copy_(value, non_blocking=True)
    arrived = torch.cuda.Event()
    arrived.record()

    def read() -> float:
        arrived.synchronize()
        return float(told)

    return read
