"""Speed and learning on a GPU, in one command of at most nine minutes on a bare machine.

    python -m tests.benchmarks.gpu --data FOLDER [--out gpu.jsonl] [--seconds 520]

`--data` is a folder with the four IDX files of Fashion-MNIST, or with `train.parquet` and
`test.parquet` of CIFAR-10. Needed are torch, torchvision, numpy, scipy, safetensors, psutil and
Pillow; for Parquet pyarrow. Nothing is fetched, and neither database nor window is touched: runs
are trained as `run train` does. Every result is a line of JSON as soon as it exists, on standard
output and in `--out`; what that file holds already is not done again, and what there was no time
for is said in a line of its own.

Parts, in this order: `speed` (samples/s of PRODEN, CA and CAD-CAM with all class views, of a
plainly written CAD step and of that with a per-image loader, and the share of the time in which no
kernel runs), `learning` (one set of candidates, equal epochs, uniform start), `compiled` (speed
with a compiled network; compiling takes a minute each, so it comes last). `contrast` is asked for
by name: CAD-CAM with and without contrast, for CIFAR-10. CUDA graphs are not measured: the studio
has none.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from cad_studio.algorithms._base import ALGORITHMS
from cad_studio.algorithms._cad_paper import PAPER
from cad_studio.core.errors import CadStudioError, JobCancelled
from cad_studio.core.settings import settings_from_json
from cad_studio.training.data import TrainingData
from cad_studio.training.environment import describe_environment, engine_digest
from cad_studio.training.plan import Plan
from cad_studio.training.settings import TrainConfig
from cad_studio.training.trainer import Trainer
from tests.benchmarks.gpu_data import find_sets, make_data, read_images
from tests.benchmarks.gpu_speed import Speed, measure

PARTS = ("speed", "learning", "compiled", "contrast")
DEFAULT_PARTS = PARTS[:3]
ALL_VIEWS = {"max_class_views": 0, "class_view_share": 1.0}
_SPEED_SHARE, _LEARNING_SHARE = 0.25, 0.8
"""Of all the time: by when the part has to be over, if others follow it."""
_LEAST_SECONDS = {"speed": 3.0, "compiled": 90.0, "learning": 10.0, "contrast": 10.0}


@dataclass(frozen=True)
class Case:
    """A run that is trained.

    Attributes:
        name: What it is called.
        method: A registered method.
        changes: Settings of the loop or the method, as `--set` takes them: name to value.
        warm: Whether the uniform start is held for a while.
        sets: Whether it has the set model and averaged confidence.
    """

    name: str
    method: str
    changes: dict[str, Any]
    warm: bool = True
    sets: bool = False


LEARNING = (
    Case("PRODEN", "proden", {}, warm=False),
    Case("PRODEN, warmed", "proden", {}),
    Case("CA, warmed", "cad-cam", {"without_rl": True}),
    Case("CA, warmed, set model", "cad-cam", {"without_rl": True}, sets=True),
    Case("CA, authors' teacher", "cad-cam", {**PAPER, "without_rl": True}, warm=False),
    Case("DIRK-REF", "dirk-ref", {}, warm=False),
    Case("CAD-CAM, all views", "cad-cam", ALL_VIEWS, sets=True),
)
CONTRAST = (
    Case("CAD-CAM without contrast", "cad-cam", {"without_rl": True}, sets=True),
    Case("CAD-CAM with contrast", "cad-cam", ALL_VIEWS, sets=True),
)
SPEEDS = {
    "PRODEN": Speed("proden", 0),
    "CA": Speed("cad-cam", 0, settings=(("without_rl", True),)),
    "CAD-CAM, all views": Speed("cad-cam", 0, settings=tuple(ALL_VIEWS.items())),
    "plain step": Speed("plain step", 0),
    "plain step with a loader": Speed("plain step with a loader", 0),
}


class Lines:
    """Results, each a line of JSON as soon as it exists; those of an earlier call are known."""

    def __init__(self, file: Path | None) -> None:
        """Add to a file, too."""
        self._file, self._lock = file, threading.Lock()
        self.done: set[tuple[str, str]] = set()
        if file is not None and file.is_file():
            for line in file.read_text(encoding="utf-8").splitlines():
                known = json.loads(line)
                if known.get("is_final"):
                    self.done.add((known["part"], known["key"]))

    def add(self, part: str, key: str, is_final: bool = False, **values: Any) -> None:
        """Print a result; a final one is not asked for again."""
        line = json.dumps({"part": part, "key": key, "is_final": is_final, **values})
        with self._lock:
            print(line, flush=True)
            if self._file is not None:
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(line + "\n")


class Until:
    """Progress that stops a run when the time is up."""

    def __init__(self, deadline: float) -> None:
        """Stop at a moment of `time.monotonic`."""
        self._deadline = deadline

    def report(self, fraction: float, message: str) -> None:
        """Stop when it is time."""
        if time.monotonic() > self._deadline:
            raise JobCancelled


def main(arguments: list[str] | None = None) -> None:
    """Measure what there is time for."""
    begun = time.monotonic()
    given = sys.argv[1:] if arguments is None else arguments
    asked = _options().parse_args(given)
    lines, end = Lines(asked.out), begun + asked.seconds
    images, labels, n_train = read_images(asked.data, asked.n_train, asked.n_test)
    sets_folder, epochs = asked.sets_folder or asked.data, asked.annotator_epochs
    try:
        candidates, about = find_sets(
            sets_folder, images, labels, n_train, epochs, asked.seed, asked.device, Until(end)
        )
    except JobCancelled:
        lines.add("machine", "sets", left_out="no time was left to make the candidate sets")
        return
    data = make_data(images, labels, n_train, candidates)
    if asked.only is not None:
        case = next(case for case in (*LEARNING, *CONTRAST) if case.name == asked.only)
        _learn(asked, case, asked.parts[0], data, lines, end)
        return
    machine = {**describe_environment(), "engine": engine_digest()}
    lines.add("machine", "machine", **machine, n_train=n_train, sets=about)
    for part in asked.parts:
        share = {"speed": _SPEED_SHARE, "learning": _LEARNING_SHARE}.get(part, 1.0)
        is_last = part == asked.parts[-1]
        part_end = end if is_last else begun + share * asked.seconds
        if part in ("speed", "compiled"):
            _speeds(asked, part, data, lines, part_end)
        else:
            _learning(asked, given, part, data, lines, part_end)
    lines.add("machine", "end", seconds=round(time.monotonic() - begun, 1))


def _speeds(
    asked: argparse.Namespace, part: str, data: TrainingData, lines: Lines, end: float
) -> None:
    for key, name, case in _speed_cases(asked, part):
        if (part, key) in lines.done:
            continue
        if time.monotonic() + _LEAST_SECONDS[part] * asked.patience > end:
            lines.add(part, key, left_out="no time was left")
            continue
        try:
            found = measure(
                case, name, data, asked.backbone, asked.device, asked.speed_seconds, asked.workers
            )
        except (CadStudioError, RuntimeError) as error:
            lines.add(part, key, left_out=f"{type(error).__name__}: {str(error)[:300]}")
            continue
        lines.add(part, key, is_final=True, **found)


def _speed_cases(asked: argparse.Namespace, part: str) -> Iterator[tuple[str, str, Speed]]:
    """The most wanted first: large batches in bf16."""
    for size in sorted(asked.batches, reverse=True):
        for precision in asked.precisions:
            for name, case in SPEEDS.items():
                is_plain = case.method.startswith("plain")
                if is_plain and (precision == "bf16" or part == "compiled"):
                    continue
                made = Speed(case.method, size, precision, part == "compiled", case.settings)
                yield f"{name}, batch {size}, {precision}", name, made


def _learning(
    asked: argparse.Namespace,
    given: list[str],
    part: str,
    data: TrainingData,
    lines: Lines,
    part_end: float,
) -> None:
    """Train the runs of a part, several at once where that was asked for."""
    cases = [
        case
        for case in (LEARNING if part == "learning" else CONTRAST)
        if (not asked.runs or case.name in asked.runs) and (part, case.name) not in lines.done
    ]

    def one(case: Case) -> None:
        if time.monotonic() + _LEAST_SECONDS[part] * asked.patience > part_end:
            lines.add(part, case.name, left_out="no time was left")
        elif asked.together == 1:
            _learn(asked, case, part, data, lines, part_end)
        else:
            _learn_beside(given, case, part, lines, part_end)

    with ThreadPoolExecutor(asked.together) as pool:
        list(pool.map(one, cases))


def _learn_beside(given: list[str], case: Case, part: str, lines: Lines, end: float) -> None:
    """Train a run in a process of its own, and pass its lines on."""
    command = [sys.executable, "-m", "tests.benchmarks.gpu", *given]
    command += ["--only", case.name, "--parts", part, "--out", ""]
    command += ["--seconds", str(max(1.0, end - time.monotonic()))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            values = json.loads(line)
            lines.add(values.pop("part"), values.pop("key"), values.pop("is_final"), **values)
    if process.returncode:
        lines.add(part, case.name, left_out=f"its process ended with {process.returncode}")


def _learn(
    asked: argparse.Namespace, case: Case, part: str, data: TrainingData, lines: Lines, end: float
) -> None:
    """Train a run; its figures are told epoch by epoch, and all of them at the end."""
    try:
        plan = _plan(asked, case)
    except CadStudioError as error:
        lines.add(part, case.name, left_out=str(error))
        return
    curve: list[dict[str, Any]] = []

    def on_epoch(report: Any, _is_best: bool) -> None:
        curve.append(
            {
                "epoch": report.epoch,
                "test": report.oracle.get("test_accuracy"),
                "labels": report.oracle.get("disambiguation"),
                "approximated": report.held_out["approximated_accuracy"],
                "samples_per_second": round(report.samples_per_second),
            }
        )
        lines.add(part, case.name, **curve[-1])

    cut = None
    with tempfile.TemporaryDirectory() as folder:
        try:
            Trainer(data, plan, Path(folder)).fit(Until(end), on_epoch)
        except JobCancelled:
            cut = f"no time was left after {len(curve)} of {plan.config.epochs} epochs"
        except (CadStudioError, RuntimeError) as error:
            cut = f"{type(error).__name__}: {str(error)[:300]}"
    if cut is not None:
        lines.add(part, case.name, left_out=cut)
        return
    tests = [each["test"] for each in curve]
    lines.add(
        part, case.name, is_final=True, epochs=len(curve), test=tests[-1], highest_test=max(tests),
        labels=curve[-1]["labels"], approximated=curve[-1]["approximated"],
        config=_differing(plan.config), settings=_differing(plan.settings),
        samples_per_second=curve[-1]["samples_per_second"],
    )  # fmt: skip


def _plan(asked: argparse.Namespace, case: Case) -> Plan:
    """A run with the settings that are meant for it.

    Raises:
        SettingError: A setting is not known to this version, or out of range.
    """
    changes = {
        "epochs": asked.epochs, "batch_size": asked.batch_size, "seed": asked.seed,
        "learning_rate": asked.learning_rate, "start": "uniform", "device": asked.device,
        "snapshots": 1, "checkpoint_epochs": asked.epochs,
        "uniform_epochs": "10%" if case.warm else "0",
        "set_model": 1.0 if case.sets else 0.0,
        "confidence_momentum": 0.9 if case.sets else 0.0,
        **case.changes,
    }  # fmt: skip
    changes.update(_pair(pair) for pair in asked.changes)
    loop = {field.name for field in fields(TrainConfig)}
    member = ALGORITHMS.get(case.method)
    return Plan(
        case.method,
        asked.backbone,
        settings_from_json(TrainConfig, {k: v for k, v in changes.items() if k in loop}),
        settings_from_json(member.config_type, {k: v for k, v in changes.items() if k not in loop}),
    )


def _pair(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _differing(settings: Any) -> dict[str, Any]:
    """The fields that differ from their defaults."""
    plain = type(settings)()
    return {
        field.name: getattr(settings, field.name)
        for field in fields(settings)
        if getattr(settings, field.name) != getattr(plain, field.name)
    }


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of the published files")
    add("--sets-folder", type=Path, help="folder of the candidate sets; default: beside the data")
    add("--out", type=lambda text: Path(text) if text else None, help="file to add results to")
    add("--seconds", type=float, default=520.0, help="for everything")
    add("--parts", nargs="+", choices=PARTS, default=list(DEFAULT_PARTS))
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--backbone", default="resnet18")
    add("--batches", type=int, nargs="+", default=[64, 256], help="batch sizes of the speeds")
    add("--precisions", nargs="+", choices=["bf16", "float32"], default=["bf16", "float32"])
    add("--speed-seconds", type=float, default=1.5, help="for each speed, once warm")
    add("--workers", type=int, default=8, help="processes of the plain loader")
    add("--patience", type=float, default=1.0, help="factor on the time kept free for a result")
    add("--runs", nargs="*", help="only these of the runs, by name")
    add("--together", type=int, default=1, help="runs that are trained at the same time")
    add("--only", help=argparse.SUPPRESS)
    add("--epochs", type=int, default=30)
    add("--batch-size", type=int, default=256, help="of the runs")
    add("--learning-rate", type=float, default=0.1, help="of the runs")
    add("--seed", type=int, default=0)
    add("--annotator-epochs", type=int, default=30)
    add("--n-train", type=int, help="only the first so many training samples")
    add("--n-test", type=int, help="only the first so many test samples")
    add("--set", dest="changes", action="append", default=[], help="name=value, for all runs")
    return parser


if __name__ == "__main__":
    main()
