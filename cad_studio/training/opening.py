"""Build a run from data and a plan, ready for its first step or for the one after a checkpoint."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cad_studio.algorithms._base import ALGORITHMS, Algorithm, Edits, Setup, make_algorithm
from cad_studio.core.dataset import chunks
from cad_studio.core.errors import SettingError
from cad_studio.core.progress import Progress
from cad_studio.models._base import has_learned
from cad_studio.models.device import choose_device
from cad_studio.models.ema import copy_network
from cad_studio.models.network import Network, make_network
from cad_studio.training.batching import plain_inputs
from cad_studio.training.checkpoint import Checkpoint
from cad_studio.training.compiling import choose_compile, compile_networks
from cad_studio.training.data import TrainingData, measure_normalisation
from cad_studio.training.exchange import check_shares
from cad_studio.training.hold_out import split_hold_out
from cad_studio.training.inputs import Inputs, open_inputs
from cad_studio.training.plan import Plan
from cad_studio.training.precision import choose_precision
from cad_studio.training.processes import ALONE, Processes
from cad_studio.training.session import Session
from cad_studio.training.settings import TrainConfig
from cad_studio.training.views import Views, choose_kind

_AT_ONCE = 256
_TIMED_BATCH = 32
_METHOD_CHANCE, _VIEW_CHANCE = 3, 4


@dataclass(frozen=True)
class Outside:
    """What a service brings from other rooms; rows are those of the dataset.

    Attributes:
        start: Rows int64 (N,) to the first belief, float32 (N, C); None is uniform.
        refresh: Rows int64 (N,), the run's own features float32 (N, F), of unit length, and its
            own belief float32 (N, C), to a new belief, float32 (N, C); None never refreshes.
        edits: Rows int64 (M,) and classes int64 (M,) to uint8 (M, H, W, 1 or 3) and bool (M,),
            where there is one.
        edits_cover_all: Whether there is one for every class view worth making.
    """

    start: Callable[[NDArray[np.int64]], NDArray[np.float32]] | None = None
    refresh: (
        Callable[[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
        | None
    ) = None
    edits: (
        Callable[
            [NDArray[np.int64], NDArray[np.int64]], tuple[NDArray[np.uint8], NDArray[np.bool_]]
        ]
        | None
    ) = None
    edits_cover_all: bool = True


def open_session(
    data: TrainingData,
    plan: Plan,
    outside: Outside,
    checkpoint: Checkpoint | None,
    progress: Progress,
    ping: Callable[[], None],
    processes: Processes = ALONE,
) -> Session:
    """Build a run, and take it up where the checkpoint left it.

    Args:
        data: What is learned from.
        plan: What is trained and how.
        outside: What comes from other rooms.
        checkpoint: Where to go on, or None.
        progress: Told how far the reading of images is.
        ping: Called now and then while a method looks at all images; may raise `JobCancelled`.
        processes: Those that train it together, each of which calls this.

    Raises:
        SettingError: The method cannot learn from such data, or the checkpoint is of another run.
    """
    config = plan.config
    member = ALGORITHMS.get(plan.method)
    if member.reads_images(plan.settings) and data.pixels is None:
        raise SettingError(
            f"{plan.method} with these settings needs images; here are feature vectors only. "
            "Choose proden, or cad-cam with without_rl=true."
        )
    fit_rows, held_rows = split_hold_out(data.train_rows, config.hold_out, config.seed)
    fingerprint = zlib.crc32(data.candidates.take(fit_rows).packed.tobytes())
    fingerprint = zlib.crc32(np.ascontiguousarray(fit_rows).tobytes(), fingerprint)
    _check_same_run(checkpoint, plan, fingerprint)
    check_shares(config.batch_size, len(fit_rows), processes)
    device = processes.device or choose_device(config.device)
    truth = None
    if member.uses_truth:
        labels = data.require_truth(fit_rows, f"{plan.method} training")
        truth = torch.from_numpy(labels).to(device)
    inputs = open_inputs(data, device, config.loader_workers, progress)
    # On resuming, every weight comes from the checkpoint, wherever the first ones came from.
    blueprint = "" if checkpoint is None else checkpoint.state["blueprint"]
    network = _build_network(data, plan, blueprint).to(device, memory_format=torch.channels_last)
    views, normalisation = _open_views(data, fit_rows, config.views == "gentle", network)
    if checkpoint is not None:
        precision = checkpoint.state["precision"]
    else:
        (sample,) = inputs.batches([fit_rows[:_TIMED_BATCH]])
        wanted = processes.precision if config.precision == "auto" else config.precision
        timed = plain_inputs(sample, views)
        precision = processes.in_main(lambda: choose_precision(wanted, network, timed))
    dense = torch.from_numpy(data.candidates.dense(fit_rows)).to(device)
    # On resuming, the belief comes from the checkpoint.
    told = outside.start if checkpoint is None else None
    setup = Setup(
        network=network,
        n_samples=len(fit_rows),
        n_classes=data.n_classes,
        candidates=dense,
        start=_first_belief(dense, processes.in_main(lambda: told and told(fit_rows))),
        epochs=config.epochs,
        device=device,
        generator=_chance(config.seed, _METHOD_CHANCE, processes.rank),
        batches=_all_whole(inputs, views, fit_rows, device, ping),
        edits=_edits(outside, fit_rows, device),
        edits_cover_all=outside.edits_cover_all,
        start_epochs=config.held_epochs(),
        set_model=config.set_model,
        confidence_momentum=config.confidence_momentum,
    )
    algorithm = make_algorithm(plan.method, setup, plan.settings)
    n_steps = config.epochs * (len(fit_rows) // min(config.batch_size, len(fit_rows)))
    # Before compiling: a copy of what is compiled would compile once more.
    average = copy_network(network) if config.judged_average else None
    if choose_compile(config.compile, device, n_steps):
        compile_networks(algorithm)
    session = Session(
        algorithm=algorithm,
        average=average,
        optimiser=_make_optimiser(algorithm, config),
        inputs=inputs,
        views=views,
        device=device,
        precision=precision,
        fit_rows=fit_rows,
        held_rows=held_rows,
        truth=truth,
        view_chance=_chance(config.seed, _VIEW_CHANCE, processes.rank),
        config=config,
        normalisation=normalisation,
        fingerprint=fingerprint,
        processes=processes,
    )
    if checkpoint is not None:
        session.restore(checkpoint)
    return session


def _check_same_run(checkpoint: Checkpoint | None, plan: Plan, fingerprint: int) -> None:
    if checkpoint is None:
        return
    then, now = checkpoint.state["plan"], plan.identity()
    for part in ("method", "backbone", "projection_width"):
        if then[part] != now[part]:
            raise SettingError(
                f"The checkpoint was made with {part} {then[part]!r}, not {now[part]!r}. "
                "Start a new run."
            )
    for part in ("settings", "config"):
        for name, value in now[part].items():
            if name not in then[part]:
                raise SettingError(
                    f"The checkpoint was made by another version, without {name}. Start a new run."
                )
            before = then[part][name]
            if before != value:
                raise SettingError(
                    f"The checkpoint was made with {name} {before!r}, not {value!r}. "
                    "Start a new run."
                )
    if checkpoint.state["fingerprint"] != fingerprint:
        raise SettingError(
            "The checkpoint was made from other samples or candidates. Start a new run."
        )


def _open_views(
    data: TrainingData, fit_rows: NDArray[np.int64], is_gentle: bool, network: Network
) -> tuple[Views | None, tuple[list[float], list[float]]]:
    if data.pixels is None:
        return None, ([], [])
    known = network.backbone.normalisation
    mean, std = known or measure_normalisation(data.pixels, fit_rows, data.channels)
    kind = choose_kind(data.side_px, data.channels)
    return Views(kind, data.side_px, mean, std, is_gentle), (mean, std)


def _build_network(data: TrainingData, plan: Plan, blueprint: str) -> Network:
    has_images = data.pixels is not None
    plan.config.check_heads(plan.backbone, has_learned(plan.backbone))
    return make_network(
        plan.backbone,
        data.n_classes,
        image_px=data.side_px if has_images else None,
        n_inputs=None if has_images or data.features is None else data.features.shape[1],
        projection_width=plan.projection_width,
        seed=plan.config.seed,
        blueprint=blueprint,
    )


def _make_optimiser(algorithm: Algorithm, config: TrainConfig) -> torch.optim.Optimizer:
    if config.optimiser == "adamw":
        return torch.optim.AdamW(
            algorithm.trainable_parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
    optimiser = torch.optim.SGD(
        algorithm.trainable_parameters(),
        lr=config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        fused=True,
    )
    if config.momentum and config.epochs_of_heads():
        # Of weights that have moved and others that have not the fused step cannot take both.
        for weight in algorithm.trainable_parameters():
            still = torch.zeros_like(weight, requires_grad=False)
            optimiser.state[weight]["momentum_buffer"] = still
    return optimiser


def _first_belief(candidates: Tensor, start: NDArray[np.float32] | None) -> Tensor:
    """A belief that is zero outside the candidates and whose rows sum to 1, float32 (N, C)."""
    uniform = candidates / candidates.sum(dim=1, keepdim=True)
    if start is None:
        return uniform
    belief = torch.from_numpy(np.asarray(start, np.float32)).to(candidates.device) * candidates
    total = belief.sum(dim=1, keepdim=True)
    return torch.where(total > 0, belief / total.clamp(min=1e-30), uniform)


def _all_whole(
    inputs: Inputs,
    views: Views | None,
    fit_rows: NDArray[np.int64],
    device: torch.device,
    ping: Callable[[], None],
) -> Callable[[], Iterator[tuple[Tensor, Tensor]]]:
    """All training images without chance, with their positions, for `Setup.batches`."""

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        parts = list(chunks(len(fit_rows), _AT_ONCE))
        images = inputs.batches([fit_rows[part] for part in parts])
        for part, values in zip(parts, images, strict=True):
            ping()
            whole = values if views is None else views.whole(views.unit(values))
            yield torch.from_numpy(part).to(device), whole

    return batches


def _edits(outside: Outside, fit_rows: NDArray[np.int64], device: torch.device) -> Edits | None:
    """The stored edits by position instead of dataset row, as tensors."""
    stored = outside.edits
    if stored is None:
        return None

    def edits(row: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
        images, found = stored(fit_rows[row.numpy()], guide.numpy())
        return (
            torch.from_numpy(images).to(device, non_blocking=True),
            torch.from_numpy(found).to(device, non_blocking=True),
        )

    return edits


def _chance(seed: int, stream: int, rank: int) -> torch.Generator:
    """A CPU generator of its own for each use of a seed, and each process."""
    words = (seed, stream, rank) if rank else (seed, stream)
    word = np.random.SeedSequence(words).generate_state(1, np.uint64)[0]
    # torch takes a signed number.
    return torch.Generator().manual_seed(int(word >> np.uint64(1)))
