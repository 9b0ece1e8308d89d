"""What torch keeps for the whole process, lent to a run and given back."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_state(threads: int, seed: int) -> Iterator[None]:
    """A seed and a thread count of the run's own, the caller's afterwards.

    Args:
        threads: CPU threads; 0 leaves them as they are.
        seed: Of torch's own generators.
    """
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
