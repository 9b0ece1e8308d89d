"""What each method learns, at equal epochs or in equal CPU time, over seeds.

python -m tests.benchmarks.learning --epochs 10
python -m tests.benchmarks.learning --cpu-seconds 60 --configurations proden cad-cam --seeds 0 1
python -m tests.benchmarks.learning --epochs 10 --cifar FOLDER --sets cifar
python -m tests.benchmarks.lite_features --cifar FOLDER --out FILE
python -m tests.benchmarks.learning --epochs 20 --cifar FOLDER --sets cifar --frozen FILE
python -m tests.benchmarks.learning --table

A configuration is a method with what it changes of the defaults, so that every decision of ours
stands beside what it replaces. Network, views, batch size, step sizes, warm-up, set model, averaged
confidence and judged average are the defaults for all that do not name them. One thread. With
`--cpu-seconds` a configuration gets as many epochs as the budget holds, by an estimate measured on
this machine. A file is gone on with: what it holds already is not trained again, so several
processes may share the work by seeds. With `--frozen` only heads on the features of a file are
trained, which `lite_features` makes; some of them after answers of a simulated annotator, who knows
the true labels of the samples it is asked about.
"""

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from statistics import mean, stdev
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from cad_studio.algorithms._base import ALGORITHMS
from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions
from cad_studio.services.annotation.simulation import SimulationConfig
from cad_studio.services.container import Services
from cad_studio.services.datasets.synthesis import SynthesisConfig
from cad_studio.services.training.run_figures import figures_of
from cad_studio.services.training.training import TrainingRequest
from cad_studio.training import estimate

STARTS = ("uniform", "propagation")
BUNDLED = ("sample", "sample-hard")
CIFAR = "cifar"
_CIFAR_TRAIN, _CIFAR_TEST = 10_000, 2_000


class Configuration(NamedTuple):
    """A method with what it changes of the defaults of loop and method, and its backbone.

    Attributes:
        answers: Samples that are decided before, in the order `expected-gain`.
    """

    method: str
    config: Mapping[str, Any] = MappingProxyType({})
    settings: Mapping[str, Any] = MappingProxyType({})
    backbone: str = ""
    answers: int = 0


_NO_SETS = {"set_model": 0.0, "confidence_momentum": 0.0}
_AS_PUBLISHED = {**_NO_SETS, "uniform_epochs": "0"}
_AUTHORS_TEACHER = {"teacher_start": "random", "teacher_mode": "train", "anchor": 0.0}
_CA = {"without_rl": True}
_HEAD = "features:hog"
_FROZEN = "features:npy:"
_ANSWERS = 500

CONFIGURATIONS = {
    **{name: Configuration(name) for name in ALGORITHMS.names() if name != "cad"},
    "ca": Configuration("cad-cam", settings=_CA),
    "cad-cam without_ca": Configuration("cad-cam", settings={"without_ca": True}),
    "proden as published": Configuration("proden", _AS_PUBLISHED),
    "proden warmed": Configuration("proden", _NO_SETS),
    "proden averaged": Configuration("proden", {"set_model": 0.0}),
    "ca as published": Configuration("cad-cam", _AS_PUBLISHED, {**_CA, **_AUTHORS_TEACHER}),
    "ca warmed": Configuration("cad-cam", _NO_SETS, _CA),
    "ca averaged": Configuration("cad-cam", {"set_model": 0.0}, _CA),
    "cad-cam warmed": Configuration("cad-cam", _NO_SETS),
    **{f"head {name}": Configuration(name, backbone=_HEAD)
       for name in ("cad-cam", "proden", "cc", "supervised")},
    "head proden without set model": Configuration("proden", _NO_SETS, backbone=_HEAD),
    "head cad-cam without set model": Configuration("cad-cam", _NO_SETS, backbone=_HEAD),
    "head cad-cam teacher .99": Configuration("cad-cam", {}, {"momentum": 0.99}, _HEAD),
    "head cad-cam teacher 0": Configuration("cad-cam", {}, {"momentum": 0.0}, _HEAD),
    "linear cad-cam": Configuration("cad-cam", backbone="features-linear:hog"),
    "linear proden": Configuration("proden", backbone="features-linear:hog"),
    **{f"frozen {name}": Configuration(name, backbone=_FROZEN)
       for name in ("cad-cam", "proden", "cc", "lws", "cavl", "abs-gce", "supervised")},
    "frozen proden without set model": Configuration("proden", _NO_SETS, backbone=_FROZEN),
    "frozen cad-cam without set model": Configuration("cad-cam", _NO_SETS, backbone=_FROZEN),
    **{f"frozen {name} after {_ANSWERS} answers":
       Configuration(name, backbone=_FROZEN, answers=_ANSWERS)
       for name in ("cad-cam", "proden", "lws")},
}  # fmt: skip
FIGURES = {
    "test_accuracy": "test",
    "0.1": "entangled 0.1 %",
    "0.01": "0.01 %",
    "0.001": "0.001 %",
    "disambiguation": "labels recovered",
    "centre_distance": "class centres",
    "approximated_accuracy": "approximated",
    "mean_confidence": "confidence",
    "set_likelihood": "set likelihood",
    "epochs_in_force": "in force",
}
_IN_PER_CENT = {"test_accuracy", "0.1", "0.01", "0.001", "disambiguation", "approximated_accuracy"}


def main() -> None:
    """Train what is asked for, or print the tables of what was trained."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--configurations", nargs="*", choices=CONFIGURATIONS)
    options.add_argument("--sets", nargs="*", choices=(*BUNDLED, CIFAR), default=list(BUNDLED))
    options.add_argument("--starts", nargs="*", choices=STARTS, default=list(STARTS))
    options.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    options.add_argument("--epochs", type=int, default=10, help="equal epochs; or")
    options.add_argument("--cpu-seconds", type=float, default=0.0, help="equal CPU time")
    options.add_argument("--cifar", type=Path, help="folder with CIFAR-10 as Parquet")
    options.add_argument("--frozen", type=Path, help="features of the CIFAR-10 images, .npy")
    options.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".jsonl"))
    options.add_argument("--table", action="store_true", help="print the tables and leave")
    asked = options.parse_args()
    if asked.table:
        print(tables(read_rows(asked.out)))
        return
    with tempfile.TemporaryDirectory() as folder:
        services = Services(AppConfig(project=Path(folder)))
        # Seconds of work rather than of the clock: a busy machine gives the same epochs.
        estimate.perf_counter = time.process_time
        services.sample.open(Silent())
        if CIFAR in asked.sets:
            _import_cifar(services, asked.cifar, Path(folder))
        for seed in asked.seeds:
            for name in asked.configurations or CONFIGURATIONS:
                if (CONFIGURATIONS[name].backbone == _FROZEN) != bool(asked.frozen):
                    continue
                for dataset in asked.sets:
                    for start in (
                        asked.starts if not name.endswith("supervised") else asked.starts[:1]
                    ):
                        _train(services, asked, dataset, name, start, seed)
        services.close()


def _train(
    services: Services, asked: argparse.Namespace, dataset: str, name: str, start: str, seed: int
) -> None:
    budget = {"cpu_seconds": asked.cpu_seconds} if asked.cpu_seconds else {"epochs": asked.epochs}
    key = {"set": dataset, "name": name, "start": start, "seed": seed, "budget": budget}
    if any(all(row[part] == key[part] for part in key) for row in read_rows(asked.out)):
        return
    chosen = CONFIGURATIONS[name]
    answering = time.process_time()
    if chosen.answers:
        dataset = _answered(services, asked.frozen, dataset, chosen.answers, seed)
    answering = time.process_time() - answering
    config = {"threads": 1, "device": "cpu", "start": start, "seed": seed, **chosen.config}
    request = TrainingRequest(
        dataset,
        chosen.method,
        f"{_FROZEN}{asked.frozen}" if asked.frozen else chosen.backbone,
        config={**config, "epochs": asked.epochs},
        settings=dict(chosen.settings),
    )
    if asked.cpu_seconds:
        pace = services.training.estimate(request, Silent())["seconds_per_epoch"]
        config["epochs"] = max(2, int(asked.cpu_seconds / pace))
        request = TrainingRequest(**{**asdict(request), "config": config})
    run = services.training.create(request)
    began = time.process_time()
    result = services.training.train(run.id, Silent())
    spent = answering + time.process_time() - began
    told = services.runs.get(run.id)
    diagnosed = figures_of(services.diagnosis.predictions.prepare(run.id, Silent()), "test")
    row: dict[str, Any] = {
        **key,
        "epochs": told["config"]["epochs"],
        "spent": round(spent, 1),
        **{share: told["best"]["oracle"].get(f"entangled/{share}/instance_accuracy")
           for share in ("0.1", "0.01", "0.001")},
        **{figure: result[figure] for figure in FIGURES if figure in result},
        "centre_distance": diagnosed["centre_distance"],
    }  # fmt: skip
    if chosen.answers:
        services.datasets.remove(dataset)
    with asked.out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps(row), flush=True)


def _import_cifar(services: Services, source: Path, folder: Path) -> None:
    """10,000 training and 2,000 test images, the same ones always, with sets made of them."""
    file = folder / "cifar.npz"
    np.savez(file, **cifar(source))
    services.importing.import_source(str(file), CIFAR, ReadOptions(format="npz"), False, Silent())
    services.synthesis.synthesize(CIFAR, SynthesisConfig(rate=1.0, seed=0), Silent())


def _answered(services: Services, features: Path, name: str, count: int, seed: int) -> str:
    """A dataset of the same images and the sets that came of a simulated annotator's answers."""
    config = SimulationConfig("expected-gain", count, seed, features=f"npy:{features}")
    _, sets = services.simulation.annotated(name, config, Silent())
    file, answered = str(services.project.folder / "cifar.npz"), f"{name} answered"
    services.importing.import_source(file, answered, ReadOptions(format="npz"), False, Silent())
    blob = services.project.blobs.save_array(sets.packed)
    services.project.datasets.add_version(answered, blob, "simulation", {})
    return answered


def cifar(source: Path) -> dict[str, np.ndarray]:
    """`images` uint8 (12000, 32, 32, 3), `labels` int64 and `split` of each, from Parquet files."""
    import pyarrow.parquet as parquet

    parts, chance = {"images": [], "labels": [], "split": []}, np.random.default_rng(0)
    for split, count in (("train", _CIFAR_TRAIN), ("test", _CIFAR_TEST)):
        table = parquet.read_table(source / f"{split}.parquet")
        rows = np.sort(chance.choice(len(table), count, replace=False))
        taken = table.take(rows).to_pylist()
        parts["images"] += [_decoded(each["image"]["bytes"]) for each in taken]
        parts["labels"] += [each["label"] for each in taken]
        parts["split"] += [split] * count
    return {name: np.array(values) for name, values in parts.items()}


def _decoded(encoded: bytes) -> np.ndarray:
    from io import BytesIO

    return np.asarray(Image.open(BytesIO(encoded)).convert("RGB"))


def tables(rows: list[dict[str, Any]]) -> str:
    """A table for each set, start and budget, as Markdown.

    Mean and standard deviation over seeds; the last column is the paired difference in test
    accuracy to `proden` (of heads, to PRODEN's head) under equal seeds, with its standard error.
    """
    groups: dict[tuple[str, str, str], dict[str, list[dict[str, Any]]]] = {}
    for row in rows:
        budget = ", ".join(f"{value:g} {name}" for name, value in row["budget"].items())
        by_name = groups.setdefault((row["set"], row["start"], budget), defaultdict(list))
        by_name[row["name"]].append(row)
    lines = []
    for (dataset, start, budget), by_name in sorted(groups.items()):
        lines += ["", f"**{dataset}, {start} start, {budget.replace('_', ' ')}**", ""]
        lines.append(
            "| configuration | seeds | epochs | CPU s | "
            + " | ".join(FIGURES.values())
            + " | worst seed | over proden |"
        )
        lines.append("| --- " * (len(FIGURES) + 6) + "|")
        order = sorted(by_name, key=lambda name: -_mean(by_name[name], "test_accuracy"))
        for name in order:
            own = by_name[name]
            cells = [_cell(own, figure) for figure in FIGURES]
            worst = 100 * min(row["test_accuracy"] for row in own)
            lines.append(
                f"| {name} | {len(own)} | {own[0]['epochs']} | {_mean(own, 'spent'):.0f} | "
                + " | ".join(cells)
                + f" | {worst:.1f} | {_paired(own, by_name.get(_rival(name), []))} |"
            )
    return "\n".join([*lines, "", ranking(rows)])


def ranking(rows: list[dict[str, Any]]) -> str:
    """Spearman's rank correlation of what needs no true label with test accuracy, over all runs."""
    from scipy.stats import spearmanr

    lines = ["Rank correlation with test accuracy, over all runs but the supervised:", ""]
    for dataset in sorted({row["set"] for row in rows}):
        own = [
            row for row in rows if row["set"] == dataset and not row["name"].endswith("supervised")
        ]
        told = []
        for figure in ("set_likelihood", "approximated_accuracy", "mean_confidence"):
            known = [row for row in own if row[figure] is not None]
            if len(known) > 2:
                tested = [row["test_accuracy"] for row in known]
                value = spearmanr([row[figure] for row in known], tested).statistic
                told.append(f"{FIGURES[figure]} {value:.2f} ({len(known)} runs)")
        lines.append(f"- {dataset}: {', '.join(told)}")
    return "\n".join(lines)


def _mean(rows: list[dict[str, Any]], figure: str) -> float:
    return mean(row[figure] for row in rows)


def _cell(rows: list[dict[str, Any]], figure: str) -> str:
    factor, digits = (100, 1) if figure in _IN_PER_CENT else (1, 2)
    known = [factor * row[figure] for row in rows if row[figure] is not None]
    if not known:
        return "-"
    spread = f" ± {stdev(known):.{digits}f}" if len(known) > 1 and figure in _IN_PER_CENT else ""
    return f"{mean(known):.{digits}f}{spread}"


def _rival(name: str) -> str:
    """PRODEN on the same kind of network."""
    kind = name.split()[0]
    return f"{kind} proden" if kind in ("head", "linear", "frozen") else "proden"


def _paired(rows: list[dict[str, Any]], others: list[dict[str, Any]]) -> str:
    by_seed = {row["seed"]: row["test_accuracy"] for row in others}
    apart = [
        100 * (row["test_accuracy"] - by_seed[row["seed"]])
        for row in rows
        if row["seed"] in by_seed
    ]
    if not apart or rows is others:
        return "-"
    error = f" ± {stdev(apart) / len(apart) ** 0.5:.1f}" if len(apart) > 1 else ""
    return f"{mean(apart):+.1f}{error}"


def read_rows(file: Path) -> list[dict[str, Any]]:
    """The runs a file holds, one a line."""
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
