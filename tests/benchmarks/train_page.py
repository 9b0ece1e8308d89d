"""Measures what following runs on the Train page costs, and prints JSON.

    python -m tests.benchmarks.train_page --runs 20 --epochs 500

Makes a project with finished runs of many epochs and one that is being trained, to which an epoch
is added every second, all through the store; opens the page with every run laid over the others;
and compares the processor time of the studio and of the browser while the page is seen, while
another page is open, and while the browser's tab is hidden; what is seen less what is hidden is
what following costs. Also: how long frames take while the crosshair moves and while curves are
drawn anew.
"""

import argparse
import contextlib
import json
import math
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from playwright.sync_api import Page, sync_playwright

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions
from cad_studio.services.container import Services
from tests.browser.conftest import FLAGS, start_studio
from tests.ui.small_project import SHAPES, shapes

MARK = {"polling_share_of_a_core": 0.02, "longest_frame_ms": 50}

# Milliseconds between frames while something moves over a chart.
FRAMES = """async () => {
  const plot = document.querySelector('#curve-loss .plot');
  const box = plot.getBoundingClientRect();
  const times = [];
  let before = performance.now();
  for (let turn = 0; turn < 120; turn++) {
    plot.dispatchEvent(new PointerEvent('pointermove', {bubbles: true,
      clientX: box.left + 45 + (box.width - 60) * turn / 120, clientY: box.top + 50}));
    await new Promise(resolve => requestAnimationFrame(resolve));
    times.push(performance.now() - before);
    before = performance.now();
  }
  return times;
}"""
# Milliseconds of one drawing of all curves: what a tick of a run causes.
REDRAW = """async () => {
  const times = [];
  const log = document.getElementById('curve-log');
  for (let turn = 0; turn < 20; turn++) {
    const start = performance.now();
    log.click();
    await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)));
    times.push(performance.now() - start);
  }
  return times;
}"""
HIDE = """hidden => {
  Object.defineProperty(document, 'hidden', {configurable: true, get: () => hidden});
  document.dispatchEvent(new Event('visibilitychange'));
}"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each measurement")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        services = Services(AppConfig(project))
        services.importing.import_source(
            str(shapes(Path(folder))), SHAPES, ReadOptions(), False, Silent()
        )
        for number in range(arguments.runs - 1):
            make_run(services, f"run {number}", arguments.epochs, arguments.epochs)
        running = make_run(services, "running", 2 * arguments.epochs, arguments.epochs)
        job = services.jobs.run_here("train", {"run": running}, dataset="x")
        services.project.runs.change(running, job_id=job.id)
        print(json.dumps(measure(services, project, running, arguments), indent=2))
        services.close()


def make_run(services: Services, name: str, epochs: int, n_done: int) -> int:
    """A run with the figures of its epochs; without a job."""
    record = services.datasets.get(SHAPES)
    run = services.project.runs.add(
        {
            "dataset_id": record.id,
            "version_hash": record.version.hash,
            "candidates": record.version.candidates,
            "name": name,
            "note": "",
            "method": "cad-cam",
            "backbone": "resnet8",
            "features": "pixels",
            "config": {"epochs": epochs, "start": "uniform", "seed": 0, "max_seconds": 0.0},
            "settings": {},
            "environment": {},
        }
    )
    for epoch in range(n_done):
        services.project.runs.save_report(run.id, figures(epoch, run.id), epoch == n_done - 1)
    if n_done == epochs:
        services.project.runs.change(run.id, finished_at=run.created_at)
    return run.id


def figures(epoch: int, seed: int) -> dict[str, Any]:
    """A report such as a run gives."""
    chance = random.Random(1000 * seed + epoch)
    rising = 1.0 - math.exp(-(epoch + 5) / 60)
    rough = [rising * (0.8 + 0.02 * chance.random()) for _ in range(14)]
    shares = ("0.1", "0.01", "0.001")
    kinds = ("instance_accuracy", "pair_accuracy", "swap_rate")
    entangled = {f"entangled/{share}/{kind}": rough[at] for at, (share, kind) in enumerate(
        (share, kind) for share in shares for kind in kinds)}  # fmt: skip
    return {
        "epoch": epoch,
        "learning_rate": 0.01,
        "losses": {"loss": 3 - rough[0], "classification": 2 - rough[1], "contrast": rough[2]},
        "covering_rate": rough[9],
        "approximated_accuracy": rough[10],
        "oracle": {"test_accuracy": rough[11], "disambiguation": rough[12], **entangled},
        "samples_per_second": 1000.0 + 100 * rough[13],
        "seconds": 9.0 * (epoch + 1),
        "memory_mb": 700.0,
    }


def measure(
    services: Services, project: Path, running: int, arguments: argparse.Namespace
) -> dict[str, Any]:
    """All figures, with the running run held by this process."""
    for studio in start_studio(project):
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=list(FLAGS)
            )
            page = browser.new_page(viewport={"width": 1366, "height": 860})
            page.goto(f"{studio.url}/?run={running}")
            page.wait_for_selector(f'.train-page[data-shown="{running}"]', timeout=60_000)
            for box in page.locator("#runs .tick input").all():
                box.check()
            points = arguments.runs * arguments.epochs
            page.wait_for_function(
                "least => +document.getElementById('curve-loss').dataset.points >= least",
                arg=points,
            )
            found = costs(page, studio_process(project), services, running, arguments.seconds)
            found |= frames(page)
            browser.close()
    return {
        "runs": arguments.runs,
        "epochs": arguments.epochs,
        **found,
        "marks": MARK,
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "processors": os.cpu_count(),
    }


def costs(
    page: Page, studio: psutil.Process, services: Services, running: int, seconds: float
) -> dict[str, Any]:
    """Shares of a core of the studio and of all processes of the browser, in three situations."""
    browser = [each for each in psutil.Process().children(recursive=True) if is_browser(each)]

    def share() -> dict[str, float]:
        with growing(services, running):
            before = processor(studio), sum(map(processor, browser))
            time.sleep(seconds)
            after = processor(studio), sum(map(processor, browser))
        return {
            "studio": round((after[0] - before[0]) / seconds, 4),
            "browser": round((after[1] - before[1]) / seconds, 4),
        }

    seen = share()
    page.locator(".pages").get_by_role("link", name="Dataset", exact=True).click()
    page.wait_for_selector(".tile")
    beside = share()
    page.locator(".pages").get_by_role("link", name="Train", exact=True).click()
    page.evaluate(HIDE, True)
    hidden = share()
    page.evaluate(HIDE, False)
    page.wait_for_timeout(1500)
    polling = {each: round(seen[each] - hidden[each], 4) for each in seen}
    return {
        "share_of_a_core": {"page_seen": seen, "page_beside": beside, "tab_hidden": hidden},
        "polling_share_of_a_core": {**polling, "both": round(sum(polling.values()), 4)},
    }


def frames(page: Page) -> dict[str, Any]:
    """Milliseconds of frames while the crosshair moves, and of drawing all curves anew."""
    moving, drawing = page.evaluate(FRAMES), page.evaluate(REDRAW)
    return {
        "crosshair_frame_ms": {"median": round(median(moving), 1), "max": round(max(moving), 1)},
        "redraw_ms": {"median": round(median(drawing), 1), "max": round(max(drawing), 1)},
    }


@contextlib.contextmanager
def growing(services: Services, run: int) -> Iterator[None]:
    """Add an epoch to a run every second."""
    is_over = threading.Event()

    def grow() -> None:
        while not is_over.wait(1.0):
            epoch = services.runs.get(run)["epochs_done"]
            services.project.runs.save_report(run, figures(epoch, run), False)

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def studio_process(project: Path) -> psutil.Process:
    """The studio over a project, among the children of this process."""
    return next(
        child
        for child in psutil.Process().children(recursive=True)
        if str(project) in child.cmdline()
    )


def processor(process: psutil.Process) -> float:
    """Seconds of processor time so far."""
    times = process.cpu_times()
    return times.user + times.system


def is_browser(process: psutil.Process) -> bool:
    """Whether a process is one of Chromium's."""
    return "chromium" in " ".join(process.cmdline())


if __name__ == "__main__":
    main()
