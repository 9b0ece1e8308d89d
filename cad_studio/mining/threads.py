"""How many threads matrix products take, how they are kept from taking more, and work in parts."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from threading import Lock

from cad_studio.core.cores import n_cores
from cad_studio.core.optional import require


def n_workers() -> int:
    """Threads worth starting: what the matrix library would use, at most the cores we may use."""
    info = require("threadpoolctl", "threadpoolctl", "Pair mining").threadpool_info()
    allowed = [pool["num_threads"] for pool in info if pool["user_api"] == "blas"]
    return max(1, min([n_cores(), *allowed]))


class _Limit:
    """One limit for all threads of the process: the last to leave lifts it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._n_inside = 0
        self._limit: AbstractContextManager[object] | None = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._n_inside:
                package = require("threadpoolctl", "threadpoolctl", "Pair mining")
                self._limit = package.threadpool_limits(1, user_api="blas")
                self._limit.__enter__()
            self._n_inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._n_inside -= 1
            if not self._n_inside and self._limit is not None:
                self._limit.__exit__(None, None, None)


_LIMIT = _Limit()


def single_threaded() -> AbstractContextManager[object]:
    """A stretch in which matrix products take one thread.

    For small decompositions: their many short products wait for each other's threads, on a busy
    machine a hundred times longer than they compute.
    """
    return _LIMIT


def in_parts(work: Callable[[slice], None], n_rows: int, size: int) -> None:
    """Do something for all rows, a part of them at a time, by all threads that are worth starting.

    Args:
        work: Called with each part; where there are several, from several threads, and products
            in it take one thread.
        n_rows: How many there are.
        size: Rows of a part.
    """
    parts = [slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]
    n_threads = min(n_workers(), len(parts))
    if n_threads < 2:
        for part in parts:
            work(part)
        return
    with single_threaded(), ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(work, parts))
