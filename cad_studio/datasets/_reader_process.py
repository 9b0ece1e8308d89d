"""Reading a source in a process of its own, so that a crash, a flood or a hang is a message.

Libraries in C and C++ may end the process on a damaged file, or take memory before they notice the
damage. The other process (`_reader_child`) has a limit on its memory and on its time. What it found
comes back in an unnamed file that is mapped into memory; images are asked for in batches.
"""

import logging
import mmap
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import SourceDataset
from cad_studio.core.errors import ReaderEndedError
from cad_studio.core.progress import Progress
from cad_studio.datasets._memory import in_words, memory_limit

_LOG = logging.getLogger(__name__)
_CHILD = "cad_studio.datasets._reader_child"
_CODE_FOLDER = Path(__file__).parent.parent.parent
_START_SECONDS = 120  # for a busy machine to start and import the libraries
_BYTES_A_SECOND = 2**20  # slower than any disk; compressed tables unpack to many times their size
_BATCH_SECONDS = 120
_LOOK_SECONDS = 0.2
# Windows lacks both, and ends no process of its own accord.
_KILLED = -getattr(signal, "SIGKILL", 9)
_TOO_SLOW = -getattr(signal, "SIGXCPU", 24)
_LAST_WORDS_BYTES = 4000


@dataclass(frozen=True)
class Task:
    """What the other process is told.

    Attributes:
        source: As the user gave it.
        options: A `ReadOptions`; Any, because `_base` imports this file.
        folder: The folder that relative paths start from.
        memory_bytes: Most that it may take.
        seconds: Longest that it may compute.
    """

    source: str
    options: Any
    folder: str
    memory_bytes: int
    seconds: int


def read_in_process(source: str, options: Any, progress: Progress) -> SourceDataset:
    """What `read_here` gives, read by another process.

    Args:
        source: A path.
        options: The `ReadOptions`.
        progress: Told how far the reading is, and asked at least five times a second, so that a
            stop is heard.

    Returns:
        The dataset. The process lives on as long as its images do.

    Raises:
        CadStudioError: As `read_here` raises it.
        ReaderEndedError: The process crashed, or went past its memory or its time.
    """
    seconds = _START_SECONDS + _size_bytes(Path(source).expanduser()) // _BYTES_A_SECOND
    task = Task(source, options, os.getcwd(), memory_limit(), seconds)
    with tempfile.TemporaryFile() as shared:
        process = _ReaderProcess(task, shared)
        try:
            dataset, n_images = _dataset(process, task, progress, shared)
        except BaseException:
            process.end()
            raise
    if n_images is None:
        process.end()
    else:
        dataset.images = _ProcessImages(process, n_images)
    return dataset


class _ReaderProcess:
    """One process that reads, and the line to it; ended when nobody holds this object any more."""

    def __init__(self, task: Task, shared: IO[bytes]) -> None:
        self._task = task
        self._words = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the process
        self._line, far_end = Pipe()
        try:
            numbers, lent = _lent(far_end.fileno(), shared.fileno())
            child = subprocess.Popen(
                [sys.executable, "-m", _CHILD, *map(str, numbers)],
                cwd=_CODE_FOLDER,
                **lent,
                stdin=subprocess.DEVNULL,
                stdout=self._words,
                stderr=self._words,
            )
        finally:
            far_end.close()
        self._child = child
        self.end = weakref.finalize(self, _end, child, self._line)
        self.tell(task)

    def tell(self, value: object) -> None:
        """Send something; that nobody hears it is found out by `hear`."""
        try:
            self._line.send(value)
        except OSError:
            _LOG.debug("the reader of %s is gone", self._task.source)

    def has_word(self, seconds: float) -> bool:
        """Wait for an answer so long."""
        return self._line.poll(seconds)

    def hear(self) -> Any:
        """The next answer.

        Raises:
            ReaderEndedError: The process has ended instead.
        """
        try:
            return self._line.recv()
        except (EOFError, OSError) as error:
            code = self._child.wait()
            self._words.seek(0)
            words = self._words.read()[-_LAST_WORDS_BYTES:].decode("utf-8", "replace").strip()
            _LOG.info("the reader of %s ended with %d: %s", self._task.source, code, words)
            raise ReaderEndedError(_why(self._task, code)) from error

    def too_slow(self) -> ReaderEndedError:
        """What to raise when the answer takes too long."""
        self.end()
        return ReaderEndedError(_why(self._task, _TOO_SLOW))


def _lent(line: int, shared: int) -> tuple[tuple[int, int], dict[str, Any]]:
    """What the new process calls the line and the file, and the arguments that lend them to it."""
    if os.name != "nt":
        return (line, shared), {"pass_fds": (line, shared)}
    import msvcrt  # a pipe's number is a handle there already, a file's is not

    handles = line, msvcrt.get_osfhandle(shared)
    for handle in handles:
        os.set_handle_inheritable(handle, True)
    startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": list(handles)})
    return handles, {"startupinfo": startup}


def _end(child: "subprocess.Popen[bytes]", line: Connection) -> None:
    line.close()
    child.kill()
    child.wait()


def _dataset(
    process: _ReaderProcess, task: Task, progress: Progress, shared: IO[bytes]
) -> tuple[SourceDataset, int | None]:
    """The dataset without its images, and how many there are."""
    deadline = time.monotonic() + task.seconds
    done: tuple[float, str] = (0.0, f"Opening {Path(task.source).name}")
    while True:
        progress.report(*done)
        if not process.has_word(_LOOK_SECONDS):
            if time.monotonic() > deadline:
                raise process.too_slow()
            continue
        kind, value = process.hear()
        if kind == "progress":
            done = value
        elif kind == "error":
            raise value
        else:
            return _unpacked(shared, value)


def _unpacked(shared: IO[bytes], spans: list[tuple[int, int]]) -> tuple[SourceDataset, int | None]:
    """What `_reader_child` has put into the file; arrays lie in the map, unread until needed."""
    # ACCESS_COPY: the arrays may be written to, as any others.
    memory = memoryview(mmap.mmap(shared.fileno(), 0, access=mmap.ACCESS_COPY))
    *buffers, whole = (memory[start : start + length] for start, length in spans)
    return pickle.loads(whole, buffers=buffers)


class _ProcessImages:
    """Images that another process reads; a batch ahead is asked for while one is used."""

    def __init__(self, process: _ReaderProcess, n_images: int) -> None:
        self._process = process
        self._n_images = n_images
        self._lock = threading.Lock()
        self._start = 0
        self._batch: list[bytes | NDArray[np.uint8] | Exception] = []
        self._asked: int | None = None
        self._ended: ReaderEndedError | None = None

    def __len__(self) -> int:
        return self._n_images

    def read(self, row: int) -> bytes | NDArray[np.uint8]:
        with self._lock:
            if not self._start <= row < self._start + len(self._batch):
                self._fetch(row)
            found = self._batch[row - self._start]
        if isinstance(found, Exception):
            raise found
        return found

    def _fetch(self, row: int) -> None:
        if self._ended is not None:
            raise self._ended
        try:
            while self._asked != row:
                if self._asked is not None:
                    self._receive()  # asked for in vain
                self._ask(row)
            self._receive()
        except ReaderEndedError as error:
            self._ended = error
            raise
        after = row + len(self._batch)
        if after < self._n_images:
            self._ask(after)

    def _ask(self, row: int) -> None:
        self._process.tell(row)
        self._asked = row

    def _receive(self) -> None:
        if not self._process.has_word(_BATCH_SECONDS):
            raise self._process.too_slow()
        assert self._asked is not None
        self._batch = self._process.hear()
        self._start = self._asked
        self._asked = None


def _size_bytes(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size if path.exists() else 0
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _why(task: Task, code: int) -> str:
    """Why a process ended before it had answered, and what next."""
    name = Path(task.source).name
    if code == _KILLED:
        return (
            f"{name}: reading it took so much memory that the system ended the reader. Close other "
            "programs, split the file, or use a machine with more memory."
        )
    if code == _TOO_SLOW:
        return (
            f"{name}: reading it took longer than {task.seconds:,} seconds and was given up. Check "
            "the file; if it is what it should be, split it."
        )
    try:
        how = signal.Signals(-code).name
    except ValueError:
        how = f"exit status {code}"
    return (
        f"{name}: the file is damaged so badly that its reader crashed ({how}), or it needs more "
        f"than the {in_words(task.memory_bytes)} of memory that may be used. Fetch or save the "
        "file again."
    )
