"""What the commands share: the project, progress on the terminal, one JSON document or a text."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from cad_studio.config import read_config
from cad_studio.services.container import Services
from cad_studio.services.operations import run_operation

Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON document.")]
Name = Annotated[str, typer.Argument(help="Name of the dataset in the project.")]

_project: Path | None = None


def choose_project(project: Path | None) -> None:
    """Say which project the command is about; None is the default one."""
    global _project
    _project = project


@contextmanager
def opened() -> Iterator[Services]:
    """The services over the chosen project, closed at the end."""
    services = Services(read_config(os.environ, project=_project))
    try:
        yield services
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
    kind: str, arguments: dict[str, Any], as_json: bool, text: Callable[[dict[str, Any]], str]
) -> None:
    """Do a piece of work in this process, as a job would, and print what came of it."""
    line = Line()
    with opened() as services:
        try:
            result = run_operation(services, kind, arguments, line)
        finally:
            line.clear()
    show(result, as_json, text)


def show(result: dict[str, Any], as_json: bool, text: Callable[[dict[str, Any]], str]) -> None:
    """Print a result as JSON, or as `text` puts it."""
    print(json.dumps(result, ensure_ascii=False, indent=2) if as_json else text(result))
