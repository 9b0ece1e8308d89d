"""Third entry point: run one queued job in a process of its own."""

import contextlib
import faulthandler
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cad_studio.config import AppConfig, cluster_of, prepare
from cad_studio.core.errors import CadStudioError, JobCancelled, ResourceError
from cad_studio.core.progress import Progress
from cad_studio.core.records import Job
from cad_studio.jobs import memory
from cad_studio.jobs.handle import JobHandle
from cad_studio.services.container import Services
from cad_studio.services.operations import run_operation

_LOG = logging.getLogger("cad_studio.worker")
_FORMAT = "%(asctime)s %(levelname)s %(message)s"
_NICENESS = 5  # the window comes first on a machine with few cores


def main(arguments: list[str]) -> int:
    """Claim the next waiting job of the project, run it, and leave.

    Args:
        arguments: The project folder.
    """
    prepare(os.environ)
    logging.basicConfig(level=logging.INFO, format=_FORMAT)
    faulthandler.enable()
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    services = Services(AppConfig(project=Path(arguments[0]), cluster=cluster_of(os.environ)))
    try:
        work(services)
    finally:
        services.workers.close()
    return 0


def work(services: Services) -> None:
    """Claim the next waiting job and run it; at once done when there is none."""
    job = services.queue.claim()
    if job is None:
        return
    _print_into(services.project.log_file(job.id))
    with contextlib.suppress(Exception):  # the job's row and its log say all of it
        run_job(services, job)


def run_job(services: Services, job: Job, show: Progress | None = None) -> dict[str, Any]:
    """Run a job this process has claimed, note how it ended, and start what waits behind it.

    Its row and its log say how it ended. Ctrl-C asks it to stop, as a stop from elsewhere does; a
    second one does not wait.

    Args:
        services: Over the project.
        job: From `JobQueue.claim` or `JobService.run_here`.
        show: Told of the progress too.

    Returns:
        What came of it.

    Raises:
        JobCancelled: It was asked to stop, and has stopped.
        CadStudioError: It could not be done, for the reason its row gives.
    """
    with _logged(services.project.log_file(job.id)):
        try:
            return _run(services, job, JobHandle(services.queue, job, show))
        finally:
            services.queue.wake()


def _run(services: Services, job: Job, handle: JobHandle) -> dict[str, Any]:
    queue, log_file = services.queue, services.project.log_file(job.id)
    _LOG.info("job %d starts, attempt %d: %s", job.id, job.attempts, job.title)
    try:
        with _interruptible(handle):
            result = run_operation(services, job.kind, job.arguments, handle)
        _LOG.info("job %d is done", job.id)
        queue.finish(job, result)
    except (JobCancelled, KeyboardInterrupt) as error:
        _LOG.info("job %d was cancelled", job.id)
        queue.cancelled(job)
        raise JobCancelled from error
    except CadStudioError as error:
        _LOG.info("job %d failed: %s", job.id, error)
        queue.fail(job, str(error))
        raise
    except Exception as error:
        words = memory.shortage(error)
        _LOG.exception("job %d %s", job.id, "ran out of memory" if words else "met a bug")
        queue.fail(job, words or f"Unexpected error; the details are in {log_file}.")
        if words:
            raise ResourceError(words) from error
        raise
    return result


@contextlib.contextmanager
def _logged(log_file: Path) -> Iterator[None]:
    """Whatever is logged meanwhile, in a file as well; a terminal sees no more than before."""
    log_file.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(log_file, encoding="utf-8")
    handler.setFormatter(logging.Formatter(_FORMAT))
    root = logging.getLogger()
    level, others = root.level, {other: other.level for other in root.handlers}
    for other in others:
        other.setLevel(max(other.level, level))
    root.setLevel(min(level, logging.INFO))
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        for other, its_level in others.items():
            other.setLevel(its_level)
        handler.close()


@contextlib.contextmanager
def _interruptible(handle: JobHandle) -> Iterator[None]:
    """Ctrl-C stops the job at its next report; a second one raises KeyboardInterrupt."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # no signals are heard here, or somebody else has a say in them
        return

    def ask(_number: int, _frame: object) -> None:
        handle.stop()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _print_into(log_file: Path) -> None:
    """Send what this process and its libraries print into a file, a crash's last words too."""
    log_file.parent.mkdir(parents=True, exist_ok=True)
    for handler in list(logging.getLogger().handlers):
        logging.getLogger().removeHandler(handler)  # `run_job` logs into the same file
    sys.stdout.flush()
    sys.stderr.flush()
    with log_file.open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
