"""Fourth entry point: train a packed run, with nothing but the packages of the engine.

    python -m cad_studio run train FILE [--out FOLDER] [--device cuda]

No project, no window, no database: what the run needs is in the file. It is stopped by Ctrl-C or by
SIGTERM, as a batch system sends it, and goes on where it was when it is started again.
"""

import argparse
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cad_studio.config import prepare
from cad_studio.core.archive import Archive
from cad_studio.core.dataset import PixelSource
from cad_studio.core.errors import CadStudioError, JobCancelled, SettingError, closest
from cad_studio.core.progress import Part
from cad_studio.jobs.memory import shortage
from cad_studio.training.settings import TrainConfig

if TYPE_CHECKING:
    from cad_studio.training.processes import Processes

PACK_SUFFIX, RESULT_SUFFIX = ".run.zip", ".result.zip"
_CHECKED, _SHOWN_EVERY = 0.02, 0.2


def main(arguments: Sequence[str]) -> int:
    """Train a packed run to its end.

    Args:
        arguments: What follows `run train`.

    Returns:
        Exit status: 0 when it worked, 2 for what the user can mend, 130 when it was stopped.
    """
    prepare(os.environ)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    options = _parser().parse_args(arguments)
    told = Told(options.json)
    try:
        with told.stoppable():
            result = train(options.file, options.out, _changes(options), told)
    except CadStudioError as error:
        return told.end(str(error), 2)
    except (JobCancelled, KeyboardInterrupt):
        return told.end("Stopped. Run the same command again to go on.", 130)
    except OSError as error:
        return told.end(f"The files of the run cannot be read or written: {error}.", 2)
    except (RuntimeError, MemoryError) as error:
        words = shortage(error)
        if words is None:
            raise
        return told.end(words, 2)
    if result is not None:
        told.result(result)
    return 0


class Told:
    """Progress in a terminal or in the log of a batch system; asked to stop, it says so."""

    def __init__(self, is_json: bool = False) -> None:
        """Print figures of epochs as they come, unless one JSON document is wanted."""
        self._is_json = is_json
        self._shown_at = 0.0
        self._is_stopping = False

    def report(self, fraction: float, message: str) -> None:
        """Show how far it is, where somebody looks at it.

        Raises:
            JobCancelled: A signal asked to stop.
        """
        if self._is_stopping:
            raise JobCancelled
        if sys.stderr.isatty() and time.monotonic() - self._shown_at > _SHOWN_EVERY:
            self._shown_at = time.monotonic()
            print(f"\r\033[K{fraction:4.0%}  {message}", end="", file=sys.stderr, flush=True)

    def epoch(self, report: dict[str, Any], n_epochs: int) -> None:
        """Print a line for a finished epoch."""
        if self._is_json:
            return
        self._clear()
        figures = [f"loss {report['losses']['loss']:.4f}"]
        if report["approximated_accuracy"] is not None:
            figures.append(f"approximated accuracy {report['approximated_accuracy']:.1%}")
        if report["mean_confidence"] is not None:
            figures.append(f"mean confidence {report['mean_confidence']:.2f}")
        if "test_accuracy" in report["oracle"]:
            figures.append(
                f"test accuracy (uses true labels) {report['oracle']['test_accuracy']:.1%}"
            )
        figures.append(f"{report['samples_per_second']:,.0f} samples/s")
        print(f"Epoch {report['epoch'] + 1} of {n_epochs}: {', '.join(figures)}", flush=True)

    def result(self, result: dict[str, Any]) -> None:
        """Print what came of it."""
        self._clear()
        if self._is_json:
            print(json.dumps(result, ensure_ascii=False, indent=2))
            return
        print(
            f"{result['name']}: {result['epochs']} epochs in {result['seconds']:.0f} s. "
            f"Result: {result['out']}, {result['bytes'] / 1e6:.1f} MB.\n"
            f"Where it was packed: python -m cad_studio run take {Path(result['out']).name}"
        )
        for note in result["notes"]:
            print(note)

    def end(self, words: str, status: int) -> int:
        """Print why it ended; returns the exit status."""
        self._clear()
        print(words, file=sys.stderr)
        return status

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM stop at the next step, with a checkpoint; a second one at once."""

        def stop(_number: int, _frame: object) -> None:
            if self._is_stopping:
                raise KeyboardInterrupt
            self._is_stopping = True

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _clear(self) -> None:
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def train(
    file: Path,
    out: Path | None,
    changes: dict[str, Any],
    told: Told,
    processes: "Processes | None" = None,
) -> dict[str, Any] | None:
    """Train a packed run to its end, or go on with it, and write its result file.

    Args:
        file: The packed run.
        out: Folder for its checkpoints and its result; None takes one beside the file.
        changes: Fields of the loop that this machine decides.
        told: Told how far it is.
        processes: This one among others that were met already; None asks the environment.

    Returns:
        `name`, `out`, `bytes`, `epochs`, `seconds`, `best_epoch`, `approximated_accuracy`,
        `test_accuracy`, `resumed` (epoch and step, or None); None in all but the main one of
        several processes.

    Raises:
        CadStudioError: It cannot be trained, with the reason.
        JobCancelled: It was stopped; a checkpoint was saved.
    """
    from cad_studio.training.pack import check_pack, open_pack
    from cad_studio.training.processes import ALONE, is_launched, join_processes
    from cad_studio.training.result import Reports, write_result
    from cad_studio.training.trainer import Trainer

    archive = Archive(file)
    check_pack(archive)
    archive.verify(Part(told, 0.0, _CHECKED))
    packed = open_pack(archive, _images(archive), changes)
    name = file.name.removesuffix(PACK_SUFFIX).removesuffix(".zip")
    folder = file.parent / name if out is None else out
    if processes is None:
        device = packed.plan.config.device
        processes = join_processes(device) if is_launched(os.environ) else ALONE
    reports: list[Reports] = []

    def fit() -> Any:
        trainer = Trainer(packed.data, packed.plan, folder, _outside(packed), processes)
        n_epochs = packed.plan.config.epochs

        def on_epoch(report: Any, _is_best: bool) -> None:
            reports[0].add(report)
            told.epoch(reports[0].all[report.epoch], n_epochs)

        return trainer.fit(Part(told, _CHECKED, 1.0), on_epoch)

    if not processes.is_main:
        fit()
        processes.leave()
        return None
    with _held(folder):
        reports.append(Reports(folder, archive.id))
        if reports[0].is_new:
            reports[0].save()
        fitted = fit()
        target = folder / f"{name}{RESULT_SUFFIX}"
        write_result(target, folder, archive, reports[0], fitted, changes, processes.count)
    processes.leave()
    last = reports[0].all[fitted.last.epoch]
    best = reports[0].all[fitted.best.epoch]
    return {
        "name": archive.about.get("name", name),
        "out": str(target),
        "bytes": target.stat().st_size,
        "epochs": last["epoch"] + 1,
        "seconds": last["seconds"],
        "best_epoch": best["epoch"],
        "approximated_accuracy": best["approximated_accuracy"],
        "mean_confidence": best["mean_confidence"],
        "epochs_in_force": last["epochs_in_force"],
        "test_accuracy": best["oracle"].get("test_accuracy"),
        "notes": fitted.words,
        "resumed": fitted.resumed,
    }


def _outside(packed: Any) -> Any:
    """What the run is given from outside; FAISS is not needed, the result is the same."""
    from cad_studio.mining.neighbours import exact_neighbours
    from cad_studio.mining.spreading import refreshing

    if packed.graph is None:
        return packed.outside
    candidates, balance = packed.data.candidates, packed.plan.config.class_balance
    refresh = refreshing(packed.graph, candidates, balance, exact_neighbours)
    return replace(packed.outside, refresh=refresh)


def _images(archive: Archive) -> PixelSource | None:
    """The packed images as a run reads them; None for vectors."""
    from cad_studio.datasets.decoding import decode
    from cad_studio.store.pixels import EncodedPixels, MappedPixels

    names = archive.names()
    if "pixels.npy" in names:
        return MappedPixels(archive.array("pixels.npy"))
    if "encoded.npy" in names:
        offsets = archive.array("offsets.npy")
        rows = [f"row {row}" for row in range(len(offsets) - 1)]
        return EncodedPixels(archive.array("encoded.npy"), offsets, rows, decode)
    return None


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Nobody else trains in the folder meanwhile; the system lets go of it when we end.

    Raises:
        SettingError: Somebody does already, or the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("a+b")
    except OSError as error:
        raise SettingError(
            f"{folder} cannot be written to: {error.strerror}. Choose another with --out."
        ) from error
    with lock:
        try:
            _locker()(lock.fileno())
        except OSError as error:
            raise SettingError(
                f"Another process is training in {folder}. Wait for it, or choose another folder "
                "with --out."
            ) from error
        yield


def _locker() -> Callable[[int], object]:
    if os.name == "nt":
        import msvcrt

        return lambda descriptor: msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    import fcntl

    return lambda descriptor: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cad_studio run train",
        description="Train a packed run to its end, or go on with it, and write its result file.",
    )
    parser.add_argument("file", type=Path, help="What `run pack` wrote.")
    parser.add_argument(
        "--out", type=Path, help="Folder for checkpoints and result; default: beside the file."
    )
    parser.add_argument("--device", help="auto, cpu, cuda, mps, or one such as cuda:1.")
    parser.add_argument(
        "--set",
        dest="changes",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="A setting of this machine, e.g. threads=8; may be given again.",
    )
    parser.add_argument("--json", action="store_true", help="Print exactly one JSON document.")
    return parser


def _changes(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of the loop that this machine decides.

    Raises:
        SettingError: One is not written as name=value, or would make it another run.
    """
    from cad_studio.training.plan import MAY_CHANGE

    found: dict[str, Any] = {}
    allowed = [field.name for field in fields(TrainConfig) if field.name in MAY_CHANGE]
    for change in options.changes:
        name, equals, text = change.partition("=")
        if not equals:
            raise SettingError(f"--set {change}: write it as name=value, e.g. --set threads=8.")
        if name not in allowed:
            raise SettingError(
                f"{name} was decided when the run was packed; a machine may change "
                f"{', '.join(allowed)}. {closest(name, allowed)}".rstrip()
            )
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    if options.device is not None:
        found["device"] = options.device
    return found
