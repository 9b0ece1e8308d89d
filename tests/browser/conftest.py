"""A studio of its own and a real Chromium that must stay on this machine and without errors."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

ROOT = Path(__file__).parents[2]
START_SECONDS = 600  # a busy machine takes its time; a studio that ended is told at once
VIEWPORT = {"width": 1366, "height": 860}
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def chromium():
    """Path of a browser; without one the tests are skipped, but never where they were asked for."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if found is None:
        reason = "no Chromium is installed (Debian: apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@dataclass
class Studio:
    """A running `app.py`."""

    url: str
    project: Path


def start_studio(project: Path, **environment: str) -> Iterator[Studio]:
    """Run `app.py` over a project on a free port until the generator is closed."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = project.with_suffix(f".{port}.log")
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "app.py", "--project", str(project), "--port", str(port)],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "CAD_READONLY": "0", **environment},
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, process, log)
        yield Studio(url, project)
    finally:
        family = [*psutil.Process(process.pid).children(recursive=True), process]
        for each in family:
            each.terminate()
        process.wait(20)
    assert "Traceback" not in log.read_text(), log.read_text()[-3000:]


def wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, timeout=5, trust_env=False).status_code == 200:
                return
        time.sleep(0.05)
    pytest.fail(f"app.py did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="package")
def studio(chromium, tmp_path_factory):
    """One studio over a new project, which opens the bundled samples by itself, and has."""
    for started in start_studio(tmp_path_factory.mktemp("studio") / "project"):
        wait_for_samples(started.url)
        yield started


def wait_for_samples(url: str) -> None:
    """Both samples are there, with their pairs; no job is left."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        state = httpx.get(f"{url}/gradio_api/cad/state", timeout=30, trust_env=False).json()
        names = {data["name"] for data in state["datasets"]}
        active = [job for job in state["jobs"] if job["status"] in ("queued", "running")]
        if names >= {"sample", "sample-hard"} and not active:
            return
        time.sleep(0.1)
    pytest.fail("The bundled samples were not made ready.")


@dataclass
class Watch:
    """What a browser did that it must not; `expected` holds parts of texts a test provokes."""

    strangers: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def listeners(self) -> dict[str, Callable[[Any], None]]:
        return {
            "request": lambda request: self._see(request.url),
            "weberror": lambda error: self.complaints.append(str(error.error)),
            "console": lambda note: self._hear(note.type, note.text),
            "dialog": self._reply,
        }

    def _see(self, url: str) -> None:
        if urlsplit(url).hostname not in {"127.0.0.1", None}:
            self.strangers.append(url)

    def _hear(self, kind: str, text: str) -> None:
        if kind == "error" and not any(part in text for part in self.expected):
            self.complaints.append(text)

    def _reply(self, dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture(scope="package")
def playwright():
    """What starts browsers; a process has one."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="package")
def visitor(chromium, playwright, tmp_path_factory):
    """One visitor for all tests, whose profile keeps the scripts compiled after the first page."""
    context = playwright.chromium.launch_persistent_context(
        tmp_path_factory.mktemp("visitor"),
        executable_path=chromium,
        args=list(FLAGS),
        viewport=VIEWPORT,
    )
    context.set_default_timeout(20_000)
    yield context
    context.close()


@pytest.fixture
def context(visitor, watch):
    """The visitor with one empty tab. Leaving the machine, errors and dialogs fail the test."""
    listeners = watch.listeners()
    for event, listener in listeners.items():
        visitor.on(event, listener)
    yield visitor
    first, *others = visitor.pages or [visitor.new_page()]
    for other in others:
        other.close()
    first.unroute_all(behavior="ignoreErrors")
    if first.url.startswith("http"):
        first.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
    first.goto("about:blank")
    for event, listener in listeners.items():
        visitor.remove_listener(event, listener)
    assert (watch.strangers, watch.complaints, watch.dialogs) == ([], [], [])


@pytest.fixture
def page(context):
    """The visitor's tab: a new one for each test would compile every script anew."""
    tab = context.pages[0] if context.pages else context.new_page()
    tab.set_viewport_size(VIEWPORT)
    return tab
