"""The process that reads a source for another one: `python -m ..._reader_child LINE FILE`.

Both arguments are numbers of open files: a line to the process that asks, and the file that takes
what was found.
"""

import faulthandler
import io
import os
import pickle
import signal
import sys
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from cad_studio.core.dataset import Images
from cad_studio.core.errors import CadStudioError
from cad_studio.core.optional import is_installed
from cad_studio.datasets._base import read_here
from cad_studio.datasets._memory import grant
from cad_studio.datasets._reader_process import Task

_SPARE_BYTES = 256 * 2**20
"""For libraries that are loaded later, and for their threads; most of it is never touched."""

_ALIGNMENT = 64
_BATCH_BYTES = 2**20
_BATCH_ROWS = 512


def main(line: Connection, shared: int) -> None:
    """Read what the line asks for, then hand out images until nobody asks any more."""
    task: Task = line.recv()
    limit(task)
    os.chdir(task.folder)
    try:
        dataset = read_here(task.source, task.options, _Teller(line))
    except CadStudioError as error:
        line.send(("error", error))
        return
    except Exception:
        line.send(("error", RuntimeError(traceback.format_exc())))
        return
    images, dataset.images = dataset.images, None
    n_images = None if images is None else len(images)
    with os.fdopen(os.dup(shared), "wb") as file:
        spans = pack((dataset, n_images), file)
    line.send(("done", spans))
    del dataset
    if images is not None:
        _hand_out(images, line)


def limit(task: Task) -> None:
    """Hold this process to its memory and time, where the system can."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asks decides
    faulthandler.enable()
    limit_memory(task.memory_bytes)


def limit_memory(size_bytes: int) -> None:
    """Let this process take only so much more, where the system can hold it to that."""
    grant(size_bytes)
    if not is_installed("resource"):
        return
    import resource

    # Private memory, not addresses: files mapped into memory do not count.
    most = _private_bytes() + size_bytes + _SPARE_BYTES
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    with suppress(OSError, ValueError):  # macOS knows the limit and does not always take it
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _private_bytes() -> int:
    """What the limit counts already, as far as the system tells."""
    with suppress(OSError, IndexError):
        # field 6, in pages: data and stack
        return int(Path("/proc/self/statm").read_text().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    return 0


class _Teller:
    """Progress that is sent to the process that asks."""

    def __init__(self, line: Connection) -> None:
        self._line = line

    def report(self, fraction: float, message: str) -> None:
        self._line.send(("progress", (fraction, message)))


def pack(value: object, file: io.BufferedIOBase) -> list[tuple[int, int]]:
    """Pickle a value into a file, its arrays beside the pickle.

    Returns:
        Start and length of each array in bytes, the pickle last.
    """
    spans: list[tuple[int, int]] = []

    def write(data: bytes | memoryview) -> None:
        start = file.tell()
        start += file.write(bytes(-start % _ALIGNMENT))
        file.write(data)
        spans.append((start, len(data)))

    whole = pickle.dumps(value, protocol=5, buffer_callback=lambda buffer: write(buffer.raw()))
    write(whole)
    return spans


def _hand_out(images: Images, line: Connection) -> None:
    with suppress(EOFError, OSError):  # nobody asks any more
        while True:
            line.send(_batch(images, line.recv()))


def _batch(images: Images, row: int) -> list[object]:
    """Images from a row on, or what is wrong with them, in a message that is not too long."""
    found: list[object] = []
    size = 0
    while size < _BATCH_BYTES and len(found) < _BATCH_ROWS and row + len(found) < len(images):
        try:
            image = images.read(row + len(found))
        except (CadStudioError, OSError) as error:
            found.append(error)
        else:
            found.append(image)
            size += len(image) if isinstance(image, bytes) else image.nbytes
    return found


def _opened(line: int, shared: int) -> tuple[Connection, int]:
    """The line and the file behind the numbers that the other process lends; handles on Windows."""
    if os.name != "nt":
        return Connection(line), shared
    import msvcrt
    from multiprocessing.connection import PipeConnection

    return PipeConnection(line), msvcrt.open_osfhandle(shared, os.O_BINARY)


if __name__ == "__main__":
    main(*_opened(int(sys.argv[1]), int(sys.argv[2])))
