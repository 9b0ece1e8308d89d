"""Times the Diagnose page and UMAP on 60,000 made samples of 10 and of 100 classes, prints JSON.

    python -m tests.benchmarks.diagnosis [--classes 10] [--classes 100] [--no-umap] [--keep DIR]

The samples are 64 numbers each around centres of which some lie close together; sets hold the truth
and look-alikes. Two networks are trained for one epoch and asked about all samples; that is not
timed. Then a studio is started and its first page looked at for three seconds: `first` is the
first time the Diagnose page is opened, `later` the median of what follows. Marks: matrix page
500 ms from click to painted, cell to grid 300 ms, comparison 1 s, lasso of about 10,000 to grid
500 ms, PCA map 2 s, UMAP of all 60 s on 2 cores.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions
from cad_studio.services.container import Services
from cad_studio.services.training.training import TrainingRequest
from tests.benchmarks.pages import repeated, spread
from tests.browser.conftest import FLAGS, ROOT, start_studio

N, N_TEST, WIDTH = 60_000, 10_000, 64
WANTED = 10_000
MARKS = {
    "matrix_page_ms": 500, "cell_to_grid_ms": 300, "comparison_ms": 1000,
    "lasso_to_grid_ms": 500, "pca_map_ms": 2000, "umap_s": 60,
}  # fmt: skip

# Resolves when an attribute has changed and a frame with it was painted.
TIMER = """
window.timed = async (selector, attribute, act) => {
  const element = document.querySelector(selector);
  const start = performance.now();
  const changed = new Promise(resolve => {
    const watch = new MutationObserver(() => { if (element.getAttribute(attribute)) { watch.disconnect(); resolve(); } });
    watch.observe(element, {attributeFilter: [attribute]});
  });
  act();
  await Promise.race([changed, new Promise((_, fail) => setTimeout(() => fail(new Error(`${selector} ${attribute} did not change`)), 20000))]);
  await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)));
  return performance.now() - start;
};
// Of each selector, the time until it fits something and a frame with it was painted.
window.untilThere = (selectors, act) => {
  const start = performance.now();
  const all = selectors.map(selector => new Promise((resolve, fail) => {
    const watch = new MutationObserver(async () => {
      if (!document.querySelector(selector)) return;
      watch.disconnect();
      await new Promise(painted => requestAnimationFrame(() => setTimeout(painted)));
      resolve(performance.now() - start);
    });
    watch.observe(document.body, {subtree: true, childList: true, attributes: true});
    setTimeout(() => fail(new Error(`${selector} did not come`)), 20000);
  }));
  act();
  return Promise.all(all);
};
window.lasso = (share) => {
  const map = document.querySelector('.map-box .scatter');
  const box = map.getBoundingClientRect();
  const [cx, cy] = [box.left + box.width / 2, box.top + box.height / 2];
  const send = (kind, x, y) => map.dispatchEvent(new PointerEvent(kind, {clientX: x, clientY: y, shiftKey: true, pointerId: 1, bubbles: true}));
  map.setPointerCapture = () => {};
  send('pointerdown', cx + box.width * share, cy);
  for (let at = 1; at < 60; at++) send('pointermove', cx + box.width * share * Math.cos(at / 60 * 6.283), cy + box.height * share * Math.sin(at / 60 * 6.283));
  send('pointerup', cx + box.width * share, cy);
};
"""  # noqa: E501


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--classes", type=int, action="append")
    parser.add_argument("--no-umap", action="store_true")
    parser.add_argument("--keep", type=Path, help="folder whose projects are made once and kept")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = arguments.keep or Path(folder)
        found = {
            f"K={k}": measure(place.absolute() / f"k{k}", k, not arguments.no_umap)
            for k in arguments.classes or [10, 100]
        }
    print(json.dumps({**found, "marks": MARKS, "processors": os.cpu_count()}, indent=2))


def measure(folder: Path, n_classes: int, with_umap: bool) -> dict[str, Any]:
    """All figures for one number of classes."""
    runs = make_project(folder, n_classes)
    found: dict[str, Any] = {}
    for studio in start_studio(folder / "project"):
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=list(FLAGS)
            )
            page = browser.new_page(viewport={"width": 1366, "height": 860})
            page.add_init_script(TIMER)
            found = in_browser(page, studio.url, runs)
            browser.close()
    if with_umap:
        found |= lay_out(folder / "project")
    return {**found, "load_average": [round(load, 1) for load in os.getloadavg()]}


def make_project(folder: Path, n_classes: int) -> list[int]:
    """Two trained and asked runs on a new project, or those that are there; their numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    services = Services(AppConfig(folder / "project"))
    if not services.runs.all():
        file = folder / "made.npz"
        np.savez(file, **made(n_classes))
        services.importing.import_source(str(file), "made", ReadOptions(), False, Silent())
        for seed in (0, 1):
            config = {"epochs": 1, "batch_size": 256, "seed": seed, "device": "cpu"}
            run = services.training.create(TrainingRequest("made", "proden", config=config))
            services.training.train(run.id, Silent())
    runs = sorted(row["id"] for row in services.runs.all())
    for run_id in runs:
        services.diagnosis.prepare(run_id, Silent())
    services.project.derived.remove_except(set())
    services.close()
    return runs


def made(n_classes: int, seed: int = 0) -> dict[str, Any]:
    """Vectors, sets and labels: every class has a near one, and borders are blurred."""
    chance = np.random.default_rng(seed)
    centres = chance.normal(size=(n_classes, WIDTH))
    centres[1::2] = centres[::2][: n_classes // 2] + 0.45 * centres[1::2]
    truth = chance.integers(0, n_classes, N)
    features = centres[truth] + 0.9 * chance.normal(size=(N, WIDTH))
    distance = np.stack([((features - centre) ** 2).sum(axis=1) for centre in centres], axis=1)
    own = distance[np.arange(N), truth][:, None]
    candidates = chance.random((N, n_classes)) < np.exp(-0.06 * np.maximum(distance - own, 0))
    candidates[np.arange(N), truth] = True
    split = np.where(np.arange(N) < N - N_TEST, "train", "test")
    return {
        "features": features.astype(np.float32), "candidates": candidates, "labels": truth,
        "split": split,
    }  # fmt: skip


def in_browser(page: Page, url: str, runs: list[int]) -> dict[str, Any]:
    """What a visitor waits for."""
    page.goto(f"{url}/?dataset=made&run=new")
    page.wait_for_selector(".train-page[data-shown]")
    page.wait_for_timeout(3000)  # a visitor looks at the first page, the studio warms up
    go = "[role=tab][data-tab-id={}]"
    first, to_map = page.evaluate(
        "selectors => untilThere(selectors, () => document.querySelector("
        "'#page-link-diagnose').click())",
        [
            '.diagnose-page[data-shown*="test"] .matrix button',
            '.map-box[data-shown] .scatter[data-painted="60000"]',
        ],
    )
    page.wait_for_timeout(1000)
    again = []
    for _ in range(5):
        page.click(go.format("train"))
        page.wait_for_timeout(400)
        again.append(
            page.evaluate(
                "timed('.diagnose-page', 'data-shown', () => document.querySelector("
                "'#page-link-diagnose').click())"
            )
        )
        page.wait_for_timeout(300)
    cells = page.eval_on_selector_all(
        ".diagnose-side .matrix button:not(.own)",
        "all => all.map((e, at) => [+e.dataset.text.split(': ').pop().replace(/,/g, ''), at])"
        ".sort((a, b) => b[0] - a[0]).slice(0, 7).map(e => e[1])",
    )
    cell = (
        "timed('.diagnose-side', 'data-first', () => document.querySelectorAll("
        "'.diagnose-side .matrix button:not(.own)')[{}].click())"
    )
    opened = repeated(page, len(cells), lambda turn: cell.format(cells[turn]))
    lasso = "timed('.diagnose-side', 'data-first', () => lasso({}))"
    low, high = 0.0, 0.7
    for _ in range(8):
        page.evaluate(f"lasso({(low + high) / 2})")
        page.wait_for_timeout(700)
        many = int(page.get_attribute(".diagnose-side", "data-selected") or 0) > WANTED
        low, high = (low, (low + high) / 2) if many else ((low + high) / 2, high)
    around = repeated(page, 5, lambda turn: lasso.format(low + 0.001 * turn))
    n_inside = page.get_attribute(".diagnose-side", "data-selected")
    page.evaluate("document.getElementById('diagnose-view-compare').click()")
    page.wait_for_timeout(300)
    change = (
        "timed('.compare-view', 'data-shown', () => {{ const pick = document.getElementById("
        "'diagnose-against'); pick.value = '{}'; pick.dispatchEvent(new Event('change')); }})"
    )
    other = next(str(run) for run in runs if str(run) != page.input_value("#diagnose-run"))
    compared = repeated(page, 5, lambda turn: change.format(other if turn % 2 == 0 else ""))
    return {
        "matrix_page_ms": {"first": round(first), "later": round(median(again))},
        "pca_map_ms": {"first": round(to_map)},
        "cell_to_grid_ms": spread(opened),
        "lasso_to_grid_ms": {**spread(around), "samples": n_inside},
        "comparison_ms": {"first": round(compared[0]), "later": round(median(compared[2::2]))},
    }


def lay_out(project: Path) -> dict[str, Any]:
    """UMAP of all samples in a process of its own, as a job makes it, import included."""
    command = [sys.executable, "-m", "cad_studio", "--project", str(project), "map", "made"]
    started = perf_counter()
    done = subprocess.run(
        [*command, "--features", "raw", "--method", "umap", "--json"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "umap_s": round(perf_counter() - started, 1),
        "umap_stages": json.loads(done.stdout)["stages"],
        "umap_memory_mb": round(usage.ru_maxrss / 1024),
    }


if __name__ == "__main__":
    main()
