"""All scripts of the window ask the studio through one module."""

import re
from pathlib import Path

import cad_studio.ui

FOLDER = Path(cad_studio.ui.__file__).parent
SCRIPTS = sorted(FOLDER.rglob("*.js"))
RAW = re.compile(
    r"(?<![\w.])fetch\s*\(|\b(window|globalThis|self)\.fetch"
    r"|XMLHttpRequest|EventSource|WebSocket|sendBeacon"
)
MOUNTS = re.compile(r"\.mount\s*\(\s*\{\s*element")


def test_only_one_script_fetches():
    assert len(SCRIPTS) > 30
    found = {file.name for file in SCRIPTS if RAW.search(file.read_text(encoding="utf-8"))}
    assert found == {"studio.js"}


def test_pages_are_given_functions_that_always_answer():
    """A function Gradio lends gives undefined when the studio is away: "Cannot destructure ..."."""
    found = {file.name for file in SCRIPTS if MOUNTS.search(file.read_text(encoding="utf-8"))}
    python = (FOLDER / "components" / "viewer.py").read_text(encoding="utf-8")
    assert found == {"studio.js"}
    assert "studio.mount(" in python
    assert not MOUNTS.search(python)


def test_one_sentence_says_that_the_studio_is_away():
    for file in (*SCRIPTS, *FOLDER.rglob("*.py")):
        if file.name != "studio.js":
            assert "does not answer" not in file.read_text(encoding="utf-8"), file.name
