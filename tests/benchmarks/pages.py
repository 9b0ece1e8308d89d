"""Times the start of the window and the turning of its pages in Chromium, and prints JSON.

    python -m tests.benchmarks.pages --project DIR --dataset NAME
    python -m tests.benchmarks.pages --idx FOLDER_WITH_IDX_FILES

`--idx` makes a project in a temporary folder through the command line first: import, candidate
sets at rate 1 from one epoch, pairs at quantile 1e-4. The marks are those of a warm start: 200
within 6 s, first thumbnails within 2 s of the navigation, the next page of 200 within 250 ms, the
next pair within 150 ms. "cold" is what nothing was fetched for in advance: a page is turned at the
moment the one before is painted, a pair is chosen that is not beside the one shown.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import FLAGS, ROOT, start_studio

MARKS = {"http_200_s": 6, "interactive_s": 2, "next_page_ms": 250, "next_pair_ms": 150}

# Resolves when what an action leads to is decoded and a frame with it was painted.
TIMER = """
window.timed = async (selector, act) => {
  const page = document.querySelector(selector);
  const start = performance.now();
  const changed = new Promise(resolve => {
    const watch = new MutationObserver(() => { watch.disconnect(); resolve(); });
    watch.observe(page, {attributeFilter: ['data-shown']});
  });
  act();
  await changed;
  await Promise.all([...page.querySelectorAll('.card img')].map(image => image.decode()));
  await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)));
  return performance.now() - start;
};
"""
FIRST_PAINT = """() => new Promise(resolve => {
  const look = () => document.querySelector('.dataset-page[data-shown] .tile')
    ? requestAnimationFrame(() => setTimeout(() => resolve(performance.now())))
    : requestAnimationFrame(look);
  look();
})"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--project", type=Path)
    parser.add_argument("--dataset", default="bench")
    parser.add_argument("--idx", type=Path, help="folder of an IDX data set to make a project of")
    arguments = parser.parse_args()
    if (arguments.project is None) == (arguments.idx is None):
        parser.error("give --project or --idx")
    with tempfile.TemporaryDirectory() as folder:
        project = arguments.project or make_project(arguments.idx, Path(folder), arguments.dataset)
        print(json.dumps(measure(project.absolute(), arguments.dataset), indent=2))


def make_project(idx: Path, folder: Path, name: str) -> Path:
    """A project with candidate sets and pairs, made through the command line."""
    project = folder / "project"
    for command in (
        ["import", str(idx), "--name", name],
        ["synthesize", name, "--rate", "1", "--epochs", "1"],
        ["mine", name, "--features", "pixels", "--quantile", "0.0001"],
    ):
        parts = [sys.executable, "-m", "cad_studio", "--project", str(project), *command]
        subprocess.run(parts, cwd=ROOT, check=True, stdout=sys.stderr)
    return project


def measure(project: Path, name: str) -> dict[str, Any]:
    """All figures; the first start warms the machine up and is thrown away."""
    found: dict[str, Any] = {}
    for _ in range(2):
        started = perf_counter()
        for studio in start_studio(project):
            found = {"http_200_s": round(perf_counter() - started, 2)}
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=list(FLAGS)
                )
                found |= in_browser(browser, f"{studio.url}/?dataset={name}")
                browser.close()
    return {
        **found,
        "marks": MARKS,
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "processors": os.cpu_count(),
    }


def in_browser(browser: Browser, url: str) -> dict[str, Any]:
    """What a visitor waits for."""
    first = [first_paint(browser, url) for _ in range(5)]
    page = browser.new_page(viewport={"width": 1366, "height": 860})
    page.add_init_script(TIMER)
    page.goto(f"{url}/?open=dataset")
    page.wait_for_selector(".dataset-page[data-shown] .tile")
    samples = page.inner_text("#dataset-total")
    turn = "timed('.dataset-page', () => document.getElementById('dataset-next').click())"
    page_cold = page.evaluate(
        f"async () => {{ const all = []; for (let at = 0; at < 10; at++) all.push(await {turn});"
        "return all; }"
    )
    page_ready = repeated(page, 10, lambda _: turn)
    page.locator(".pages").get_by_role("link", name="Entangled pairs", exact=True).click()
    page.wait_for_selector(".pairs-page[data-shown] .card img")
    pairs = page.inner_text(".threshold .num")
    chosen = "timed('.pairs-page', () => document.querySelector('[data-at=\"{}\"]').click())"
    pair_cold = repeated(page, 20, lambda turn: chosen.format(4 * turn + 3))
    key = "timed('.pairs-page', () => document.getElementById('pairs-next').click())"
    page.evaluate(chosen.format(0))
    pair_ready = repeated(page, 20, lambda _: key)
    page.close()
    return {
        "samples": samples,
        "pairs": pairs,
        "interactive_s": {"median": round(median(first), 2), "max": round(max(first), 2)},
        "next_page_ms": {"cold": spread(page_cold), "prefetched": spread(page_ready)},
        "next_pair_ms": {"cold": spread(pair_cold), "prefetched": spread(pair_ready)},
    }


def first_paint(browser: Browser, url: str) -> float:
    """Seconds from the navigation to the first painted thumbnails, with an empty cache."""
    context = browser.new_context(viewport={"width": 1366, "height": 860})
    page = context.new_page()
    page.goto(f"{url}/?open=dataset", wait_until="commit")
    milliseconds = page.evaluate(FIRST_PAINT)
    context.close()
    return milliseconds / 1000


def repeated(page: Page, count: int, script: Callable[[int], str]) -> list[float]:
    """Milliseconds of each turn, with time in between for what is fetched in advance."""
    times = []
    for turn in range(count):
        page.wait_for_timeout(600)
        times.append(page.evaluate(script(turn)))
    return times


def spread(times: list[float]) -> dict[str, int]:
    """Median and maximum of milliseconds."""
    return {"median": round(median(times)), "max": round(max(times))}


if __name__ == "__main__":
    main()
