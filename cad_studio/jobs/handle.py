"""What a running job sees of the queue."""

import time
from collections.abc import Callable

from cad_studio.core.errors import JobCancelled
from cad_studio.jobs.queue import JobQueue

_SECONDS_BETWEEN_NOTES = 0.25


class JobHandle:
    """Progress of one job, noted in the project a few times a second."""

    def __init__(
        self, queue: JobQueue, job_id: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Report to `queue`; `clock` gives seconds."""
        self._queue = queue
        self._job_id = job_id
        self._clock = clock
        self._noted_at = float("-inf")

    def report(self, fraction: float, message: str) -> None:
        """Note progress, unless that was done a moment ago.

        Raises:
            JobCancelled: The user asked to stop.
        """
        if self._clock() - self._noted_at < _SECONDS_BETWEEN_NOTES:
            return
        self._noted_at = self._clock()
        if self._queue.progress(self._job_id, min(max(fraction, 0.0), 1.0), message):
            raise JobCancelled
