"""What the processes of one run tell each other, so that together they train one network.

Each process owns every W-th training sample and alone learns from it, so that what a method
remembers of a sample has one owner. After every backward pass the gradients are averaged: all
take the same step. BatchNorm statistics, queues and prototypes follow a process's own samples
within an epoch; at its end all take those of the main process.
"""

from collections import deque

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cad_studio.algorithms._base import Algorithm
from cad_studio.core.errors import JobCancelled, SettingError
from cad_studio.core.progress import Progress
from cad_studio.training.batching import epoch_order
from cad_studio.training.processes import Processes

_LOSS, _STOP, _SECONDS = range(3)
_N_SIGNALS = 3


class Latch:
    """Progress of the main process that remembers a wish to stop until all can stop."""

    def __init__(self, progress: Progress, is_watched: bool) -> None:
        """Pass reports on to `progress` where it is watched; other processes only compute."""
        self._progress = progress
        self._is_watched = is_watched
        self.is_stopping = False

    def report(self, fraction: float, message: str) -> None:
        """Pass a report on; never raises `JobCancelled`."""
        if not self._is_watched:
            return
        try:
            self._progress.report(fraction, message)
        except JobCancelled:
            self.is_stopping = True


class Exchange:
    """Keeps several processes in step; every method is called by all of them."""

    def __init__(self, processes: Processes, progress: Latch, seconds: float) -> None:
        """Start the clock of the main process, for all, at `seconds`."""
        self.processes = processes
        self._progress = progress
        self._seconds = seconds
        self._signals: deque[Tensor] = deque()
        self._is_stopping = False

    def average(self, weights: list[nn.Parameter], loss: Tensor, seconds: float) -> Tensor:
        """Average the gradients in place, and tell the main process's wish and clock with them.

        Args:
            weights: What the optimiser moves; the same in all processes.
            loss: float (). Of this process.
            seconds: Since the run began, by this process's clock.

        Returns:
            float32 (). The loss of the whole batch.
        """
        is_used = [weight.grad is not None for weight in weights]
        parts = [_flat(weight) for weight in weights]
        is_main = self.processes.is_main
        signals = [0.0, float(self._progress.is_stopping), seconds if is_main else 0.0]
        told = torch.tensor([*signals, *map(float, is_used)], device=loss.device)
        told[_LOSS] = loss.detach()
        together = torch.cat([*parts, told])
        self.processes.add_up(together)
        sizes = [len(part) for part in parts]
        *parts, told = together.split([*sizes, len(told)])
        # Which weights a step uses follows from the epoch; only where it does not are flags read.
        used = is_used if all(is_used) else (told[_N_SIGNALS:] > 0).tolist()
        for weight, part, is_needed in zip(weights, parts, used, strict=True):
            if is_needed:
                mean = part.div_(self.processes.count).view_as(weight)
                weight.grad = torch.empty_like(weight).copy_(mean)
        self._signals.append(told[:_N_SIGNALS])
        return told[_LOSS] / self.processes.count

    def raise_if_stopping(self, is_last: bool = False) -> None:
        """Stop in all processes at the same step, once the main process was asked to.

        On a GPU the answer is a step late, so that the device never waits for it.

        Args:
            is_last: Whether no step follows, so that nothing may be left unread.

        Raises:
            JobCancelled: It was.
        """
        on_cpu = bool(self._signals) and self._signals[0].device.type == "cpu"
        self._read(0 if is_last or on_cpu else 1)
        if self._is_stopping:
            raise JobCancelled

    def seconds(self) -> float:
        """The main process's clock after the latest step, the same in all processes."""
        self._read(0)
        return self._seconds

    def agree(self, answer: object) -> list[object]:
        """What each process found, by rank.

        Raises:
            JobCancelled: The main process was asked to stop meanwhile.
        """
        told = self.processes.gather((answer, self._progress.is_stopping))
        if any(is_stopping for _, is_stopping in told):
            raise JobCancelled
        return [found for found, _ in told]

    def merge_rows(self, algorithm: Algorithm) -> None:
        """Bring together what each process remembers of its own samples.

        That is the method's own buffers with one place for each training sample.
        """
        n_samples = algorithm.n_samples
        for name, values in algorithm.named_buffers(recurse=False):
            dimension = _row_dimension(values, n_samples)
            if dimension is None or name == "candidates":
                continue
            own = torch.zeros(n_samples, dtype=torch.bool, device=values.device)
            own[self.processes.rank :: self.processes.count] = True
            shape = [1] * values.dim()
            shape[dimension] = n_samples
            kept = torch.where(own.view(shape), values, torch.zeros_like(values)).contiguous()
            # All but one have zero bytes in each place: their sum is exact for any type.
            self.processes.add_up(kept.view(torch.uint8))
            values.copy_(kept)

    def share_state(self, algorithm: Algorithm, average: nn.Module | None) -> None:
        """Take everything of the main process, weights included.

        Args:
            algorithm: What is trained.
            average: The network that is judged, where it is not the method's own.
        """
        for module in (algorithm, average):
            for values in () if module is None else module.state_dict().values():
                self.processes.copy_from_main(values)

    def gather_own(
        self, algorithm: Algorithm, chances: dict[str, torch.Generator]
    ) -> dict[str, Tensor]:
        """What only one process knows in the middle of an epoch, for a checkpoint.

        Args:
            algorithm: Whose statistics and queues differ between processes.
            chances: Name to generator.

        Returns:
            `<rank>.<name>` to tensor, on the CPU.
        """
        trained = {name for name, _ in algorithm.named_parameters()}
        own = {f"chance.{name}": chance.get_state() for name, chance in chances.items()}
        own["chance.torch"] = torch.get_rng_state()
        for name, values in algorithm.state_dict().items():
            is_row = "." not in name and _row_dimension(values, algorithm.n_samples) is not None
            if name not in trained and not is_row:
                own[f"method.{name}"] = values.cpu()
        mains = self.processes.in_main(lambda: own)
        differing = {
            name: value for name, value in own.items() if not torch.equal(value, mains[name])
        }
        found = self.processes.gather(differing)
        return {
            f"{rank}.{name}": value
            for rank, values in enumerate(found)
            for name, value in values.items()
        }

    def _read(self, n_left: int) -> None:
        """Look at the signals but the newest few."""
        while len(self._signals) > n_left:
            _, stop, self._seconds = self._signals.popleft().tolist()
            self._is_stopping |= stop > 0


def check_shares(batch_size: int, n_samples: int, processes: Processes) -> None:
    """See that every process gets an equal share of every batch.

    Raises:
        SettingError: It does not, or the shares are too small for BatchNorm.
    """
    count = processes.count
    if processes.is_alone:
        return
    if batch_size % count or batch_size < 2 * count:
        more = max(2, -(-batch_size // count)) * count
        raise SettingError(
            f"batch_size {batch_size} cannot be shared by {count} processes, 2 samples or more "
            f"each. Choose {more}, or start fewer processes."
        )
    if n_samples < 2 * count:
        raise SettingError(
            f"{n_samples} training samples are too few for {count} processes. Start fewer."
        )


def shared_order(
    n_samples: int, batch_size: int, seed: int, epoch: int, processes: Processes
) -> list[NDArray[np.int64]]:
    """The batches of one epoch of every process, by rank.

    Alone they are those of `epoch_order`. Of several each takes the positions of its rank and
    every so many after it, in an order of its own; all take equally many steps.

    Returns:
        For each process int64 (steps, B / processes).
    """
    count = processes.count
    if processes.is_alone:
        return [epoch_order(n_samples, batch_size, seed, epoch)]
    n_each, size = n_samples // count, min(batch_size // count, n_samples // count)
    n_steps = n_each // size
    orders = []
    for rank in range(count):
        # A stream that is none of a single process's.
        chance = np.random.default_rng((seed, 1, epoch, rank + 1))
        own = chance.permutation(np.arange(rank, n_samples, count))
        orders.append(own[: n_steps * size].reshape(n_steps, size))
    return orders


def _flat(weight: nn.Parameter) -> Tensor:
    if weight.grad is None:
        return torch.zeros(weight.numel(), device=weight.device)
    return weight.grad.float().reshape(-1)


def _row_dimension(values: Tensor, n_samples: int) -> int | None:
    """Which of the first two dimensions counts the training samples."""
    places = [place for place, size in enumerate(values.shape[:2]) if size == n_samples]
    return places[0] if places else None
