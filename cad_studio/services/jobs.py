"""Start, follow and stop background work."""

from collections.abc import Callable
from typing import Any

from cad_studio.core.records import Job
from cad_studio.jobs.queue import JobQueue
from cad_studio.store.jobs import Jobs


class JobService:
    """The background work of one project."""

    def __init__(self, queue: JobQueue, jobs: Jobs, require_writable: Callable[[], None]) -> None:
        """Submit to `queue`, read from `jobs`, ask `require_writable` before a change."""
        self._queue = queue
        self._jobs = jobs
        self._require_writable = require_writable

    def submit(self, kind: str, title: str, arguments: dict[str, Any]) -> Job:
        """Start a piece of work as soon as those before it are done.

        Raises:
            ReadOnlyError: Nothing may be changed here.
            SettingError: Too many jobs wait.
        """
        self._require_writable()
        return self._queue.submit(kind, title, arguments)

    def submit_for_the_house(self, kind: str, title: str, arguments: dict[str, Any]) -> Job:
        """Start work that the studio itself needs, read-only or not."""
        return self._queue.submit(kind, title, arguments)

    def get(self, job_id: int) -> Job:
        """One job, its status true even after a crash.

        Raises:
            RecordNotFoundError: There is none of this id.
        """
        job = self._jobs.get(job_id)
        if job.status in {"queued", "running"}:
            self._queue.recover()
            job = self._jobs.get(job_id)
        return job

    def recent(self, limit: int = 20) -> list[Job]:
        """The newest jobs, newest first."""
        self._queue.recover()
        return self._jobs.recent(limit)

    def cancel(self, job_id: int) -> None:
        """Ask a job to stop; asked twice, its process is ended.

        Raises:
            ReadOnlyError: Nothing may be changed here.
        """
        self._require_writable()
        self._queue.request_cancel(job_id)
