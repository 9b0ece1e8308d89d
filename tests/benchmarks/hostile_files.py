"""Attack every reader with damaged files and bombs; print counts as JSON, exit 1 unless all are 0.

    python -m tests.benchmarks.hostile_files [--inputs 10000] [--seed 0] [--workers 2]

Every input is made from the seed and its number (`tests.datasets.hostile`), so that `--only N` runs
one of them again and says what became of it. Each is imported into a project of its worker as the
studio imports it, with one difference: worker processes are used again and again, and a source
that the studio reads in a process of its own is read in the worker, under the same limits. Where a
worker dies of such a source, and for a share of all inputs (`--apart`), the whole way of the studio
is taken, in which the crash must be a message.

What is counted, and must be 0:

- tracebacks: an exception that is no message for the user;
- crashes: a process of the studio that ended, but for the one that reads a source;
- hangs: more than 10 s of computing;
- over_memory: more private memory than the limit that the readers were given (512 MiB) and
  256 MiB for libraries;
- leftovers: files in the temporary folder or the project's scratch folder, or processes.
"""

import argparse
import gc
import json
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from random import Random
from typing import Any

import psutil

from cad_studio.config import AppConfig
from cad_studio.core.errors import CadStudioError, ReaderEndedError
from cad_studio.core.optional import require
from cad_studio.core.progress import Silent
from cad_studio.datasets import _memory
from cad_studio.datasets._base import is_fragile, read_here, read_source
from cad_studio.datasets._reader_child import limit_memory
from cad_studio.services.container import Services
from tests.datasets.hostile import hostile

MEMORY_BYTES = 512 * 2**20
SPARE_BYTES = 256 * 2**20
HANG_SECONDS = 10
LOST_SECONDS = 120
_SAMPLE_SECONDS = 0.02
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
FAULTS = ("tracebacks", "crashes", "hangs", "over_memory", "leftovers")


@dataclass
class Outcome:
    """What came of the inputs.

    Attributes:
        faults: How many inputs had each of `FAULTS`.
        ends: How many were imported, refused, or ended their reader.
        examples: Number, kind and words of the first inputs with a fault.
        peak_bytes: Most private memory that an input took.
        slowest: Seconds of computing, number and kind of the slowest.
    """

    faults: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FAULTS, 0))
    ends: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[int, str, str]] = field(default_factory=list)
    peak_bytes: int = 0
    slowest: tuple[float, int, str] = (0.0, -1, "")

    def fault(self, kind: str, number: int, name: str, words: str) -> None:
        """Count one."""
        self.faults[kind] += 1
        self.examples.append((number, name, f"{kind}: {words}"))
        print(f"{number}, {name}: {kind}: {words}", file=sys.stderr, flush=True)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "inputs": sum(self.ends.values()),
            **self.faults,
            "ends": dict(self.ends),
            "peak_mib": self.peak_bytes >> 20,
            "slowest": self.slowest,
            "examples": self.examples[:20],
        }


def attack(
    numbers: range, seed: int, n_workers: int, apart_share: float = 0.02, bomb_share: float = 0.2
) -> Outcome:
    """Run the inputs of these numbers through a pool of workers."""
    outcome = Outcome()
    pending = [(number, Random(f"{seed} {number} apart").random() < apart_share)
               for number in reversed(numbers)]  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="hostile-") as root:
        settings = (seed, bomb_share)
        workers = [_Worker(Path(root) / str(place), settings) for place in range(n_workers)]
        try:
            while pending or any(worker.task for worker in workers):
                for worker in workers:
                    if worker.task is None and pending:
                        worker.give(*pending.pop())
                wait([worker.line for worker in workers if worker.task], timeout=_SAMPLE_SECONDS)
                for worker in workers:
                    again = worker.look(outcome)
                    if again is not None:
                        pending.append(again)
        finally:
            for worker in workers:
                worker.end()
    return outcome


class _Worker:
    """A process that takes inputs one after the other, and is replaced when it dies."""

    def __init__(self, folder: Path, settings: tuple[int, float]) -> None:
        self._folder = folder
        self._settings = settings
        self._start()

    def _start(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        context = multiprocessing.get_context("spawn")
        self.line, far_end = context.Pipe()
        self._process = context.Process(
            target=_work, args=(far_end, str(self._folder), *self._settings), daemon=False
        )
        self._process.start()
        far_end.close()
        self.task: tuple[int, bool] | None = None
        self._name = "not yet made"
        self._is_reading = False

    def give(self, number: int, is_apart: bool) -> None:
        self.task = (number, is_apart)
        self._given_at = time.monotonic()
        self._is_reading = False
        self._name = "not yet made"
        self.line.send(self.task)

    def look(self, outcome: Outcome) -> tuple[int, bool] | None:
        """Hear what there is; gives the input back when it must be tried apart."""
        if self.task is None:
            return None
        self._sample()
        try:
            while self.line.poll():
                if self._hear(*self.line.recv(), outcome):
                    return None
        except (EOFError, OSError):
            return self._died(outcome)
        # Starting and making a file may take as long as a busy machine likes.
        if self._is_reading and time.monotonic() - self._given_at > LOST_SECONDS:
            outcome.ends["lost"] += 1
            outcome.fault("hangs", self.task[0], self._name, f"no end after {LOST_SECONDS} s")
            self.end()
            self._start()
        return None

    def _hear(self, kind: str, value: Any, outcome: Outcome) -> bool:
        assert self.task is not None
        if kind == "made":
            self._name, self._is_reading = value, True
            self._given_at = time.monotonic()
            self._base = self._peak = self._private()
            return False
        number = self.task[0]
        if number % 100 == 0:
            print(f"{number}: {dict(outcome.ends)}", file=sys.stderr, flush=True)
        outcome.ends[value["end"]] += 1
        for fault, words in value["faults"]:
            outcome.fault(fault, number, self._name, words)
        taken = max(self._peak - self._base, 0)
        outcome.peak_bytes = max(outcome.peak_bytes, taken)
        outcome.slowest = max(outcome.slowest, (value["seconds"], number, self._name))
        if taken > MEMORY_BYTES + SPARE_BYTES:
            outcome.fault("over_memory", number, self._name, f"{taken >> 20} MiB")
        self.task = None
        return True

    def _died(self, outcome: Outcome) -> tuple[int, bool] | None:
        assert self.task is not None
        number, is_apart = self.task
        self._process.join()
        code = self._process.exitcode
        can_be_reader = self._is_reading and not is_apart
        if not can_be_reader:
            outcome.ends["crashed"] += 1
            outcome.fault("crashes", number, self._name, f"exit status {code}")
        self._start()
        return (number, True) if can_be_reader else None

    def _sample(self) -> None:
        if self._is_reading:
            self._peak = max(self._peak, self._private())

    def _private(self) -> int:
        """Memory of the process and those it started that no file stands behind."""
        total = 0
        try:
            for process in [me := psutil.Process(self._process.pid), *me.children(recursive=True)]:
                fields = Path(f"/proc/{process.pid}/statm").read_text().split()
                total += (int(fields[1]) - int(fields[2])) * _PAGE_BYTES
        except (OSError, psutil.Error, IndexError):
            pass
        return total

    def end(self) -> None:
        self.line.close()
        self._process.kill()
        self._process.join()


def _work(line: Connection, folder: str, seed: int, bomb_share: float) -> None:
    """Import what is asked for, one input after the other."""
    work = Path(folder)
    temporary = work / "tmp"
    temporary.mkdir(parents=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115  what libraries warn about
    os.dup2(sys.stderr.fileno(), 2)
    _memory.grant(MEMORY_BYTES)
    services = Services(AppConfig(work / "project"))
    _import_libraries()
    while True:
        try:
            number, is_apart = line.recv()
        except EOFError:
            return
        source_folder = work / "source"
        source_folder.mkdir()
        name, made = hostile(source_folder, Random(f"{seed} {number}"), bomb_share)
        gc.collect()
        line.send(("made", name))
        started = _computed()
        with _limited():
            end, faults = _import(services, made, is_apart)
        gc.collect()
        seconds = _computed() - started
        if seconds > HANG_SECONDS:
            faults.append(("hangs", f"{seconds:.0f} s of computing"))
        shutil.rmtree(source_folder)
        faults += [("leftovers", words) for words in _left(work)]
        line.send(("done", {"end": end, "faults": faults, "seconds": round(seconds, 2)}))


def _import_libraries() -> None:
    """What the readers and the makers of files load when they are first used.

    What is there after it stays, and is not looked through again at every collection.
    """
    for name in ("pyarrow.parquet", "scipy.io", "scipy.sparse", "torchvision.datasets"):
        require(name, install=name, purpose="The attack")
    gc.collect()
    gc.freeze()


def _import(services: Services, made: Any, is_apart: bool) -> tuple[str, list[tuple[str, str]]]:
    try:
        there = is_fragile(made.source, made.options) and not is_apart
        read = read_here if there else read_source
        found = read(made.source, made.options, Silent())
        services.importing.store(found, "x", made.source, True, Silent())
        del found
        services.datasets.remove("x")
    except ReaderEndedError:
        return "reader ended", []
    except CadStudioError as error:
        words = str(error)
        if "Traceback" in words or not words:
            return "refused", [("tracebacks", words)]
        return "refused", []
    except BaseException:
        return "traceback", [("tracebacks", traceback.format_exc()[-1500:])]
    return "imported", []


@contextmanager
def _limited() -> Iterator[None]:
    """The limit on private memory that the process of a reader has; taken back afterwards."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    limit_memory(MEMORY_BYTES)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _computed() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _left(work: Path) -> list[str]:
    found = [path for path in (work / "tmp").rglob("*") if path.is_file()]
    project = work / "project"
    mine = project.rglob(f"{os.getpid()}-*")
    # What says that the project is open is meant to be there.
    found += [path for path in mine if path.is_file() and path.parent.name != "open"]
    children = [child.cmdline() for child in psutil.Process().children()]
    return [*map(str, found), *(f"process {words}" for words in children)]


def main() -> int:
    """Run the attack and print what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--apart", type=float, default=0.02)
    parser.add_argument("--only", type=int)
    given = parser.parse_args()
    numbers = range(given.first, given.first + given.inputs)
    if given.only is not None:
        numbers = range(given.only, given.only + 1)
    started = time.monotonic()
    outcome = attack(numbers, given.seed, given.workers, given.apart)
    words = outcome.to_json() | {"seed": given.seed, "wall_s": round(time.monotonic() - started)}
    print(json.dumps(words, indent=1))
    return int(any(outcome.faults.values()))


if __name__ == "__main__":
    sys.exit(main())
