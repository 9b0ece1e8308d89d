"""What runs jobs: processes of this machine now, a cluster later."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

LOG_PART_BYTES = 64 * 1024
"""Most of a log that is given out at once."""

Place = dict[str, Any]
"""Where a worker runs: plain values that only the runner understands, kept in the job's row."""


@dataclass(frozen=True)
class WorkerStatus:
    """What has become of a worker.

    Attributes:
        is_alive: Whether it still runs, or is still on its way.
        reason: Once it is gone: why, in sentences for the user.
    """

    is_alive: bool
    reason: str = ""


@dataclass(frozen=True)
class LogPart:
    """A stretch of a job's log.

    Attributes:
        text: At most `LOG_PART_BYTES` of it.
        next_byte: Where the next stretch begins.
    """

    text: str
    next_byte: int


class Runner(ABC):
    """Starts workers, asks after them, ends them, and reads what they printed.

    A worker is whatever calls `JobQueue.claim` once, runs the job it gets, and ends. All that the
    queue knows of one is its `Place`, which any process over the project may hand to a runner of
    its own; so a place must mean the same everywhere and after a restart.
    """

    @abstractmethod
    def submit(self) -> Place:
        """Start a worker that claims the project's next job; returns where it runs."""

    @abstractmethod
    def here(self) -> Place:
        """Where the process that asks runs."""

    @abstractmethod
    def status(self, place: Place) -> WorkerStatus:
        """What has become of a worker."""

    @abstractmethod
    def stop(self, place: Place) -> None:
        """End a worker and all it started, at once; nothing if it is gone.

        Raises:
            ResourceError: It may not be ended by this user.
        """

    @abstractmethod
    def logs(self, job_id: int, after_byte: int) -> LogPart:
        """What a job printed, from a byte on; an empty text at its end."""
