"""Samples a second of training steps, and what share of the time no kernel runs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cad_studio.algorithms._base import Batch
from cad_studio.core.optional import require
from cad_studio.core.progress import Silent
from cad_studio.models.network import make_network
from cad_studio.training.data import TrainingData
from cad_studio.training.guard import LossGuard
from cad_studio.training.opening import Outside, open_session
from cad_studio.training.plan import Plan
from cad_studio.training.settings import TrainConfig
from cad_studio.training.step import take_step
from cad_studio.training.torch_state import torch_state
from tests.benchmarks.step import PlainStep

_PROFILED = 8


@dataclass(frozen=True)
class Speed:
    """What a way of training is measured at.

    Attributes:
        method: A registered method, `plain step`, or `plain step with a loader`.
        batch_size: B.
        precision: `float32` or `bf16`; of a method alone.
        compile: Whether the network is compiled; likewise.
        settings: Of the method.
    """

    method: str
    batch_size: int
    precision: str = "float32"
    compile: bool = False
    settings: tuple[tuple[str, Any], ...] = ()


def measure(
    case: Speed,
    name: str,
    data: TrainingData,
    backbone: str,
    device: str,
    seconds: float,
    workers: int,
) -> dict[str, Any]:
    """Take steps for a while, and say how fast they are.

    Args:
        case: What is measured.
        name: What it is called.
        data: What is learned from.
        backbone: Spec of the network.
        device: Where.
        seconds: How long, once warm.
        workers: Processes of the plain loader.

    Returns:
        Plain values, among them `samples_per_second` and `outside_kernels`, the share of the time
        in which no kernel runs (None on a CPU).
    """
    place = torch.device(device)
    with torch_state(0, 0):
        started = perf_counter()
        step = (
            _plain(case, data, backbone, place, workers)
            if _is_plain(case)
            else _ours(case, data, backbone, device)
        )
        for _ in range(3):
            step()
        _wait(place)
        setup = perf_counter() - started
        # Longer runs of steps until the time is up: the wait at the end then weighs little.
        n_steps, begun = 0, perf_counter()
        while perf_counter() - begun < seconds:
            for _ in range(4):
                step()
            n_steps += 4
        _wait(place)
        each = (perf_counter() - begun) / n_steps
        busy = _kernel_seconds(step) if place.type == "cuda" else None
    return {
        "case": name,
        "batch_size": case.batch_size,
        "precision": case.precision,
        "compiled": case.compile,
        "backbone": backbone,
        "samples_per_second": round(case.batch_size / each, 1),
        "ms_per_step": round(1000 * each, 3),
        "outside_kernels": None if busy is None else round(max(0.0, 1.0 - busy / each), 4),
        "steps": n_steps,
        "setup_seconds": round(setup, 1),
    }


def _is_plain(case: Speed) -> bool:
    return case.method.startswith("plain step")


def _ours(case: Speed, data: TrainingData, backbone: str, device: str) -> Callable[[], None]:
    """A step as a run takes it: order, images, views, loss guard and optimiser."""
    from cad_studio.algorithms._base import ALGORITHMS

    config = TrainConfig(
        epochs=40, batch_size=case.batch_size, start="uniform", device=device,
        precision=case.precision, compile="on" if case.compile else "off",
    )  # fmt: skip
    settings = ALGORITHMS.get(case.method).config_type(**dict(case.settings))
    plan = Plan(case.method, backbone, config, settings)
    session = open_session(data, plan, Outside(), None, Silent(), lambda: None)
    session.algorithm.train()
    # Past every warm-up, as most epochs are.
    session.algorithm.begin_epoch(20)
    guard, chance = LossGuard(case.method), np.random.default_rng(0)

    def positions() -> Iterator[np.ndarray]:
        while True:
            order = chance.permutation(len(session.fit_rows))
            size = min(case.batch_size, len(order))
            yield from order[: len(order) // size * size].reshape(-1, size)

    parts = positions()

    def step() -> None:
        part = next(parts)
        rows = session.fit_rows[part]
        (images,) = session.inputs.batches([rows])
        take_step(session, part, images, lambda loss: guard.add(loss, 0, 0, rows.tolist()))

    return step


def _plain(
    case: Speed, data: TrainingData, backbone: str, device: torch.device, workers: int
) -> Callable[[], None]:
    """The step as one would write it down, given its views, or with a loader that makes them."""
    network = make_network(backbone, data.n_classes, image_px=data.side_px).to(device).train()
    plain = PlainStep(network)
    views = _PerImage(data)
    if "loader" not in case.method:
        batch = _moved(_joined([views[row] for row in range(case.batch_size)]), device)
        return lambda: _take(plain, batch)
    loader = DataLoader(
        views, case.batch_size, shuffle=True, num_workers=workers, collate_fn=_joined,
        drop_last=True, persistent_workers=workers > 0, pin_memory=device.type == "cuda",
    )  # fmt: skip

    def batches() -> Iterator[Batch]:
        while True:
            yield from loader

    endless = batches()
    return lambda: _take(plain, _moved(next(endless), device))


def _take(plain: PlainStep, batch: Batch) -> None:
    plain(batch)


class _PerImage(Dataset[dict[str, Tensor]]):
    """All views of one image, made one by one by torchvision's transforms."""

    def __init__(self, data: TrainingData) -> None:
        t = require("torchvision.transforms", "torchvision", "The plain loader")
        self._data = data
        side = data.side_px
        end = [t.ToTensor(), t.Normalize([0.5] * 3, [0.25] * 3)]
        crop = [t.RandomResizedCrop(side, (0.2, 1.0)), t.RandomHorizontalFlip()]
        jitter = t.RandomApply([t.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8)
        plain = [t.RandomCrop(side, 4, padding_mode="reflect"), t.RandomHorizontalFlip()]
        self._make = {
            "cls": t.Compose([*plain, *end]),
            "weak": t.Compose([*crop, *end]),
            "strong": t.Compose([*crop, jitter, *end]),
        }

    def __len__(self) -> int:
        return len(self._data.train_rows)

    def __getitem__(self, position: int) -> dict[str, Tensor]:
        from PIL import Image

        assert self._data.pixels is not None
        row = int(self._data.train_rows[position])
        image = Image.fromarray(self._data.pixels.image(row))
        candidates = torch.from_numpy(self._data.candidates.dense(np.array([row]))[0])
        guide = candidates.nonzero().squeeze(1)
        made = {
            name: torch.stack([make(image) for _ in range(len(guide))])
            for name, make in self._make.items()
        }
        return {
            "row": torch.tensor(position), "candidates": candidates, "guide": guide,
            "image": self._make["cls"](image), **made,
        }  # fmt: skip


def _joined(samples: list[dict[str, Tensor]]) -> Batch:
    counts = torch.tensor([len(sample["guide"]) for sample in samples])
    return Batch(
        row=torch.stack([sample["row"] for sample in samples]),
        candidates=torch.stack([sample["candidates"] for sample in samples]),
        views={"cls": torch.stack([sample["image"] for sample in samples])},
        source=torch.arange(len(samples)).repeat_interleave(counts),
        guide=torch.cat([sample["guide"] for sample in samples]),
        class_views={
            name: torch.cat([sample[name] for sample in samples])
            for name in ("cls", "weak", "strong")
        },
    )


def _moved(batch: Batch, device: torch.device) -> Batch:
    def there(value: Tensor | None) -> Tensor | None:
        return None if value is None else value.to(device, non_blocking=True)

    return Batch(
        row=batch.row.to(device),
        candidates=batch.candidates.to(device),
        views={name: value.to(device) for name, value in batch.views.items()},
        source=there(batch.source),
        guide=there(batch.guide),
        class_views={name: value.to(device) for name, value in (batch.class_views or {}).items()},
    )


def _kernel_seconds(step: Callable[[], None]) -> float:
    """Time in kernels of one step; there is one stream, so that none run at once."""
    from torch.profiler import ProfilerActivity, profile

    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as told:
        for _ in range(_PROFILED):
            step()
        torch.cuda.synchronize()
    kernels = [
        event.time_range.elapsed_us()
        for event in told.events()
        # Stretches with a name, such as the optimiser's step, hold the kernels below once more.
        if "CUDA" in str(event.device_type)
        and not getattr(event, "is_user_annotation", False)
        and not event.name.startswith(("Optimizer.", "ProfilerStep"))
    ]
    return sum(kernels) / 1e6 / _PROFILED


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
