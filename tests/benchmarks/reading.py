"""Time reading a memory-mapped dataset, and making views of it, against training; print JSON.

    python -m tests.benchmarks.reading [--samples 60000] [--batch 64] [--threads 2]

The images lie in one file, as a project keeps them, and are read batch by batch in random order,
as is done with datasets too large for memory. `reading_per_second` is that alone; with
`views_per_second` all views that a step needs are made of them, too; `training_per_second` is the
whole step of `resnet8`, the fastest network there is. All in samples, by wall clock, the median of
many batches. Reading is no limit where `limit_share`, the part of a training step that waits for
pixels, is small.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch

from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Silent
from cad_studio.store.pixels import MappedPixels
from cad_studio.training import inputs as inputs_room
from cad_studio.training.batching import epoch_order, make_batch
from cad_studio.training.data import TrainingData
from cad_studio.training.opening import Outside, open_session
from cad_studio.training.plan import Plan
from cad_studio.training.session import Session
from cad_studio.training.settings import TrainConfig
from cad_studio.training.step import take_step
from cad_studio.training.torch_state import keep_freed_memory

N_CLASSES, MEAN_SET = 10, 3.74
SHAPES = {"grey": (28, 28, 1), "colour": (32, 32, 3)}
METHODS = ("proden", "cad-cam")


def mapped_data(folder: Path, n_samples: int, shape: tuple[int, int, int]) -> TrainingData:
    """Random images in one memory-mapped file, with candidates of the usual number."""
    chance = np.random.default_rng(0)
    file = folder / "pixels.npy"
    np.save(file, chance.integers(0, 256, (n_samples, *shape), dtype=np.uint8))
    dense = chance.random((n_samples, N_CLASSES)) < (MEAN_SET - 1) / (N_CLASSES - 1)
    dense[np.arange(n_samples), chance.integers(N_CLASSES, size=n_samples)] = True
    rows = np.arange(n_samples)
    pixels = MappedPixels(np.load(file, mmap_mode="r"))
    return TrainingData(PartialLabels.from_dense(dense), rows, rows[:0], pixels)


def per_second(session: Session, batch_size: int, n_batches: int, use: Callable[..., Any]) -> float:
    """Samples per second of reading batches and using them, by the median batch."""
    order = epoch_order(len(session.fit_rows), batch_size, 0, 0)[:n_batches]
    taken, started = [], perf_counter()
    for part, images in zip(order, session.inputs.batches(list(order)), strict=True):
        use(part, images)
        taken.append(perf_counter() - started)
        started = perf_counter()
    # The first batches set up memory.
    return batch_size / median(taken[3:])


def measure(method: str, data: TrainingData, batch_size: int, n_batches: int) -> dict[str, Any]:
    """Reading alone, with views, and with the whole step."""
    config = TrainConfig(epochs=100, batch_size=batch_size, hold_out=0.0, device="cpu")
    plan = Plan(method, "resnet8", config)
    if method == "cad-cam":
        # Maps from the start, so that the views are made as in most epochs.
        plan = replace(plan, settings=replace(plan.settings, warm_up_epochs=0))
    session = open_session(data, plan, Outside(), None, Silent(), lambda: None)
    assert isinstance(session.inputs, inputs_room.Streamed)
    algorithm = session.algorithm.train()
    algorithm.begin_epoch(2)

    def views(part: np.ndarray, images: torch.Tensor) -> None:
        row = torch.from_numpy(part)
        make_batch(algorithm, row, images, session.views, session.view_chance, None)

    reading = per_second(session, batch_size, 20 * n_batches, lambda part, images: None)
    made = per_second(session, batch_size, n_batches, views)
    training = per_second(
        session,
        batch_size,
        n_batches,
        lambda part, images: take_step(session, part, images, lambda loss: None),
    )
    return {
        "reading_per_second": round(reading),
        "views_per_second": round(made),
        "training_per_second": round(training),
        "limit_share": round(training / reading, 4),
        "views_share": round(training / made, 4),
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=60_000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    # As every run does.
    keep_freed_memory()
    # Nothing is small enough to be kept in memory, so that all is read batch by batch.
    inputs_room.RESIDENT_BYTES = 0
    report: dict[str, Any] = {"threads": options.threads}
    for kind, shape in SHAPES.items():
        with tempfile.TemporaryDirectory() as folder:
            data = mapped_data(Path(folder), options.samples, shape)
            for method in METHODS:
                report[f"{kind} {method}"] = measure(method, data, options.batch, options.batches)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
