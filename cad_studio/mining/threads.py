"""Work shared between Python threads, each with single-threaded matrix products."""

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TypeVar

from cad_studio.core.optional import require

Item = TypeVar("Item")


def n_workers() -> int:
    """Threads worth starting: what the matrix library would use, at most the cores we may use."""
    info = require("threadpoolctl", "threadpoolctl", "Pair mining").threadpool_info()
    allowed = [pool["num_threads"] for pool in info if pool["user_api"] == "blas"]
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cores = os.cpu_count() or 1
    return max(1, min([cores, *allowed]))


def single_threaded() -> AbstractContextManager[object]:
    """A stretch in which matrix products take one thread.

    For small decompositions: their many short products wait for each other's threads, on a busy
    machine a hundred times longer than they compute.
    """
    limits = require("threadpoolctl", "threadpoolctl", "Pair mining").threadpool_limits
    return limits(1, user_api="blas")


def share(
    items: Iterable[Item], work: Callable[[Item], None], finished: Callable[[Item], None]
) -> None:
    """Work on items in several threads, the calling thread among them.

    One thread per core with a single-threaded product each beats one product over all cores,
    since what follows the product is then spread over the cores as well.

    Args:
        items: What to work on, in order of starting.
        work: Called once per item, in any thread.
        finished: Called after items that the calling thread worked on; may raise to stop.

    Raises:
        Exception: The first error of any thread, after all have stopped.
    """
    queue = iter(items)
    lock = threading.Lock()
    errors: list[BaseException] = []

    def drain(after: Callable[[Item], None]) -> None:
        try:
            while not errors:
                with lock:
                    try:
                        item = next(queue)
                    except StopIteration:
                        return
                work(item)
                after(item)
        except BaseException as error:
            errors.append(error)

    count = n_workers()
    with single_threaded():
        threads = [
            threading.Thread(target=drain, args=(lambda item: None,), daemon=True)
            for _ in range(count - 1)
        ]
        for thread in threads:
            thread.start()
        drain(finished)
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]
