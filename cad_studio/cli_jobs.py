"""Commands that follow, order, stop and resume background work."""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import typer

from cad_studio.command_line import Json, opened, show
from cad_studio.core.errors import SettingError
from cad_studio.core.records import AT_WORK, ENDED
from cad_studio.services.jobs import JobService

jobs_app = typer.Typer(help="Background work of the project.", no_args_is_help=True)

JobNumber = Annotated[int, typer.Argument(help="Number of the job, as `jobs list` prints it.")]

_NO_JOBS = "No jobs yet. `train --background` and the window start some."
_SECONDS_BETWEEN_LOOKS = 0.5


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(jobs_app, name="jobs")


@jobs_app.command("list")
def list_jobs(
    limit: Annotated[int, typer.Option(help="Most of those that have ended.")] = 20,
    as_json: Json = False,
) -> None:
    """Name the jobs: the one at work, those that wait in their order, then the newest others."""
    with opened() as services:
        active = services.jobs.active()
        known = {job.id for job in active}
        others = [job for job in services.jobs.recent(max(limit, 0)) if job.id not in known]
        found = {"jobs": [asdict(job) for job in (*active, *others)]}
    show(found, as_json, lambda r: "\n".join(map(_row_text, r["jobs"])) or _NO_JOBS)


@jobs_app.command("show")
def show_job(number: JobNumber, as_json: Json = False) -> None:
    """Say everything about a job."""
    with opened() as services:
        found = asdict(services.jobs.get(number))
    show(found, as_json, _job_text)


@jobs_app.command()
def log(
    number: JobNumber,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print what a job printed."""
    if follow and as_json:
        raise SettingError("--follow prints text as it comes; leave out --json.")
    with opened() as services:
        if follow:
            _follow(services.jobs, number)
            return
        text = _rest(services.jobs, number, 0)[0]
    show({"job": number, "log": text}, as_json, lambda r: r["log"].rstrip("\n"))


@jobs_app.command()
def stop(
    number: JobNumber,
    now: Annotated[
        bool, typer.Option("--now", help="End its process at once, without waiting for a step.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Stop a job: one that waits at once, a running one within a step. Again ends its process."""

    def change(jobs: JobService) -> None:
        if jobs.get(number).status in ENDED:
            raise SettingError(f"Job {number} is {jobs.get(number).status} already.")
        jobs.stop(number)
        if now and jobs.get(number).status == "stopping":
            jobs.stop(number)

    _changed(number, change, as_json)


@jobs_app.command()
def resume(number: JobNumber, as_json: Json = False) -> None:
    """Put a job that was interrupted, failed or was cancelled back into the queue."""
    _changed(number, lambda jobs: jobs.resume(number), as_json)


@jobs_app.command()
def move(
    number: JobNumber,
    up: Annotated[bool, typer.Option("--up", help="Before the one it waits behind.")] = False,
    down: Annotated[bool, typer.Option("--down", help="Behind the next one.")] = False,
    first: Annotated[bool, typer.Option("--first", help="Before all that wait.")] = False,
    as_json: Json = False,
) -> None:
    """Change when a waiting job is run."""
    wanted = [name for name, given in (("up", up), ("down", down), ("first", first)) if given]
    if len(wanted) != 1:
        raise SettingError("Say where to: one of --up, --down and --first.")
    _changed(number, lambda jobs: jobs.move(number, wanted[0]), as_json)


def _changed(number: int, change: Callable[[JobService], object], as_json: bool) -> None:
    with opened() as services:
        change(services.jobs)
        found = asdict(services.jobs.get(number))
    show(found, as_json, _row_text)


def _follow(jobs: JobService, number: int) -> None:
    after = 0
    while True:
        has_ended = jobs.get(number).status in ENDED  # asked first, so that no line is missed
        text, after = _rest(jobs, number, after)
        print(text, end="", flush=True)
        if has_ended:
            return
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _rest(jobs: JobService, number: int, after: int) -> tuple[str, int]:
    """All of a log from a byte on, and where it ends."""
    parts = []
    while True:
        text, following = jobs.log(number, after)
        parts.append(text)
        if following == after:
            return "".join(parts), after
        after = following


def _row_text(job: dict[str, Any]) -> str:
    share = f"{job['fraction']:4.0%}"
    again = f" (attempt {job['attempts']})" if job["attempts"] > 1 else ""
    says = job["error"] or (job["message"] if job["status"] in AT_WORK else "")
    return f"{job['id']:>4}  {job['status']:<11} {share}  {job['title']}{again}  {says}".rstrip()


def _job_text(job: dict[str, Any]) -> str:
    lines = [_row_text({**job, "error": None, "message": ""})]
    for name, words in (
        ("message", "doing"),
        ("error", "error"),
        ("arguments", "arguments"),
        ("result", "result"),
        ("place", "where"),
        ("created_at", "created"),
        ("started_at", "started"),
        ("heartbeat_at", "last heard of"),
        ("finished_at", "ended"),
    ):
        if job[name] not in (None, {}, ""):
            lines.append(f"  {words}: {job[name]}")
    return "\n".join(lines)
