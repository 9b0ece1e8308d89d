"""The processes that train one run together, one device each, through Hugging Face Accelerate.

`accelerate launch --multi_gpu --num_processes 2 -m cad_studio train ...` starts the same command
twice, on the CPU where there is no GPU (`--cpu` would start one). Each of them:

    processes = join_processes(device) if is_launched(os.environ) else ALONE
    run = processes.in_main(lambda: create_run(...))      # one row, and all know its id
    Trainer(data, plan, folder, outside, processes).fit(progress, on_epoch)
    processes.leave()

Only the main process may write to a project: it creates the run, claims its job, is asked by
`fit` whether to stop, gets the reports and writes all files. The others are given no progress and
no project to write to; what they need of it comes through `in_main`, and so does every error.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor

from cad_studio.core.errors import CadStudioError, JobCancelled, SettingError

Answer = TypeVar("Answer")

_PATIENCE = timedelta(hours=6)
"""How long the others wait while the main process spreads labels or writes; a process that died
is noticed at once."""
_TO_MEET = timedelta(minutes=3)


@dataclass(frozen=True)
class Processes:
    """One of the processes of a run, and what it can tell the others.

    All of them call the methods in the same order. Alone, every method is the plain call.

    Attributes:
        rank: Which one this is, from 0.
        count: How many there are.
        device: Where this one computes; None leaves the choice to the run.
        precision: What the launcher was told: `float32`, `bf16`, or `auto` for nothing.
    """

    rank: int = 0
    count: int = 1
    device: torch.device | None = None
    precision: str = "auto"

    @property
    def is_main(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Whether there is no other."""
        return self.count == 1

    def in_main(self, work: Callable[[], Answer]) -> Answer:
        """Do something in the main process only; what it gives, or its error, reaches all.

        Args:
            work: Called in the main process; what it returns must be picklable.

        Raises:
            CadStudioError, JobCancelled, OSError: As the work did, in every process.
        """
        if self.is_alone:
            return work()
        told: list[Answer | None] = [None]
        error: list[Exception | None] = [None]
        if self.is_main:
            try:
                told[0] = work()
            except (CadStudioError, JobCancelled, OSError) as raised:
                error[0] = raised
        both = [told[0], error[0]]
        torch.distributed.broadcast_object_list(both, src=0)
        if both[1] is not None:
            raise both[1]
        return both[0]  # type: ignore[return-value]

    def gather(self, value: Answer) -> list[Answer]:
        """What each process holds, by rank, in every process; picklable."""
        if self.is_alone:
            return [value]
        found: list[Answer | None] = [None] * self.count
        torch.distributed.all_gather_object(found, value)
        return found  # type: ignore[return-value]

    def add_up(self, values: Tensor) -> None:
        """Replace a tensor, in place, by its sum over all processes: the same bits in each."""
        if not self.is_alone:
            torch.distributed.all_reduce(values)

    def copy_from_main(self, values: Tensor) -> None:
        """Replace a tensor, in place, by that of the main process."""
        if not self.is_alone and values.numel():
            # As bytes: not every backend sends every type.
            plain = values.clone(memory_format=torch.contiguous_format).reshape(-1)
            torch.distributed.broadcast(plain.view(torch.uint8), src=0)
            values.copy_(plain.view(values.shape))

    def wait(self) -> None:
        """Go on when all have come here."""
        if not self.is_alone:
            torch.distributed.barrier()

    def leave(self) -> None:
        """Let go of the others, at the very end."""
        if not self.is_alone and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


ALONE = Processes()


def is_launched(environment: Mapping[str, str]) -> bool:
    """Whether a launcher started this process as one of several.

    Args:
        environment: `os.environ`.
    """
    return int(environment.get("WORLD_SIZE") or 1) > 1


@dataclass(frozen=True)
class Seat:
    """One process's place among those of a run that no launcher started.

    Attributes:
        rank: Which one, from 0.
        count: How many there are.
        host: Address of the main one's machine.
        port: Of `meeting_point` there.
        on_device: Whether each has a graphics device.
    """

    rank: int
    count: int
    host: str
    port: int
    on_device: bool


def has_device() -> bool:
    """Whether this process has a graphics device that processes can train together on."""
    return torch.cuda.is_available()


def meeting_point() -> torch.distributed.TCPStore:
    """Where the main process waits for the others, on a free port."""
    return torch.distributed.TCPStore("0.0.0.0", 0, None, True, _TO_MEET, wait_for_workers=False)


@contextmanager
def seated(seat: Seat, point: torch.distributed.TCPStore | None = None) -> Iterator[Processes]:
    """Meet the others of a run; they are let go of at the end.

    Args:
        seat: This process's.
        point: Of the main process.

    Raises:
        RuntimeError: They do not come within minutes.
    """
    store = point or torch.distributed.TCPStore(
        seat.host, seat.port, None, False, _TO_MEET, wait_for_workers=False
    )
    store.set(f"seat {seat.rank}", "taken")
    store.wait([f"seat {rank}" for rank in range(seat.count)], _TO_MEET)
    store.set_timeout(_PATIENCE)
    device = torch.device("cuda", 0) if seat.on_device else torch.device("cpu")
    torch.distributed.init_process_group(
        "nccl" if seat.on_device else "gloo",
        store=store, rank=seat.rank, world_size=seat.count, timeout=_PATIENCE,
    )  # fmt: skip
    try:
        yield Processes(seat.rank, seat.count, device)
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def join_processes(device: str = "auto") -> Processes:
    """Meet the other processes that the launcher started.

    Args:
        device: `cpu` keeps all on the CPU; otherwise each takes the GPU the launcher gave it, or
            the CPU where there is none.

    Raises:
        SettingError: The launcher asks for numbers that no run computes with.
    """
    from accelerate import Accelerator
    from accelerate.utils import InitProcessGroupKwargs

    # Without a GPU it would otherwise make each process a run of its own.
    on_cpu = device == "cpu" or not torch.cuda.is_available()
    patience = InitProcessGroupKwargs(timeout=_PATIENCE)
    state = Accelerator(cpu=on_cpu, kwargs_handlers=[patience]).state
    if state.mixed_precision not in ("no", "bf16"):
        raise SettingError(
            f"The launcher's mixed_precision is {state.mixed_precision!r}. Launch with no or bf16."
        )
    return Processes(
        rank=state.process_index,
        count=state.num_processes,
        device=state.device,
        precision="bf16" if state.mixed_precision == "bf16" else "auto",
    )
