"""What a very large dataset takes, stage by stage, on the server's side.

    python -m tests.benchmarks.million --samples 1000000 --folder /some/where
    python -m tests.benchmarks.million --samples 100000
    python -m tests.benchmarks.million --folder /some/where --window

Makes images of 28 px in 100 classes with candidate sets, imports them, computes pixel features,
searches for pairs by cells, and asks what the pages ask; a project that is there already is asked
again, in a process that has read nothing of it. Prints one line of JSON a stage: seconds of the
first and the median of the later ones. With `--window` a Chromium then does what a user does: opens
pages, goes from pair to pair, opens the entangled queue, draws a lasso on the map; and the sets are
exported.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import psutil
from playwright.sync_api import sync_playwright

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.container import Services
from cad_studio.services.pairs.mining import MiningRequest
from cad_studio.services.pairs.pairs import PairFilter
from cad_studio.services.training.training import TrainingRequest
from tests.benchmarks.diagnosis import TIMER
from tests.benchmarks.pages import repeated, spread
from tests.browser.conftest import FLAGS, VIEWPORT, start_studio
from tests.services.small import store

NAME, N_CLASSES, SIDE_PX = "large", 100, 28
PAIR, LONG_MS = ".pairs-page[data-shown]", 600_000


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where the project is made, and stays")
    parser.add_argument("--window", action="store_true", help="in a browser, too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        folder.mkdir(exist_ok=True)
        if not (folder / "project").is_dir():
            make(folder, arguments.samples)
        ask(folder)
        if arguments.window:
            look(folder)


def make(folder, n_samples):
    """Import the images, compute features, and search."""
    file = timed("images", lambda: written(folder / "large.npz", n_samples))
    services = Services(AppConfig(folder / "project"))
    timed("import", lambda: store(services, file, NAME))
    file.unlink()
    timed("features and cells", lambda: services.mining.extract(NAME, "pixels", Silent()))
    request = MiningRequest("pixels", MiningConfig(quantile=1e-6, method="ivf"))
    found = timed("search", lambda: services.mining.mine(NAME, request, Silent()))
    print(json.dumps({"pairs": found.n_pairs, "recall_of_search": found.recall}), flush=True)
    timed("neighbours of all", lambda: services.beliefs.graph(NAME, "pixels", Silent()))
    config = {"epochs": 1, "start": "uniform"}
    request = TrainingRequest(NAME, "proden", "features:pixels", config=config)
    run = services.training.create(request).id
    timed("a head, one epoch", lambda: services.training.train(run, Silent()))
    timed("its diagnosis", lambda: services.diagnosis.prepare(run, Silent()))
    services.close()


def ask(folder):
    """What the pages ask, first and again."""
    services = Services(AppConfig(folder / "project"))
    mining = services.mining.minings(NAME)[0]
    pairs = services.pairs
    page = timed("list of pairs", lambda: pairs.page(NAME, mining.id, PairFilter(), 0, 200))
    rows = [(each["i"], each["j"]) for each in page["pairs"]]
    chance = np.random.default_rng(0)
    rows += chance.integers(0, services.datasets.load(NAME).record.n_samples, (100, 2)).tolist()
    several(
        "a pair", [lambda i=i, j=j: pairs.pair(NAME, mining.id, i, j) for i, j in rows if i != j]
    )
    near = pairs.neighbours(NAME, mining.feature_set_id, 0, 12)
    print(json.dumps({"recall_of_neighbours": near["recall"]}), flush=True)
    several("co-occurrence", [lambda: services.datasets.co_occurrence(NAME)] * 3)
    several("summary", [lambda: pairs.summary(NAME, mining.id, PairFilter())] * 3)
    several("description", [lambda: services.datasets.describe(NAME)] * 3)
    rss = psutil.Process().memory_info().rss
    print(json.dumps({"memory_mb": round(rss / 2**20)}), flush=True)
    services.close()


def look(folder):
    """What a user waits for, in milliseconds painted; and the server's memory after it."""
    out = folder / "large.parquet"
    command = [sys.executable, "-m", "cad_studio", "--project", str(folder / "project"), "export"]
    command += [NAME, "--format", "parquet", "--out", str(out)]
    timed("export to Parquet", lambda: subprocess.run(command, check=True, stdout=sys.stderr))
    out.unlink()
    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(FLAGS)
        )
        page = browser.new_page(viewport=VIEWPORT)
        page.add_init_script(TIMER)
        for studio in start_studio(folder / "project"):
            visit(page, f"{studio.url}/?dataset={NAME}&open=")
        browser.close()


def visit(page, url):
    """The pages of a studio, one after the other."""
    timed("first grid", lambda: shows(page, url + "dataset", ".dataset-page .tile"))
    timed("first pair", lambda: shows(page, url + "pairs", f"{PAIR} .card img"))
    page.wait_for_timeout(5000)
    told = {"stage": "next pair and its neighbours", "ms": spread(next_pairs(page))}
    print(json.dumps(told), flush=True)
    page.goto(url + "annotate")
    page.click("#order-entangled", timeout=LONG_MS)
    card = ".cards .card"
    timed("entangled queue, from the click", lambda: page.wait_for_selector(card, timeout=LONG_MS))
    diagnose(page, url)
    family = psutil.Process().children(recursive=True)
    server = [each for each in family if "app.py" in " ".join(each.cmdline())]
    told = [each.memory_info() for each in server]
    sizes = {"all": sum(each.rss for each in told), "own": sum(m.rss - m.shared for m in told)}
    # The rest are pages of files, which the system takes back when it needs them.
    print(json.dumps({"server_memory_mb": {k: v >> 20 for k, v in sizes.items()}}), flush=True)


def diagnose(page, url):
    """The matrix and the map of the run, and a lasso over about a fifth of the map."""
    page.goto(url + "home")
    page.wait_for_timeout(5000)
    there = [".diagnose-page[data-shown] .matrix button", ".map-box[data-shown] .scatter"]
    click = "() => document.querySelector('#page-link-diagnose').click()"
    found = page.evaluate(f"selectors => untilThere(selectors, {click})", there)
    for stage, milliseconds in zip(("matrix of classes", "map, first"), found, strict=True):
        print(json.dumps({"stage": stage, "seconds": round(milliseconds / 1e3, 3)}), flush=True)
    page.wait_for_selector('.map-box .scatter[data-painted="1000000"]', timeout=LONG_MS)
    lasso = "timed('.diagnose-side', 'data-first', () => lasso({}))"
    times = repeated(page, 6, lambda turn: lasso.format(0.2 + 0.001 * turn))
    inside = page.get_attribute(".diagnose-side", "data-selected")
    told = {"stage": "lasso to grid", "ms": spread(times), "samples": inside}
    print(json.dumps(told), flush=True)


def shows(page, address, what):
    page.goto(address, wait_until="commit")
    page.wait_for_selector(what, timeout=LONG_MS)


def next_pairs(page):
    """Milliseconds from the key to a painted pair and its neighbours, one pair after another."""
    key = "new KeyboardEvent('keydown', {key: 'j', bubbles: true})"
    act = f"() => document.body.dispatchEvent({key})"
    times = repeated(page, 12, lambda _: f"timed('.pairs-page', 'data-shown', {act})")
    page.wait_for_selector(f"{PAIR} .near-tile", timeout=LONG_MS)
    return times


def written(file, n_samples):
    """Noisy images of classes that look alike in twos, and sets of two or three, as an archive."""
    chance = np.random.default_rng(0)
    patterns = chance.integers(0, 160, (N_CLASSES, SIDE_PX, SIDE_PX), np.uint8)
    patterns[1::2] = patterns[::2]
    patterns[1::2, : SIDE_PX // 4] = chance.integers(0, 160, (SIDE_PX // 4, SIDE_PX), np.uint8)
    truth = chance.integers(0, N_CLASSES, n_samples)
    images = np.empty((n_samples, SIDE_PX, SIDE_PX), np.uint8)
    candidates = np.zeros((n_samples, N_CLASSES), bool)
    for start in range(0, n_samples, 50_000):
        own = truth[start : start + 50_000]
        noise = chance.integers(0, 96, (len(own), SIDE_PX, SIDE_PX), np.uint8)
        images[start : start + len(own)] = patterns[own] + noise
    candidates[np.arange(n_samples), truth] = True
    candidates[np.arange(n_samples), truth ^ 1] = True
    candidates[np.arange(n_samples), (truth + chance.integers(0, 4, n_samples)) % N_CLASSES] = True
    np.savez(file, images=images, candidates=candidates, labels=truth)
    return file


def timed(stage, work):
    began = perf_counter()
    found = work()
    print(json.dumps({"stage": stage, "seconds": round(perf_counter() - began, 3)}), flush=True)
    return found


def several(stage, works, page=None):
    seconds = []
    for work in works:
        if page is not None:
            page.wait_for_timeout(600)  # a look at what is shown
        began = perf_counter()
        work()
        seconds.append(perf_counter() - began)
    later = statistics.median(seconds[1:])
    told = {"stage": stage, "first": round(seconds[0], 4), "median": round(later, 4)}
    print(json.dumps({**told, "longest": round(max(seconds[1:]), 4)}), flush=True)


if __name__ == "__main__":
    main()
