"""What each method learns from the bundled sample in the same CPU time.

python -m tests.benchmarks.learning --cpu-seconds 60
python -m tests.benchmarks.learning --cpu-seconds 0 --methods cad-cam proden --starts propagation
python -m tests.benchmarks.learning --table

A method gets as many epochs as the budget holds, by an estimate measured on this machine, or those
it has by default where the budget is 0; network, views, candidate sets, batch size and step sizes
are the defaults for all. One thread. A file is gone on with: what it holds already is not trained
again.
"""

import argparse
import json
import tempfile
import time
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from cad_studio.services.training import TrainingRequest
from cad_studio.training import estimate

STARTS = ("uniform", "propagation")
ABLATIONS = {"cad-cam without_ca": "without_ca", "cad-cam without_rl": "without_rl"}
_SHOWN = {
    "test_accuracy": "test",
    "0.1": "entangled 0.1 %",
    "0.01": "0.01 %",
    "0.001": "0.001 %",
    "disambiguation": "labels found",
    "approximated_accuracy": "approximated",
}


def main() -> None:
    """Train what is asked for, or print the table of what was trained."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--methods", nargs="*", help="default: all, and the ablations of cad-cam")
    options.add_argument("--starts", nargs="*", choices=STARTS, default=list(STARTS))
    options.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    options.add_argument("--cpu-seconds", type=float, default=60.0)
    options.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".jsonl"))
    options.add_argument("--table", action="store_true", help="print the table and leave")
    asked = options.parse_args()
    if asked.table:
        print(table(_read(asked.out)))
        return
    with tempfile.TemporaryDirectory() as folder:
        services = Services(AppConfig(project=Path(folder)))
        # Seconds of work rather than of the clock: a busy machine gives the same epochs.
        estimate.perf_counter = time.process_time
        services.sample.open(Silent())
        methods = asked.methods or [
            *ABLATIONS,
            *(
                m["name"]
                for m in services.training.offers("sample")["methods"]
                if m["name"] != "cad"
            ),
        ]
        for seed in asked.seeds:
            for name in methods:
                for start in asked.starts if name != "supervised" else asked.starts[:1]:
                    _train(services, asked, name, start, seed)
        services.close()


def _train(services: Services, asked: argparse.Namespace, name: str, start: str, seed: int) -> None:
    key = {"name": name, "start": start, "seed": seed, "cpu_seconds": asked.cpu_seconds}
    if any(all(row[part] == key[part] for part in key) for row in _read(asked.out)):
        return
    settings = {ABLATIONS[name]: True} if name in ABLATIONS else {}
    request = TrainingRequest(
        "sample",
        name.split()[0],
        config={"threads": 1, "device": "cpu", "start": start, "seed": seed},
        settings=settings,
    )
    if asked.cpu_seconds:
        pace = services.training.estimate(request, Silent())["seconds_per_epoch"]
        config = {**request.config, "epochs": max(2, int(asked.cpu_seconds / pace))}
        request = TrainingRequest(**{**asdict(request), "config": config})
    run = services.training.create(request)
    began = time.process_time()
    result = services.training.train(run.id, Silent())
    spent = time.process_time() - began
    best = services.runs.get(run.id)["best"]
    row: dict[str, Any] = {
        **key,
        "epochs": services.runs.get(run.id)["config"]["epochs"],
        "spent": round(spent, 1),
        **{share: best["oracle"].get(f"entangled/{share}/instance_accuracy")
           for share in ("0.1", "0.01", "0.001")},
        **{key: result[key]
           for key in ("test_accuracy", "disambiguation", "approximated_accuracy")},
    }  # fmt: skip
    with asked.out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps(row), flush=True)


def table(rows: list[dict[str, Any]]) -> str:
    """Mean and spread (standard deviation over seeds) in per cent, as Markdown."""
    groups: dict[tuple[float, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["cpu_seconds"], row["start"], row["name"]].append(row)
    lines = [
        "| method | start | seeds | epochs | CPU s | " + " | ".join(_SHOWN.values()) + " |",
        "| --- | --- | --- | --- | --- |" + " --- |" * len(_SHOWN),
    ]
    order = sorted(
        groups, key=lambda key: (*key[:2], -mean(row["test_accuracy"] for row in groups[key]))
    )
    for budget, start, name in order:
        own = groups[budget, start, name]
        cells = [_cell([row[figure] for row in own]) for figure in _SHOWN]
        lines.append(
            f"| {name} | {start} | {len(own)} | {own[0]['epochs']} | "
            f"{mean(row['spent'] for row in own):.0f} | " + " | ".join(cells) + " |"
        )
    return "\n".join(lines)


def _cell(values: list[float | None]) -> str:
    known = [100 * value for value in values if value is not None]
    if not known:
        return "-"
    return f"{mean(known):.1f} ± {stdev(known):.1f}" if len(known) > 1 else f"{known[0]:.1f}"


def _read(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
