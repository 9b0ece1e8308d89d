"""Goes the way of a new user in Chromium, counts the clicks, times the waits, and prints JSON.

    python -m tests.benchmarks.journey            # all four, each with a studio of its own
    python -m tests.benchmarks.journey clicks     # or: first-pair, pages, slow-line

`clicks` goes from a folder of 300 images to the comparison of a second run and an export; names,
paths and answers are typed, and are no clicks. `first-pair` is the time from the navigation to the
first pair of a new project, `pages` from a click on a page's link to the page painted, when it was
open before, `slow-line` the first grid and the next page over Chromium's Fast 3G (1.44 Mbit/s down,
562 ms a round trip), with an empty cache.
"""

import csv
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import FLAGS, VIEWPORT, start_studio, wait_for_samples

MARKS = {
    "clicks": 12, "first_pair_s": 10, "page_ms": 150, "slow_grid_s": 4, "slow_grid_mb": 1,
    "slow_next_s": 1,
}  # fmt: skip
N_IMAGES, N_CLASSES, SIDE = 300, 4, 24
EPOCHS = "4"
LONG_MS = 600_000
FAST_3G = {
    "offline": False, "latency": 562.5, "downloadThroughput": 1.44e6 / 8,
    "uploadThroughput": 0.675e6 / 8,
}  # fmt: skip
PAGES = ("home", "dataset", "pairs", "train", "diagnose", "annotate")
PAINTED = """page => new Promise(resolve => {
  const start = performance.now();
  document.getElementById(`page-link-${page}`).click();
  const seen = () => document.querySelector(`#page-${page} .mount`)?.offsetParent
    ? requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start)))
    : requestAnimationFrame(seen);
  seen();
})"""


def image_folder(folder: Path) -> Path:
    """300 images of four shades under noise, each in a set of two or three classes."""
    generator = np.random.default_rng(7)
    folder.mkdir()
    rows = []
    for at in range(N_IMAGES):
        truth = at % N_CLASSES
        pixels = generator.normal(50 + 50 * truth, 35, (SIDE, SIDE)).clip(0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{at:03}.png")
        others = generator.permutation([c for c in range(N_CLASSES) if c != truth])[: 1 + at % 2]
        held = sorted([truth, *others.tolist()])
        rows.append([f"{at:03}.png", "|".join(f"shade {c}" for c in held), f"shade {truth}"])
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["file_name", "candidates", "label"], *rows])
    return folder


class Visitor:
    """A page whose clicks are counted."""

    def __init__(self, page: Page) -> None:
        """Count from none."""
        self.page = page
        self.clicks: list[str] = []

    def click(self, selector: str) -> None:
        """One click, once the button is there and can be pressed."""
        button = self.page.locator(selector)
        button.wait_for(timeout=LONG_MS)
        self.clicks.append(f"{selector}: {button.inner_text().strip()}")
        button.click(timeout=LONG_MS)

    def step(self, words: str) -> None:
        """The next step of the foot, once it is the one expected."""
        self.page.locator("#way-go").filter(has_text=words).wait_for(timeout=LONG_MS)
        self.click("#way-go")


def clicks(browser: Browser, folder: Path) -> dict[str, Any]:
    """From a folder of images to the comparison of a second run, and an export."""
    images = image_folder(folder / "images")
    with studio(folder, samples=False) as url:
        visitor, started = Visitor(browser.new_page(viewport=VIEWPORT)), monotonic()
        page = visitor.page
        page.goto(url, timeout=LONG_MS)
        visitor.click("#home-import")
        page.fill("#import-source", str(images))
        page.fill("#import-name", "shades")
        visitor.click("#import-start")
        visitor.step("Find look-alikes")
        visitor.step("Train a first run")
        page.wait_for_selector('.train-side[data-ready="shades"]', timeout=LONG_MS)
        page.fill("#setting-epochs", EPOCHS)
        visitor.click("#train-start")
        visitor.step("See what")
        visitor.step("Fix the worst")
        page.wait_for_selector(".cards .card", timeout=LONG_MS)
        for _ in range(6):
            shown = page.get_attribute(".annotate-page", "data-at")
            page.keyboard.press("1")
            page.wait_for_function(
                "at => document.querySelector('.annotate-page').dataset.at !== at",
                arg=shown, timeout=LONG_MS,
            )  # fmt: skip
        visitor.step("Retrain on")
        visitor.step("Compare with v1")
        page.wait_for_selector("#compare-table tbody tr", timeout=LONG_MS)
        visitor.click("#page-link-dataset")
        visitor.click("#dataset-export-open")
        visitor.click("#export-start")
        page.wait_for_selector("#export-download", timeout=LONG_MS)
        return {"n": len(visitor.clicks), "minutes": round((monotonic() - started) / 60, 1),
                "each": visitor.clicks}  # fmt: skip


def first_pair(browser: Browser, folder: Path) -> dict[str, Any]:
    """A new project: seconds to the first pair, and whether the header named no dataset before."""
    with studio(folder, samples=False) as url:
        page, started = browser.new_page(viewport=VIEWPORT), monotonic()
        page.goto(f"{url}/?open=pairs", timeout=LONG_MS)
        page.wait_for_selector(".pairs-page[data-shown] .card img", timeout=LONG_MS)
        return {"s": round(monotonic() - started, 1)}


def pages(browser: Browser, folder: Path) -> dict[str, Any]:
    """Milliseconds from the click on a page's link to the page painted, over five rounds."""
    with studio(folder, samples=True) as url:
        page = browser.new_page(viewport=VIEWPORT)
        page.goto(f"{url}/?open=home&dataset=sample-hard", timeout=LONG_MS)
        page.wait_for_selector(".home-page[data-shown^=sample]", timeout=LONG_MS)
        for name in PAGES:  # the first time each is filled
            page.evaluate(PAINTED, name)
            page.wait_for_timeout(4000)
        times = {name: [] for name in PAGES}
        for _ in range(5):
            for name in PAGES:
                times[name].append(page.evaluate(PAINTED, name))
                page.wait_for_timeout(500)
        return {name: [round(median(all_)), round(max(all_))] for name, all_ in times.items()}


def slow_line(browser: Browser, folder: Path) -> dict[str, Any]:
    """The first grid of the Dataset page and the next page of it, over Fast 3G."""
    with studio(folder, samples=True) as url:
        context = browser.new_context(viewport=VIEWPORT)
        page = context.new_page()
        line = context.new_cdp_session(page)
        received: list[float] = []
        line.on("Network.loadingFinished", lambda each: received.append(each["encodedDataLength"]))
        line.send("Network.enable")
        line.send("Network.emulateNetworkConditions", FAST_3G)
        started = monotonic()
        page.goto(f"{url}/?open=dataset&dataset=sample", wait_until="commit", timeout=LONG_MS)
        page.wait_for_selector(".dataset-page[data-shown] .tile", timeout=LONG_MS)
        grid, size, n = monotonic() - started, sum(received), len(received)
        page.wait_for_function("!document.getElementById('stage')", timeout=LONG_MS)  # Gradio came
        page.wait_for_timeout(2000)  # what is fetched in advance
        shown = page.get_attribute(".dataset-page", "data-shown")
        started = monotonic()
        page.click("#dataset-next")
        page.wait_for_function(
            "shown => document.querySelector('.dataset-page').dataset.shown !== shown",
            arg=shown, timeout=LONG_MS,
        )  # fmt: skip
        return {"grid_s": round(grid, 2), "grid_mb": round(size / 1e6, 2), "requests": n,
                "next_s": round(monotonic() - started, 2)}  # fmt: skip


PARTS: dict[str, Callable[[Browser, Path], dict[str, Any]]] = {
    "clicks": clicks, "first-pair": first_pair, "pages": pages, "slow-line": slow_line,
}  # fmt: skip


@contextmanager
def studio(folder: Path, samples: bool) -> Iterator[str]:
    """A studio over a new project; with `samples`, once they are made ready."""
    for started in start_studio(folder / "project"):
        if samples:
            wait_for_samples(started.url)
        yield started.url


def main(wanted: list[str]) -> None:
    """Measure and print."""
    found: dict[str, Any] = {}
    with sync_playwright() as playwright:
        for name in wanted or PARTS:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=list(FLAGS)
            )
            load = os.getloadavg()[0]
            with tempfile.TemporaryDirectory() as folder:
                found[name] = PARTS[name](browser, Path(folder))
            found[name]["load"] = [round(load, 1), round(os.getloadavg()[0], 1)]
            browser.close()
            print(name, json.dumps(found[name]), file=sys.stderr)
    print(json.dumps({**found, "marks": MARKS, "processors": os.cpu_count()}, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
