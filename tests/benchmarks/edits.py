"""What edits are worth and what they cost, on the bundled sample.

python -m tests.benchmarks.edits --cpu-seconds 180
python -m tests.benchmarks.edits --table
python -m tests.benchmarks.edits --speed

The first trains cad-cam, cad with in-domain edits of all training samples, and cad with edits of
the entangled ones only (maps for the rest), each for three seeds from the same candidate sets and a
propagated start, with as many epochs as the budget holds by an estimate measured on this machine;
one thread, defaults otherwise. Edits are made once, by the bundled editor, which learned from
candidates only; their time is told apart. A file is gone on with: what it holds is not trained
again. --speed measures, in CPU time, the preview and what reading edits adds to a step; it prints
JSON.
"""

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import numpy as np
from torch import Tensor

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from cad_studio.services.edits.augmentation import AugmentRequest
from cad_studio.services.edits.previews import PreviewRequest
from cad_studio.services.training.training import TrainingRequest
from cad_studio.training import estimate
from cad_studio.training.opening import open_session
from cad_studio.training.step import take_step

VARIANTS = {"cad-cam": None, "cad, edits for all": "all", "cad, entangled only": "entangled"}
_SHARES = ("0.1", "0.01", "0.001")
_SHOWN = {
    "test_accuracy": "test", "0.1": "entangled 0.1 %", "0.01": "0.01 %", "0.001": "0.001 %",
    "disambiguation": "labels found", "approximated_accuracy": "approximated",
}  # fmt: skip
_STEPS = 20
_LOOP = {"threads": 1, "device": "cpu", "start": "propagation"}


def main() -> None:
    """Do what is asked for."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--variants", nargs="*", choices=list(VARIANTS), default=list(VARIANTS))
    options.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    options.add_argument("--cpu-seconds", type=float, default=180.0)
    options.add_argument("--limit", type=int, default=0, help="at most so many edits; 0 for all")
    options.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".jsonl"))
    options.add_argument("--table", action="store_true", help="print the table and leave")
    options.add_argument("--speed", action="store_true", help="measure preview and reading")
    asked = options.parse_args()
    if asked.table:
        print(table(_rows(asked.out)))
        return
    if asked.speed:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(speed(_opened(Path(folder))), indent=2))
        return
    for variant in asked.variants:
        missing = [seed for seed in asked.seeds if not _is_there(asked, variant, seed)]
        if not missing:
            continue
        with tempfile.TemporaryDirectory() as folder:
            services = _opened(Path(folder))
            made = _edits(services, VARIANTS[variant], asked.limit)
            for seed in missing:
                row = {**_train(services, variant, seed, asked.cpu_seconds), **made}
                with asked.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
                print(json.dumps(row), flush=True)
            services.close()


def _opened(folder: Path) -> Services:
    services = Services(AppConfig(project=folder))
    # Seconds of work rather than of the clock: a busy machine gives the same epochs.
    estimate.perf_counter = time.process_time
    services.sample.open(Silent())
    return services


def _edits(services: Services, budget: str | None, limit: int) -> dict[str, Any]:
    if budget is None:
        return {"edits": 0, "edit_seconds": 0.0}
    began = time.process_time()
    request = AugmentRequest("sample", budget={"budget": budget, "limit": limit})
    made = services.augmentation.make(request, Silent())
    return {"edits": made["made"], "edit_seconds": round(time.process_time() - began, 1)}


def _train(services: Services, variant: str, seed: int, cpu_seconds: float) -> dict[str, Any]:
    method = "cad-cam" if VARIANTS[variant] is None else "cad"
    request = TrainingRequest("sample", method, config={**_LOOP, "seed": seed})
    pace = services.training.estimate(request, Silent())["seconds_per_epoch"]
    epochs = max(2, int(cpu_seconds / pace))
    request = TrainingRequest(**{**asdict(request), "config": {**request.config, "epochs": epochs}})
    run = services.training.create(request)
    began = time.process_time()
    result = services.training.train(run.id, Silent())
    best = services.runs.get(run.id)["best"]["oracle"]
    return {
        "name": variant, "seed": seed, "cpu_seconds": cpu_seconds, "epochs": epochs,
        "spent": round(time.process_time() - began, 1),
        **{share: best.get(f"entangled/{share}/instance_accuracy") for share in _SHARES},
        **{key: result[key]
           for key in ("test_accuracy", "disambiguation", "approximated_accuracy", "notes")},
    }  # fmt: skip


def speed(services: Services) -> dict[str, Any]:
    """CPU milliseconds of previews, edits a CPU-second, and what reading edits adds to a step."""
    loop = {**_LOOP, "epochs": 1}
    run = services.training.create(TrainingRequest("sample", "proden", config=loop))
    services.training.train(run.id, Silent())
    began = time.process_time()
    request = AugmentRequest("sample", budget={"budget": "entangled", "limit": 2000})
    made = services.augmentation.make(request, Silent())
    pace = made["made"] / (time.process_time() - began)
    rows = services.project.edits.index(made["set"]).row[::100].tolist()
    found = services.augmentation.entanglement("sample").pairs[:20].tolist()
    looks: dict[str, list[PreviewRequest]] = {
        "maps_ms": [PreviewRequest((row,), with_edits=False) for row in rows],
        "maps_and_edits_ms": [PreviewRequest((row,)) for row in rows],
        "pair_ms": [PreviewRequest((a, b)) for a, b in found],
    }
    times = {name: _timed(services.previews.look, requests) for name, requests in looks.items()}
    return {**times, "edits_per_second": round(pace, 1), **_reading(services)}


def _timed(
    look: Callable[[str, PreviewRequest], Any], requests: list[PreviewRequest]
) -> dict[str, float]:
    spent = []
    look("sample", requests[0])  # what only the first one costs
    for request in requests:
        began = time.process_time()  # a busy machine makes no difference
        look("sample", request)
        spent.append(1000 * (time.process_time() - began))
    return {"median": round(median(spent), 1), "longest": round(max(spent), 1)}


def _reading(services: Services) -> dict[str, float]:
    """CPU time of real steps whose class views are stored edits, beside those with maps alone.

    The samples of the steps are those that have edits; `found` is the share of class views that
    were read. `views` is `Cad.edit` as a whole.
    """
    request = TrainingRequest("sample", "cad", config={**_LOOP, "epochs": 4, "hold_out": 0.0})
    run = services.training.create(request)
    stored = services.training._stored_views
    inputs = stored.added(stored.choose(run), services.training._open(run, Silent()))
    plan = services.training._plan(run)
    session = open_session(inputs.data, plan, inputs.outside, None, Silent(), lambda: None)
    cad = session.algorithm.train()
    cad.begin_epoch(plan.config.epochs - 1)
    index = services.project.edits.index(services.edit_sets.all("sample")[0]["id"])
    positions = np.flatnonzero(np.isin(session.fit_rows, index.row))
    edits, edit = cad.edits, cad.edit
    spent = {"maps": [], "edits": []}
    found = []

    def looked_up(rows: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        images, is_there = edits(rows, labels)
        found.append(float(is_there.float().mean()))
        return images, is_there

    def timed(*views: Tensor) -> Tensor:
        began = time.process_time()
        made = edit(*views)
        spent[way].append(time.process_time() - began)
        return made

    cad.edit = timed
    steps = {"maps": [], "edits": []}
    chance = np.random.default_rng(0)
    for number in range(2 * (_STEPS + 1)):
        way = ("maps", "edits")[number % 2]
        cad.edits = None if way == "maps" else looked_up
        some = chance.choice(positions, min(plan.config.batch_size, len(positions)), replace=False)
        (images,) = session.inputs.batches([session.fit_rows[some]])
        began = time.process_time()
        take_step(session, some, images, lambda loss: None)
        steps[way].append(time.process_time() - began)
    # The first of each sets up memory.
    views = {way: 1000 * median(times[1:]) for way, times in spent.items()}
    whole = {way: 1000 * median(times[1:]) for way, times in steps.items()}
    return {
        **{f"views_by_{way}_ms": round(value, 2) for way, value in views.items()},
        **{f"step_by_{way}_ms": round(value, 1) for way, value in whole.items()},
        "found": round(mean(found), 3),
        "added_share": round((views["edits"] - views["maps"]) / whole["maps"], 4),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Mean and spread (standard deviation over seeds) in per cent, as Markdown."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["name"]].append(row)
    lines = [
        "| variant | seeds | epochs | CPU s | edits | s for edits | "
        + " | ".join(_SHOWN.values()) + " |",
        "| --- " * (6 + len(_SHOWN)) + "|",
    ]  # fmt: skip
    for name, own in groups.items():
        cells = [
            name, str(len(own)), str(own[0]["epochs"]), f"{mean(row['spent'] for row in own):.0f}",
            f"{own[0]['edits']:,}", f"{own[0]['edit_seconds']:.0f}",
            *(_cell([row[figure] for row in own]) for figure in _SHOWN),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: list[float | None]) -> str:
    known = [100 * value for value in values if value is not None]
    if not known:
        return "-"
    return f"{mean(known):.1f} ± {stdev(known):.1f}" if len(known) > 1 else f"{known[0]:.1f}"


def _is_there(asked: argparse.Namespace, variant: str, seed: int) -> bool:
    key = {"name": variant, "seed": seed, "cpu_seconds": asked.cpu_seconds}
    return any(all(row[part] == key[part] for part in key) for row in _rows(asked.out))


def _rows(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
