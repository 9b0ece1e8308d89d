"""Commands in this process, as `python -m cad_studio` runs them, without a start of their own."""

import contextlib
import io
import json
import os
import sys
from unittest import mock

from cad_studio.cli import main


def here(project, *arguments, **environment):
    """Exit status, standard output and standard error of a command."""
    out, told = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    code = 0
    with (
        mock.patch.object(
            sys, "argv", ["cad_studio", "--project", *map(str, (project, *arguments))]
        ),
        mock.patch.dict(os.environ, environment),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(told),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    return code, *(each.buffer.getvalue().decode() for each in (out, told))


def json_here(project, *arguments):
    """The one document on standard output; `json.loads` refuses anything before or after it."""
    code, out, told = here(project, *arguments, "--json")
    assert code == 0, told
    return json.loads(out)
