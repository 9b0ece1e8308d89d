"""What torch keeps for the whole process, lent to a run and given back."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_LARGEST_KEPT = 31 << 20


@contextmanager
def torch_state(threads: int, seed: int) -> Iterator[None]:
    """A seed and a thread count of the run's own, the caller's afterwards.

    Args:
        threads: CPU threads; 0 leaves them as they are.
        seed: Of torch's own generators.
    """
    keep_freed_memory()
    before = torch.get_num_threads()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    if threads:
        torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)


def keep_freed_memory() -> None:
    """Let what a step frees be there for the next one.

    glibc gives freed memory back to the system above a limit that follows the largest block ever
    freed, up to 32 MiB. Below it every tensor of a few megabytes is new memory, which the system
    fills with zeros page by page: several times what most operations take. Elsewhere this does
    nothing.
    """
    torch.empty(_LARGEST_KEPT, dtype=torch.uint8)
