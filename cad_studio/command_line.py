"""What the commands share: the project, progress on the terminal, one JSON document or a text."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from cad_studio.cluster.joining import check_address
from cad_studio.config import cluster_of, read_config
from cad_studio.core.errors import SettingError
from cad_studio.core.records import Job
from cad_studio.services.container import Services
from cad_studio.services.operations import run_operation
from cad_studio.worker import run_job

Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON document.")]
Name = Annotated[str, typer.Argument(help="Name of the dataset in the project.")]


def _choose_cluster(cluster: str | None) -> str | None:
    global _cluster
    _cluster = cluster
    if cluster:
        check_address(cluster)
    return cluster


Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        help="Ray cluster that does the inner work: HOST:PORT of its head, or local. "
        "Default: CAD_CLUSTER, else this process alone.",
        metavar="ADDRESS",
        callback=_choose_cluster,
    ),
]
"""An option that counts by being given: `opened` takes note of it."""

_project: Path | None = None
_cluster: str | None = None


def choose_project(project: Path | None) -> None:
    """Say which project the command is about; None is the default one."""
    global _project, _cluster
    _project, _cluster = project, None


def require_foreground(background: bool) -> None:
    """Refuse `--cluster` for what another process is going to do.

    Raises:
        SettingError: It is given, and the work is left to a job in the background.
    """
    if background and _cluster is not None:
        raise SettingError(
            "A job in the background takes the cluster that CAD_CLUSTER names where it is run. "
            "Leave out --cluster or --background."
        )


def project_folder() -> Path:
    """Where the chosen project lies, whether it can be opened or not."""
    return read_config(os.environ, project=_project).project


@contextmanager
def opened(dataset: str = "") -> Iterator[Services]:
    """The services over the chosen project, closed at the end; its database is copied once a day.

    Args:
        dataset: What the command is about: a bundled sample is made ready where it is named.

    Raises:
        ProjectError: The project cannot be opened.
    """
    cluster = cluster_of(os.environ) if _cluster is None else _cluster
    config = replace(read_config(os.environ, project=_project), cluster=cluster)
    services = Services(config)
    try:
        if dataset and not services.project.read_only:
            line = Line()
            services.sample.bring(dataset, line)
            line.clear()
        yield services
        services.copying.copy_if_due()
    finally:
        services.close()


class Line:
    """Progress as one line on standard error, where that is a terminal."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._shown_at = 0.0

    def report(self, fraction: float, message: str) -> None:
        """Show how far it is, ten times a second at most."""
        if sys.stderr.isatty() and time.monotonic() - self._shown_at > 0.1:
            self._shown_at = time.monotonic()
            print(f"\r\033[K{fraction:4.0%}  {message}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Leave an empty line."""
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def run(
    kind: str,
    arguments: dict[str, Any],
    as_json: bool,
    text: Callable[[dict[str, Any]], str],
    about: dict[str, str] | None = None,
) -> None:
    """Do a piece of work in this process and print what came of it.

    Args:
        kind: A key of `operations.KINDS`.
        arguments: As a job of this kind stores them.
        as_json: Whether to print JSON.
        text: Puts the result into words otherwise.
        about: What its title names beside the arguments; the work is then a job that the window
            shows and others wait for. None does it at once, whatever else is at work.
    """
    line = Line()
    dataset = "" if kind == "import" else str(arguments.get("name", ""))
    with opened(dataset) as services:
        try:
            if about is not None:
                result = run_as_job(services, kind, arguments, line, **about)
            else:
                result = run_operation(services, kind, arguments, line)
        finally:
            line.clear()
    show(result, as_json, text)


def run_as_job(
    services: Services,
    kind: str,
    arguments: dict[str, Any],
    line: Line,
    on_add: Callable[[Job], None] = lambda job: None,
    **about: str,
) -> dict[str, Any]:
    """Do a piece of work in this process, as a job that the window shows and others wait for.

    Args:
        services: Over the project.
        kind: Kind of the job.
        arguments: What it needs to be done again in the background, should it be interrupted.
        line: Shows how far it is.
        on_add: Told the job as soon as it has a row, before it waits for its turn.
        about: What its title names beside its arguments.

    Returns:
        What came of it.

    Raises:
        JobCancelled: It was stopped, by Ctrl-C or from elsewhere; `jobs resume` goes on with it.
        CadStudioError: It could not be done.
    """

    def wait(blocker: Job) -> None:
        line.report(blocker.fraction, f"Waiting for job {blocker.id}: {blocker.title}")

    job = services.jobs.run_here(kind, arguments, on_add, wait, **about)
    return run_job(services, job, line)


def show(result: dict[str, Any], as_json: bool, text: Callable[[dict[str, Any]], str]) -> None:
    """Print a result as JSON, or as `text` puts it."""
    print(json.dumps(result, ensure_ascii=False, indent=2) if as_json else text(result))
