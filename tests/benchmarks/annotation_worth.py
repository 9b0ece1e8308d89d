"""What annotation is worth, by queue: gain against actions, and a short training before and after.

    python -m tests.benchmarks.annotation_worth --out worth.jsonl --curve assets/annotation.svg

A simulated annotator answers from the true labels, so every figure is an oracle figure. What the
file holds already is not measured again, so that a run can go on where it was ended.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.services.annotation.simulation import SimulationConfig
from cad_studio.services.container import Services
from tests.benchmarks.worth_curve import drawn

QUEUES = ("entangled", "expected-gain", "least-certain", "random")
BEFORE = "before"


def main() -> None:
    """Measure what is missing, then print the table and draw the curve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("worth.jsonl"), help="JSON lines.")
    parser.add_argument("--actions", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6, help="Of the short training.")
    parser.add_argument("--curve", type=Path, help="Write gain against actions as SVG.")
    given = parser.parse_args()
    known = read(given.out)
    with tempfile.TemporaryDirectory() as folder, given.out.open("a", encoding="utf-8") as out:
        services = Services(AppConfig(Path(folder) / "project"))
        try:
            services.sample.open(Silent())
            for line in measured(services, given, {(one["queue"], one["seed"]) for one in known}):
                known.append(line)
                print(json.dumps(line), file=out, flush=True)
        finally:
            services.close()
    print(table(known))
    if given.curve is not None:
        given.curve.write_text(drawn(mean_curves(known)), encoding="utf-8")


def read(file: Path) -> list[dict[str, Any]]:
    """What was measured before."""
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def measured(
    services: Services, given: argparse.Namespace, known: set[tuple[str, int]]
) -> Iterator[dict[str, Any]]:
    """One line for each seed without annotation, and for each queue and seed."""
    for seed in range(given.seeds):
        for queue in (BEFORE, *QUEUES):
            if (queue, seed) in known:
                continue
            line: dict[str, Any] = {"queue": queue, "seed": seed}
            sets = None
            if queue != BEFORE:
                config = SimulationConfig(queue, given.actions, seed, every=50)
                line, sets = services.simulation.annotated("sample", config)
            trained = services.simulation.train("sample", sets, given.epochs, seed, Silent())
            yield {**line, "epochs": given.epochs, "training": trained}


def mean_curves(lines: list[dict[str, Any]]) -> dict[str, list[tuple[int, float, float, float]]]:
    """Of each queue: actions, and mean, least and largest gain in points over the seeds."""
    found = {}
    for queue in QUEUES:
        own = [line for line in lines if line["queue"] == queue]
        points = []
        for at in range(min(len(line["curve"]) for line in own)):
            gains = [
                100 * (line["curve"][at]["disambiguation"] - line["disambiguation_before"])
                for line in own
            ]
            actions = own[0]["curve"][at]["actions"]
            points.append((actions, statistics.mean(gains), min(gains), max(gains)))
        found[queue] = points
    return found


def table(lines: list[dict[str, Any]]) -> str:
    """Mean and standard deviation over the seeds, in Markdown."""
    rows = [
        "| After | test accuracy | on entangled pairs | labels found |",
        "| --- | --- | --- | --- |",
    ]
    for queue in (BEFORE, *QUEUES):
        own = [line["training"] for line in lines if line["queue"] == queue]
        cells = (
            _spread([100 * one[key] for one in own])
            for key in ("accuracy", "entangled_accuracy", "disambiguation")
        )
        rows.append(f"| {queue} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _spread(values: list[float]) -> str:
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.1f} ± {spread:.1f}"


if __name__ == "__main__":
    main()
