"""Measures how soon the next item is painted on the Annotate page, and prints JSON.

    python -m tests.benchmarks.annotate_page --keys 30

Opens the bundled sample in a new project, starts a queue, and answers items by key, each as soon
as the one before is painted: milliseconds from the key to the frame that shows the next item with
its image decoded, and how far the parts of the page move meanwhile (layout shift, 0 is none).
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, sync_playwright

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from tests.browser.conftest import FLAGS, start_studio

MARK_MS = 100

KEYS = """async ([keys, pause]) => {
  let shift = 0;
  new PerformanceObserver(list => { for (const each of list.getEntries()) shift += each.value; })
    .observe({type: 'layout-shift'});
  const page = document.querySelector('.annotate-page');
  const spent = [];
  for (let turn = 0; turn < keys; turn++) {
    const before = page.dataset.at;
    const begun = performance.now();
    const key = {key: '1', code: 'Digit1', bubbles: true};
    document.body.dispatchEvent(new KeyboardEvent('keydown', key));
    while (page.dataset.at === before) await new Promise(done => setTimeout(done, 0));
    await document.querySelector('.cards img.picture').decode();
    await new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)));
    spent.push(performance.now() - begun);
    await new Promise(done => setTimeout(done, pause));
  }
  return [spent, shift];
}"""


def main() -> None:
    """Open, press, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=30)
    parser.add_argument("--pause-ms", type=int, default=300, help="between two answers")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        services = Services(AppConfig(project))
        services.sample.open(Silent())
        services.close()
        studio = start_studio(project)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=list(FLAGS)
            )
            page = browser.new_page(viewport={"width": 1366, "height": 860})
            spent, shift = measure(page, next(studio).url, given.keys, given.pause_ms)
            browser.close()
        studio.close()
    print(json.dumps({
        "keys": given.keys, "median_ms": round(median(spent), 1), "longest_ms": round(max(spent)),
        "mark_ms": MARK_MS, "layout_shift": round(shift, 4),
    }, indent=2))  # fmt: skip


def measure(page: Page, url: str, keys: int, pause_ms: int) -> tuple[list[float], float]:
    """Milliseconds of each key, and the layout shift of all."""
    page.goto(f"{url}/annotate?dataset=sample", timeout=120_000)
    page.wait_for_selector("#order-expected-gain", timeout=120_000)
    page.click("#order-expected-gain")
    page.wait_for_selector(".annotate-page .near-tile", timeout=120_000)
    page.wait_for_timeout(2000)
    spent, shift = page.evaluate(KEYS, [keys, pause_ms])
    return spent, shift


if __name__ == "__main__":
    main()
