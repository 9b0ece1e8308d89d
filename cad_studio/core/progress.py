"""How long work tells how far it is and learns that it should stop."""

from typing import Protocol


class Progress(Protocol):
    """What a piece of long work is given to report to."""

    def report(self, fraction: float, message: str) -> None:
        """Say how much is done, 0 to 1, and what is being done now.

        Raises:
            JobCancelled: The user asked to stop.
        """


class Silent:
    """Progress that nobody watches."""

    def report(self, fraction: float, message: str) -> None:
        """Take the report and do nothing with it."""


class Part:
    """A stretch of a longer piece of work, reported on that work's scale."""

    def __init__(self, whole: Progress, start: float, stop: float) -> None:
        """Map 0 to 1 of the part to `start` to `stop` of the whole."""
        self._whole = whole
        self._start = start
        self._stop = stop

    def report(self, fraction: float, message: str) -> None:
        """Pass the report on, rescaled."""
        self._whole.report(self._start + (self._stop - self._start) * fraction, message)
