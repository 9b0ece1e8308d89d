"""Third entry point: run one queued job in a process of its own."""

import contextlib
import logging
import os
import sys
from pathlib import Path

from cad_studio.config import AppConfig, prepare
from cad_studio.core.errors import CadStudioError, JobCancelled
from cad_studio.core.records import Job
from cad_studio.jobs.handle import JobHandle
from cad_studio.services.container import Services
from cad_studio.services.operations import run_operation

_LOG = logging.getLogger("cad_studio.worker")
_NICENESS = 5  # the window comes first on a machine with few cores


def main(arguments: list[str]) -> int:
    """Claim the oldest waiting job of the project, run it, and leave.

    Args:
        arguments: The project folder.
    """
    prepare(os.environ)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    services = Services(AppConfig(project=Path(arguments[0])))
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    job = services.queue.claim()
    if job is None:
        return 0
    run_job(services, job)
    services.queue.wake()
    return 0


def run_job(services: Services, job: Job) -> None:
    """Run a claimed job and note how it ended."""
    log_file = services.project.log_file(job.id)
    handler = logging.FileHandler(log_file, encoding="utf-8")
    logging.getLogger().addHandler(handler)
    _LOG.info("job %d starts: %s", job.id, job.title)
    try:
        result = run_operation(services, job.kind, job.arguments, JobHandle(services.queue, job.id))
        services.queue.finish(job.id, result)
        _LOG.info("job %d is done", job.id)
    except JobCancelled:
        services.queue.cancelled(job.id)
        _LOG.info("job %d was cancelled", job.id)
    except CadStudioError as error:
        services.queue.fail(job.id, str(error))
        _LOG.info("job %d failed: %s", job.id, error)
    except MemoryError:
        services.queue.fail(
            job.id, "The machine has too little memory for this. Close other programs or use less."
        )
        _LOG.exception("job %d ran out of memory", job.id)
    except Exception:
        services.queue.fail(job.id, f"Unexpected error; the details are in {log_file}.")
        _LOG.exception("job %d met a bug", job.id)
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
