"""What a running job sees of the queue."""

import logging
import time
from collections.abc import Callable

from cad_studio.core.errors import JobCancelled
from cad_studio.core.progress import Progress, Silent
from cad_studio.core.records import Job
from cad_studio.jobs.queue import JobQueue

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_NOTES = 0.25
_SECONDS_BETWEEN_LINES = 5.0


class JobHandle:
    """Progress of one job: in the project a few times a second, in its log every few seconds."""

    def __init__(
        self,
        queue: JobQueue,
        job: Job,
        show: Progress | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Report to `queue`, and to `show` whatever is reported; `clock` gives seconds."""
        self._queue = queue
        self._job = job
        self._show = show or Silent()
        self._clock = clock
        self._noted_at = self._logged_at = float("-inf")
        self._is_to_stop = False

    def stop(self) -> None:
        """Stop the job at its next report; safe in a signal handler, which this is for."""
        self._is_to_stop = True

    def report(self, fraction: float, message: str) -> None:
        """Note progress, unless that was done a moment ago.

        Raises:
            JobCancelled: The user asked to stop, or the job is another process's by now.
        """
        self._show.report(fraction, message)
        if self._is_to_stop:
            raise JobCancelled
        seconds = self._clock()
        if seconds - self._noted_at < _SECONDS_BETWEEN_NOTES:
            return
        self._noted_at = seconds
        fraction = min(max(fraction, 0.0), 1.0)
        if seconds - self._logged_at >= _SECONDS_BETWEEN_LINES:
            self._logged_at = seconds
            _LOG.info("%3.0f %%  %s", 100 * fraction, message)
        if not self._queue.progress(self._job, fraction, message):
            raise JobCancelled
