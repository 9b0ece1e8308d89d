"""The window's scripts without a page: words, scales, what is sent, the way through a queue."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cad_studio.ui.tables import window_tables

ROOT = Path(__file__).parents[2]


def runner():
    """The tool that comes with the requirements of the tests, or Node; None where neither is."""
    own = Path(sys.executable).with_name("deno")
    deno = str(own) if own.exists() else shutil.which("deno")
    if deno is not None:
        return [deno, "test", "--no-check", "--allow-read", "--allow-env"]
    node = shutil.which("node")
    return None if node is None else [node, "--experimental-default-type=module", "--test"]


@pytest.mark.skipif(runner() is None, reason="needs Deno or Node")
def test_the_scripts_pass_their_own_tests():
    tests = sorted(map(str, (ROOT / "tests" / "scripts").glob("*.test.js")))
    assert tests
    done = subprocess.run(
        [*runner(), *tests],
        cwd=ROOT,
        env={**os.environ, "CAD_TABLES": window_tables(), "NO_COLOR": "1",
             "DENO_NO_UPDATE_CHECK": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def test_no_line_of_the_scripts_is_too_long_to_read():
    scripts = sorted((ROOT / "cad_studio" / "ui" / "components").glob("*.js"))
    assert scripts
    long = [
        f"{script.name}:{number}: {len(line)} characters"
        for script in scripts
        for number, line in enumerate(script.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > 140
    ]
    assert not long, "break these lines, at most 140 characters:\n" + "\n".join(long)
