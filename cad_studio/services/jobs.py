"""Start, follow, order, stop and resume background work."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from cad_studio.core.records import ACTIVE, Job
from cad_studio.jobs.queue import JobQueue
from cad_studio.store.jobs import Jobs


class JobService:
    """The background work of one project."""

    def __init__(
        self,
        queue: JobQueue,
        jobs: Jobs,
        require_writable: Callable[[], None],
        titles: Mapping[str, str],
        kinds_of_the_house: Collection[str] = (),
    ) -> None:
        """Submit to `queue`, read from `jobs`, ask `require_writable` before a change.

        What a job is called is made of the title of its kind and its arguments. Work of
        `kinds_of_the_house` is what the studio does for whoever looks or annotates.
        """
        self._titles = titles
        self._queue = queue
        self._jobs = jobs
        self._require_writable = require_writable
        self._kinds_of_the_house = kinds_of_the_house

    def submit(self, kind: str, arguments: dict[str, Any], **about: str) -> Job:
        """Start a piece of work as soon as those before it are done.

        Args:
            kind: A key of `operations.KINDS`.
            arguments: Plain values that it is done by.
            about: What the title of its kind names beside its arguments.

        Raises:
            ReadOnlyError: Nothing may be changed here.
            SettingError: Too many jobs wait.
        """
        self._require_writable()
        return self._queue.submit(kind, self._title(kind, arguments, about), arguments)

    def submit_for_the_house(self, kind: str, arguments: dict[str, Any]) -> Job:
        """Start work that the studio itself needs, read-only or not.

        Raises:
            ReadOnlyError, NotAllowedError: It is work of another kind, which only owners start.
        """
        if kind not in self._kinds_of_the_house:
            self._require_writable()
        return self._queue.submit(kind, self._title(kind, arguments, {}), arguments)

    def run_here(
        self,
        kind: str,
        arguments: dict[str, Any],
        on_add: Callable[[Job], None] = lambda job: None,
        on_wait: Callable[[Job], None] = lambda blocker: None,
        **about: str,
    ) -> Job:
        """Claim the next turn for this process, and wait for it; see `JobQueue.run_here`.

        The caller then does the work with `worker.run_job`.

        Raises:
            JobCancelled: It was taken off the queue while it waited.
            ReadOnlyError: Nothing may be changed here.
        """
        self._require_writable()
        title = self._title(kind, arguments, about)
        return self._queue.run_here(kind, title, arguments, on_add, on_wait)

    def get(self, job_id: int) -> Job:
        """One job, its status true even after a crash.

        Raises:
            RecordNotFoundError: There is none of this id.
        """
        job = self._jobs.get(job_id)
        if job.status in ACTIVE:
            self._queue.recover()
            job = self._jobs.get(job_id)
        return job

    def recent(self, limit: int = 20) -> list[Job]:
        """The newest jobs, newest first."""
        self._queue.recover()
        return self._jobs.recent(limit)

    def active(self) -> list[Job]:
        """The job at work, then those that wait in their order."""
        self._queue.recover()
        return self._jobs.active()

    def stop(self, job_id: int) -> None:
        """Ask a job to stop, which it does within a step; asked twice, its process is ended.

        Raises:
            ReadOnlyError: Nothing may be changed here.
            RecordNotFoundError: There is none of this id.
        """
        self._require_writable()
        self._queue.stop(job_id)

    def resume(self, job_id: int) -> Job:
        """Put a job that was interrupted, failed or was cancelled back into the queue.

        It goes on from its last checkpoint, or starts again where its kind has none.

        Raises:
            ReadOnlyError: Nothing may be changed here.
            RecordNotFoundError: There is none of this id.
            SettingError: It is in another state, or too many jobs wait.
        """
        self._require_writable()
        return self._queue.resume(job_id)

    def move(self, job_id: int, to: str) -> None:
        """Run a waiting job earlier (`up`), later (`down`) or next (`first`).

        Raises:
            ReadOnlyError: Nothing may be changed here.
            RecordNotFoundError: There is none of this id.
            SettingError: It does not wait, or there is no such move.
        """
        self._require_writable()
        self._queue.move(job_id, to)

    def log(self, job_id: int, after_byte: int = 0) -> tuple[str, int]:
        """What a job printed.

        Args:
            job_id: Which one.
            after_byte: Where to begin; below 0 counts from the end.

        Returns:
            At most 64 KB, and the byte to go on from; the same one again at the end.

        Raises:
            RecordNotFoundError: There is none of this id.
        """
        part = self._queue.log(job_id, after_byte)
        return part.text, part.next_byte

    def _title(self, kind: str, arguments: dict[str, Any], about: Mapping[str, str]) -> str:
        title = self._titles.get(kind, kind)
        return title.format_map({**arguments, **about})
