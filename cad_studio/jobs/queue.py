"""The queue: every change of a job's status is made here."""

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from cad_studio.core.errors import SettingError
from cad_studio.core.records import Job
from cad_studio.store.database import now
from cad_studio.store.jobs import Jobs

INTERRUPTED = "Interrupted: the process that ran this job ended before the job did. Start it again."
MAX_QUEUED = 20


class JobQueue:
    """Jobs of one project, run one at a time, oldest first, each in a process of its own."""

    def __init__(self, jobs: Jobs, start_worker: Callable[[], None]) -> None:
        """Keep rows in `jobs`; `start_worker` starts a process that claims the next one."""
        self._jobs = jobs
        self._start_worker = start_worker

    def submit(self, kind: str, title: str, arguments: dict[str, Any]) -> Job:
        """Add a job to the end of the queue and see that a worker looks at it.

        Raises:
            SettingError: Too many jobs wait already.
        """
        if len(self._jobs.of_status("queued")) >= MAX_QUEUED:
            raise SettingError(
                f"{MAX_QUEUED} jobs are waiting already. Cancel one or wait until one is done."
            )
        job = self._jobs.add(
            {
                "kind": kind,
                "title": title,
                "arguments": arguments,
                "status": "queued",
                "fraction": 0.0,
                "message": "Waiting",
                "cancel_requested": False,
                "created_at": now(),
            }
        )
        self.wake()
        return job

    def wake(self) -> None:
        """Start a worker if jobs wait; it ends at once when another is at work."""
        self._fail_dead()
        if self._jobs.of_status("queued"):
            self._start_worker()

    def claim(self) -> Job | None:
        """Take the oldest waiting job for this process, unless another job runs."""
        self._fail_dead()
        time = now()
        return self._jobs.claim_next(
            pid=os.getpid(),
            pid_started=_started(os.getpid()),
            started_at=time,
            heartbeat_at=time,
            message="Starting",
        )

    def progress(self, job_id: int, fraction: float, message: str) -> bool:
        """Note how far a running job is; returns whether it was asked to stop."""
        self._jobs.change(
            job_id, ("running",), fraction=fraction, message=message, heartbeat_at=now()
        )
        return self._jobs.get(job_id).cancel_requested

    def finish(self, job_id: int, result: dict[str, Any]) -> None:
        """A job is done."""
        self._end(job_id, "done", fraction=1.0, message="Done", result=result)

    def fail(self, job_id: int, error: str) -> None:
        """A job could not be done; `error` is what the user reads."""
        self._end(job_id, "failed", message="Failed", error=error)

    def cancelled(self, job_id: int) -> None:
        """A job has stopped because it was asked to."""
        self._end(job_id, "cancelled", message="Cancelled")

    def request_cancel(self, job_id: int) -> None:
        """Ask a job to stop; one that waits is gone at once, a second request ends the process."""
        job = self._jobs.get(job_id)
        if self._jobs.change(job_id, ("queued",), **_ending("cancelled", message="Cancelled")):
            return
        if job.status == "running" and job.cancel_requested:
            _end_process(job)
            self.cancelled(job_id)
            self.wake()
            return
        self._jobs.change(job_id, ("running",), cancel_requested=True, message="Stopping")

    def recover(self) -> None:
        """Fail the running jobs whose process is gone, and start what waited behind them."""
        if self._fail_dead():
            self.wake()

    def _fail_dead(self) -> bool:
        dead = [job for job in self._jobs.of_status("running") if not is_alive(job)]
        for job in dead:
            self.fail(job.id, INTERRUPTED)
        return bool(dead)

    def _end(self, job_id: int, status: str, **values: Any) -> None:
        self._jobs.change(job_id, ("running",), **_ending(status, **values))


def is_alive(job: Job) -> bool:
    """Whether the very process that claimed the job still runs."""
    if job.pid is None or _started(job.pid) != job.pid_started:
        return False
    try:
        return psutil.Process(job.pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _ending(status: str, **values: Any) -> dict[str, Any]:
    return {"status": status, "finished_at": now(), **values}


def _started(pid: int) -> str | None:
    """When a process began, by a count that a change of the clock does not touch where known."""
    stat = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(OSError, IndexError):
        # field 22, in ticks since boot; the name before it may itself hold spaces and brackets
        return stat.read_text().rpartition(")")[2].split()[19]
    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return None


def _end_process(job: Job) -> None:
    if not is_alive(job) or job.pid is None:
        return
    if os.name == "posix" and os.getpgid(job.pid) == job.pid:
        os.killpg(job.pid, signal.SIGKILL)  # the worker leads a group of its own
    else:
        psutil.Process(job.pid).kill()
