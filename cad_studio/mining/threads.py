"""How many threads matrix products take, and how they are kept from taking more."""

from contextlib import AbstractContextManager

from cad_studio.core.cores import n_cores
from cad_studio.core.optional import require


def n_workers() -> int:
    """Threads worth starting: what the matrix library would use, at most the cores we may use."""
    info = require("threadpoolctl", "threadpoolctl", "Pair mining").threadpool_info()
    allowed = [pool["num_threads"] for pool in info if pool["user_api"] == "blas"]
    return max(1, min([n_cores(), *allowed]))


def single_threaded() -> AbstractContextManager[object]:
    """A stretch in which matrix products take one thread.

    For small decompositions: their many short products wait for each other's threads, on a busy
    machine a hundred times longer than they compute.
    """
    limits = require("threadpoolctl", "threadpoolctl", "Pair mining").threadpool_limits
    return limits(1, user_api="blas")
