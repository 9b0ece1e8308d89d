"""How long a run will take on this machine: some of its own steps, timed."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.progress import Silent
from cad_studio.models.device import wait_for
from cad_studio.training.batching import ask
from cad_studio.training.data import TrainingData
from cad_studio.training.hold_out import split_hold_out
from cad_studio.training.inputs import is_kept, stored_shape
from cad_studio.training.opening import Outside, open_session
from cad_studio.training.plan import Plan
from cad_studio.training.precision import memory_mb
from cad_studio.training.schedule import snapshot_epochs
from cad_studio.training.session import Session
from cad_studio.training.step import take_step
from cad_studio.training.subset import take_subset
from cad_studio.training.torch_state import torch_state

_MOST_SAMPLES = 256
_TRIED_SAMPLES = 8
_MOST_STEPS = 20
_WATCHED_EPOCHS = 10
_STARTED_SAMPLES = 2000
_SHAPES_MB = 700
"""What torch keeps on a CPU for batches of many sizes, as class views make them: measured with
ResNet-8, where a run grew from 490 to 1,180 MB."""


@dataclass(frozen=True)
class Estimate:
    """What a run will take, its checkpoints on the disk left aside.

    Attributes:
        seconds_per_step: Of a full batch, views included, when all its losses are in use.
        steps_per_epoch: As planned.
        seconds_per_epoch: Steps, evaluation, and the mean of what is done every few epochs.
        seconds_setup: Before the first step: reading images, the first belief.
        seconds: Of the whole run; no more than its budget and the setting up.
        samples_per_second: Of the steps.
        memory_mb: Of the process at its largest, or of the GPU.
    """

    seconds_per_step: float
    steps_per_epoch: int
    seconds_per_epoch: float
    seconds_setup: float
    seconds: float
    samples_per_second: float
    memory_mb: float


@dataclass(frozen=True)
class _Timed:
    """Seconds measured on a few samples: a step of one batch, and the rest for one sample."""

    step: float
    asking: float
    epoch_start: float
    memory_mb: float


def estimate(
    data: TrainingData, plan: Plan, outside: Outside | None = None, seconds: float = 3.0
) -> Estimate:
    """Time real steps of a plan on this machine; nothing is kept or written.

    A few samples stand for all, chosen so that their sets are as large on average. A network so
    slow that one full batch does not fit the time is timed on a part of one. Compiling is left
    out.

    Args:
        data: What is to be learned from.
        plan: What is to be trained, and how.
        outside: What comes from other rooms; its start and refresh are tried on a part.
        seconds: About how long to try; opening the run comes on top.

    Raises:
        SettingError: The method cannot learn from such data, as when it is trained.
    """
    outside = outside or Outside()
    config = plan.config
    fit_rows, held_rows = split_hold_out(data.train_rows, config.hold_out, config.seed)
    batch_size = min(config.batch_size, len(fit_rows))
    n_steps = len(fit_rows) // batch_size
    with torch_state(config.threads, config.seed):
        rows = _typical_rows(data, fit_rows, min(batch_size, _MOST_SAMPLES))
        reading = _seconds_to_read(data, rows)
        timed = _time_run(data, plan, outside, rows, batch_size, seconds)
        starting = _seconds_to_start(outside, fit_rows, data.n_classes)
    step = timed.step
    if not is_kept(data):
        # Images are decoded beside the training, by processes of their own.
        step = max(step, reading * batch_size / max(config.loader_workers, 1))
    n_asked = len(held_rows) + len(data.test_rows)
    refreshes = [epoch for epoch in config.refreshes() if epoch < config.epochs]
    per_refresh = starting + timed.asking * len(fit_rows) if outside.refresh else 0.0
    per_epoch = (
        step * n_steps
        + timed.asking * n_asked
        + timed.epoch_start * len(fit_rows)
        + per_refresh * len(refreshes) / config.epochs
    )
    setup = reading * len(data.candidates) if is_kept(data) else 0.0
    setup += starting if outside.start else 0.0
    total = per_epoch * config.epochs
    if config.max_seconds:
        total = min(total, config.max_seconds)
    return Estimate(
        seconds_per_step=step,
        steps_per_epoch=n_steps,
        seconds_per_epoch=per_epoch,
        seconds_setup=setup,
        seconds=setup + total,
        samples_per_second=batch_size / step,
        memory_mb=timed.memory_mb + _kept_mb(data),
    )


def _typical_rows(
    data: TrainingData, fit_rows: NDArray[np.int64], n_samples: int
) -> NDArray[np.int64]:
    """Dataset rows whose sets are as large, small ones and large ones alike, as those of all."""
    order = np.argsort(data.candidates.take(fit_rows).sizes(), kind="stable")
    chosen = (np.arange(n_samples) + 0.5) * len(order) / n_samples
    return fit_rows[order[chosen.astype(np.int64)]]


def _seconds_to_read(data: TrainingData, rows: NDArray[np.int64]) -> float:
    """Of one image, as it is read for training."""
    if data.pixels is None:
        return 0.0
    _, height, width, channels = stored_shape(data)
    started = perf_counter()
    data.pixels.batch(rows, height, width, channels)
    return (perf_counter() - started) / len(rows)


def _time_run(
    data: TrainingData,
    plan: Plan,
    outside: Outside,
    rows: NDArray[np.int64],
    batch_size: int,
    seconds: float,
) -> _Timed:
    """Open the run on a few samples, and time what it does with them."""
    part, fitting = take_subset(data, rows, outside)
    loop = replace(plan.config, hold_out=0.0, compile="off")
    session = open_session(part, replace(plan, config=loop), fitting, None, Silent(), lambda: None)
    session.algorithm.train()
    started = perf_counter()
    epoch_start = _time_epoch_starts(session, seconds / 3) / len(rows)
    step = _time_steps(session, seconds - (perf_counter() - started), batch_size)
    asking = _time_asking(session) / len(rows)
    if session.algorithm.confidence() is None:
        wanted = snapshot_epochs(plan.config.epochs, plan.config.snapshots)
        epoch_start += asking * len(wanted) / plan.config.epochs
    memory = memory_mb(session.device)
    if session.device.type == "cpu" and session.algorithm.class_view_names:
        memory += _SHAPES_MB
    return _Timed(step, asking, epoch_start, memory)


def _time_epoch_starts(session: Session, limit: float) -> float:
    """What the beginning and end of an epoch take, as a mean over the last epochs of the run."""
    first = max(session.config.epochs - _WATCHED_EPOCHS, 0)
    taken = []
    for epoch in range(first, session.config.epochs):
        session.epoch = epoch
        taken.append(_seconds(session, lambda epoch=epoch: session.algorithm.begin_epoch(epoch)))
        if sum(taken) > limit:
            # The last epoch is the one that uses all a method has.
            session.algorithm.begin_epoch(session.config.epochs - 1)
            break
    return sum(taken) / len(taken)


def _time_steps(session: Session, limit: float, batch_size: int) -> float:
    """Of one step with a full batch."""
    until = perf_counter() + limit
    n_samples = len(session.fit_rows)
    size = min(n_samples, _TRIED_SAMPLES)
    # The first one warms up what the second is timed on.
    tried = min(_time_step(session, size) for _ in range(2)) / size
    size = max(size, min(n_samples, int((until - perf_counter()) / 3 / tried)))
    taken = [_time_step(session, size)]
    while perf_counter() + taken[-1] < until and len(taken) < _MOST_STEPS:
        taken.append(_time_step(session, size))
    # The first of a new size may set up memory.
    return median(taken[1:] or taken) * batch_size / size


def _time_step(session: Session, size: int) -> float:
    positions = np.linspace(0, len(session.fit_rows) - 1, size).astype(np.int64)
    (inputs,) = session.inputs.batches([session.fit_rows[positions]])
    return _seconds(session, lambda: take_step(session, positions, inputs, lambda loss: None))


def _time_asking(session: Session) -> float:
    network = session.judged_network

    def asked() -> None:
        batches = session.inputs.batches([session.fit_rows])
        for _ in ask(network, network.forward, batches, session.views, session.precision):
            pass

    return _seconds(session, asked)


def _seconds_to_start(outside: Outside, fit_rows: NDArray[np.int64], n_classes: int) -> float:
    """Of the first belief, grown from two smaller ones by how much longer the larger takes."""
    start = outside.start
    if start is None and outside.refresh is None:
        return 0.0
    sizes = sorted(
        {min(len(fit_rows), _STARTED_SAMPLES // 2), min(len(fit_rows), _STARTED_SAMPLES)}
    )
    taken = []
    for size in sizes:
        rows = fit_rows[np.linspace(0, len(fit_rows) - 1, size).astype(np.int64)]
        taken.append(_belief_seconds(outside, rows, n_classes))
    if len(sizes) == 1 or taken[0] <= 0:
        return taken[-1]
    # Neighbours are sought among all: between linear and quadratic.
    power = math.log(taken[1] / taken[0]) / math.log(sizes[1] / sizes[0])
    return taken[1] * (len(fit_rows) / sizes[1]) ** min(max(power, 1.0), 2.0)


def _belief_seconds(outside: Outside, rows: NDArray[np.int64], n_classes: int) -> float:
    started = perf_counter()
    if outside.start is not None:
        outside.start(rows)
    elif outside.refresh is not None:
        features = np.random.default_rng(0).normal(size=(len(rows), 64)).astype(np.float32)
        even = np.full((len(rows), n_classes), 1.0 / n_classes, np.float32)
        outside.refresh(rows, features / np.linalg.norm(features, axis=1, keepdims=True), even)
    return perf_counter() - started


def _kept_mb(data: TrainingData) -> float:
    """What all samples take on the device, beyond the few that were tried."""
    n_bytes = 2 * 4 * len(data.train_rows) * data.n_classes
    if data.pixels is not None and is_kept(data):
        n_bytes += math.prod(stored_shape(data))
    return n_bytes / 2**20


def _seconds(session: Session, work: Callable[[], object]) -> float:
    wait_for(session.device)
    started = perf_counter()
    work()
    wait_for(session.device)
    return perf_counter() - started
