"""The queue: every change of a job's status is made here."""

import threading
import time
from collections.abc import Callable, Collection
from typing import Any

from cad_studio.core.errors import JobCancelled, SettingError
from cad_studio.core.records import AT_WORK, RESUMABLE, Job
from cad_studio.jobs._base import LogPart, Place, Runner
from cad_studio.store.database import now
from cad_studio.store.jobs import Jobs

MAX_QUEUED = 20
MOVES = ("up", "down", "first")
MAX_VAIN_STARTS = 3
_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_TO_COME = 5.0  # in which a worker somebody else started has claimed its job


class JobQueue:
    """Jobs of one project, run one at a time in their order, each in a process of its own.

    Nothing here is lost with a process: the rows say everything. A job is `queued`, `running`,
    perhaps `stopping`, then `done`, `failed`, `cancelled` or `interrupted`; resumed, the same row
    is `queued` again, one attempt on. Words of a worker that lost its job to another attempt are
    not heard.
    """

    def __init__(
        self,
        jobs: Jobs,
        runner: Runner,
        kinds_with_checkpoint: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep rows in `jobs` and let `runner` start workers; `clock` gives seconds.

        A resumed job whose kind is one of `kinds_with_checkpoint` goes on where it was; others
        start again.
        """
        self._jobs = jobs
        self._runner = runner
        self._kinds_with_checkpoint = frozenset(kinds_with_checkpoint)
        self._clock = clock
        self._coming: Place | None = None
        self._due_since: float | None = None
        self._n_vain_starts = 0
        self._recovering = threading.Lock()  # many pages ask at once

    def submit(self, kind: str, title: str, arguments: dict[str, Any]) -> Job:
        """Add a job to the end of the queue and see that a worker looks at it.

        Raises:
            SettingError: Too many jobs wait already.
        """
        self._require_room()
        job = self._jobs.add(_waiting(kind, title, arguments))
        self._start_for_new_job()
        return job

    def run_here(
        self,
        kind: str,
        title: str,
        arguments: dict[str, Any],
        on_add: Callable[[Job], None] = lambda job: None,
        on_wait: Callable[[Job], None] = lambda blocker: None,
    ) -> Job:
        """Add a job before all others for this very process, and wait until no other is at work.

        Args:
            kind: What the process is going to do.
            title: What the others call it.
            arguments: What it needs to be done again in the background.
            on_add: Told the job before it waits for its turn.
            on_wait: Told now and then which job is at work.

        Returns:
            The job, running here; the process that asked must see it to its end.

        Raises:
            JobCancelled: Somebody, or Ctrl-C, took it off the queue.
        """
        row = _waiting(kind, title, arguments) | {"message": "Waiting in a terminal"}
        job = self._jobs.add({**row, "place": self._runner.here()}, first=True)
        try:
            on_add(job)
            while (claimed := self.claim(own=job.id)) is None:
                if self._jobs.get(job.id).status != "queued":
                    raise JobCancelled
                active = self._jobs.active()
                if active and active[0].id != job.id:
                    on_wait(active[0])
                self.recover()  # what was moved before it must be started, too
                time.sleep(_SECONDS_BETWEEN_LOOKS)
        except KeyboardInterrupt as error:
            self.stop(job.id)
            self.cancelled(job)  # in case it was claimed in this very moment
            self.wake()
            raise JobCancelled from error
        return claimed

    def wake(self) -> None:
        """Start a worker if jobs wait and none is at work; one too many ends at once."""
        if self._jobs.can_be_changed and _is_start_due(self._true_active()):
            self._start()

    def claim(self, own: int | None = None) -> Job | None:
        """Take the first waiting job for this process, unless a job is at work.

        Args:
            own: The job this process waits for; without it, any that waits for no process.
        """
        self._true_active()
        moment = now()
        times = {"started_at": moment, "heartbeat_at": moment}
        return self._jobs.claim_next(self._runner.here(), own, message="Starting", **times)

    def progress(self, job: Job, fraction: float, message: str) -> bool:
        """Note how far a running job is.

        Returns:
            Whether to go on: False when it was asked to stop, or is another process's by now.
        """
        values = {"fraction": fraction, "message": message, "heartbeat_at": now()}
        return self._jobs.change(job.id, ("running",), job.attempts, **values)

    def finish(self, job: Job, result: dict[str, Any]) -> None:
        """A job is done."""
        self._end(job, "done", fraction=1.0, message="Done", result=result)

    def fail(self, job: Job, error: str) -> None:
        """A job could not be done; `error` is what the user reads."""
        self._end(job, "failed", message="Failed", error=error)

    def cancelled(self, job: Job) -> None:
        """A job has stopped because it was asked to."""
        self._end(job, "cancelled", message="Cancelled")

    def stop(self, job_id: int) -> None:
        """Ask a job to stop; one that waits is gone at once, a second request ends the process.

        Raises:
            RecordNotFoundError: There is no such job.
            ResourceError: Its process is another user's.
        """
        job = self._jobs.get(job_id)
        if self._jobs.change(job_id, ("queued",), **_ending("cancelled", message="Cancelled")):
            return
        if job.status == "stopping":
            self._runner.stop(job.place or {})
            self.cancelled(job)
            self.wake()
            return
        self._jobs.change(job_id, ("running",), status="stopping", message="Stopping")

    def resume(self, job_id: int) -> Job:
        """Put a job that was interrupted, failed or was cancelled to the end of the queue again.

        Raises:
            RecordNotFoundError: There is no such job.
            SettingError: It is in another state, or too many jobs wait.
        """
        self._true_active()
        self._require_room()
        cleared = ("error", "result", "place", "started_at", "heartbeat_at", "finished_at")
        values: dict[str, Any] = {"message": "Waiting", **dict.fromkeys(cleared)}
        if self._jobs.get(job_id).kind not in self._kinds_with_checkpoint:
            values["fraction"] = 0.0
        if not self._jobs.requeue(job_id, RESUMABLE, **values):
            raise SettingError(
                f"Job {job_id} is {self._jobs.get(job_id).status}; only a job that was "
                "interrupted, failed or was cancelled can be resumed."
            )
        self._start_for_new_job()
        return self._jobs.get(job_id)

    def move(self, job_id: int, to: str) -> None:
        """Change when a waiting job is run.

        Args:
            job_id: Which one.
            to: One of `MOVES`.

        Raises:
            RecordNotFoundError: There is no such job.
            SettingError: It does not wait, or there is no such move.
        """
        if to not in MOVES:
            raise SettingError(f"{to!r} is no move. Allowed: {', '.join(MOVES)}.")
        if not self._jobs.move(job_id, to):
            raise SettingError(
                f"Job {job_id} is {self._jobs.get(job_id).status}; only waiting jobs have an order."
            )

    def log(self, job_id: int, after_byte: int = 0) -> LogPart:
        """What a job printed, from a byte on.

        Raises:
            RecordNotFoundError: There is no such job.
        """
        self._jobs.get(job_id)
        return self._runner.logs(job_id, after_byte)

    def recover(self) -> None:
        """Note the jobs whose process is gone, and see that what waits is started."""
        if not self._jobs.can_be_changed:
            return
        with self._recovering:
            before = self._jobs.active()
            active = self._true_active(before)
            if not _is_start_due(active):
                self._due_since = None
                self._n_vain_starts = 0
            elif active != before:
                self._start()
            elif self._due_since is None:
                self._due_since = self._clock()
            elif self._clock() - self._due_since > _SECONDS_TO_COME and not self._is_one_coming():
                self._start_again(active[0])

    def _start(self) -> None:
        self._coming = self._runner.submit()
        self._due_since = self._clock()

    def _is_one_coming(self) -> bool:
        return self._coming is not None and self._runner.status(self._coming).is_alive

    def _start_for_new_job(self) -> None:
        self._n_vain_starts = 0
        self.wake()

    def _start_again(self, waiting: Job) -> None:
        """Start a worker for a job that no worker took, but not for ever."""
        if self._coming is not None:
            self._n_vain_starts += 1
        if self._n_vain_starts < MAX_VAIN_STARTS:
            self._start()
            return
        self._n_vain_starts = 0
        error = (
            f"{MAX_VAIN_STARTS} workers ended before they took this job; logs/worker.txt in the "
            "project folder says why. Resume it when that is mended."
        )
        self._jobs.change(
            waiting.id, ("queued",), **_ending("failed", message="Failed", error=error)
        )

    def _true_active(self, active: list[Job] | None = None) -> list[Job]:
        """The active jobs, once those are taken out whose process is gone."""
        if active is None:
            active = self._jobs.active()
        gone = [job for job in active if self._is_gone(job)]
        for job in gone:
            self._bury(job)
        return self._jobs.active() if gone else active

    def _is_gone(self, job: Job) -> bool:
        if job.status == "queued" and job.place is None:
            return False
        return job.place is None or not self._runner.status(job.place).is_alive

    def _bury(self, job: Job) -> None:
        if job.status == "stopping":
            self.cancelled(job)  # as it was asked to
            return
        if job.status == "queued":
            reason = "The terminal it waited in was closed."
        else:
            reason = self._runner.status(job.place or {}).reason
        goes_on = job.kind in self._kinds_with_checkpoint and job.status != "queued"
        advice = (
            "Resume it to go on from where it was last saved."
            if goes_on
            else "Resume it to start it again."
        )
        values = _ending("interrupted", message="Interrupted", error=f"{reason} {advice}")
        self._jobs.change(job.id, (job.status,), job.attempts, **values)

    def _require_room(self) -> None:
        if len(self._jobs.of_status("queued")) >= MAX_QUEUED:
            raise SettingError(
                f"{MAX_QUEUED} jobs are waiting already. Cancel one or wait until one is done."
            )

    def _end(self, job: Job, status: str, **values: Any) -> None:
        self._jobs.change(job.id, AT_WORK, job.attempts, **_ending(status, **values))


def _is_start_due(active: list[Job]) -> bool:
    """Whether a job waits for a worker and no other job is at work or about to be."""
    return bool(active) and active[0].status == "queued" and active[0].place is None


def _waiting(kind: str, title: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": kind,
        "title": title,
        "arguments": arguments,
        "status": "queued",
        "fraction": 0.0,
        "message": "Waiting",
        "created_at": now(),
    }


def _ending(status: str, **values: Any) -> dict[str, Any]:
    return {"status": status, "finished_at": now(), **values}
