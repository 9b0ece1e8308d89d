"""Train an annotator on the truth and ask it about every sample."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from cad_studio.annotators._base import ANNOTATORS, AUTO, AnnotatorConfig, AnnotatorResult
from cad_studio.annotators._inputs import FeatureInputs, ImageInputs, Inputs
from cad_studio.annotators._truth import require_truth
from cad_studio.annotators.mlp import is_small_grey
from cad_studio.core.dataset import PixelSource, chunks
from cad_studio.core.errors import SettingError
from cad_studio.core.progress import Part, Progress, Silent

if TYPE_CHECKING:
    from torch import nn

EVALUATION_BATCH = 1024
STEPS_PER_REPORT = 8

Ask = Callable[[NDArray[np.integer]], NDArray[np.float32]]
"""Rows, integers (M,) -> the annotator's logits of them, float32 (M, C), in evaluation mode."""


class Watch(Protocol):
    """Looks at an annotator after each epoch and may say that it has learned enough.

    Looking changes nothing: a training that is watched to its end gives the logits of one that is
    not.
    """

    def __call__(self, epoch: int, ask: Ask) -> bool:
        """Whether to stop after this epoch, counted from 1."""


def train_annotator(
    pixels: PixelSource | None,
    features: NDArray[np.float32] | None,
    truth: NDArray[np.integer],
    train_rows: NDArray[np.integer],
    n_classes: int,
    config: AnnotatorConfig,
    seed: int,
    progress: Progress,
    device: str = "cpu",
    watch: Watch | None = None,
) -> AnnotatorResult:
    """Train on some rows and give the logits of all.

    On one machine and a CPU the same arguments give the same logits. The caller's torch seed and
    thread count are left as they were.

    Args:
        pixels: N images, or None; where both are given, images go before features.
        features: float32 (N, D), finite, or None.
        truth: integers (N,). 0 to C - 1 in the training rows; not looked at elsewhere.
        train_rows: integers (M,). Rows to learn from, 2 or more.
        n_classes: C.
        config: Which network, and how it is trained.
        seed: Random seed.
        progress: Told how far it is.
        device: Where torch computes.
        watch: Called after each epoch; may end the training.

    Raises:
        SettingError: The network does not take such inputs, there are fewer than two training
            rows, one of them has no known truth, or the training diverged.
        JobCancelled: The user asked to stop.
    """
    started = perf_counter()
    rows = np.asarray(train_rows, np.int64)
    name = choose_annotator(pixels, features, config.name)
    if len(rows) < 2:
        raise SettingError(f"An annotator learns from 2 labelled samples or more, not {len(rows)}.")
    require_truth(truth, n_classes, rows)
    with _torch_state(config.threads, seed):
        inputs = _open_inputs(name, pixels, features, rows, Part(progress, 0.0, 0.1))
        network = ANNOTATORS.get(name)().build(inputs.shape, n_classes).to(device)
        part = Part(progress, 0.1, 0.9)
        epochs = _fit(network, inputs, truth, rows, config, seed, part, device, watch)
        everything = np.arange(len(truth))
        logits = _evaluate(network, inputs, everything, Part(progress, 0.9, 1.0), device)
    if not np.isfinite(logits).all():
        raise SettingError(
            f"The annotator's training diverged at learning_rate {config.learning_rate}. "
            "Choose a smaller one."
        )
    accuracy = float((logits[rows].argmax(axis=1) == truth[rows]).mean())
    return AnnotatorResult(logits, accuracy, name, epochs, perf_counter() - started)


def epochs_made(config: AnnotatorConfig, n_rows: int) -> int:
    """Passes that a training makes over `n_rows` samples: the epochs, or those its steps need."""
    return max(config.epochs, -(-config.least_steps // _n_batches(config, n_rows)))


def choose_annotator(
    pixels: PixelSource | None, features: NDArray[np.float32] | None, name: str
) -> str:
    """The registered name that a setting stands for, given what there is to learn from.

    Raises:
        SettingError: There is no such annotator, nothing to learn from, or it needs images and
            there are none.
    """
    if pixels is None and features is None:
        raise SettingError("An annotator needs images or feature vectors; the dataset has none.")
    if name == AUTO:
        return "mlp" if pixels is None or is_small_grey(pixels.native_shape) else "cnn"
    if pixels is None and not ANNOTATORS.get(name).takes_features:
        raise SettingError(
            f"The {name} annotator needs images; the dataset holds feature vectors only. "
            "Choose mlp."
        )
    return name


def _open_inputs(
    name: str,
    pixels: PixelSource | None,
    features: NDArray[np.float32] | None,
    train_rows: NDArray[np.int64],
    progress: Progress,
) -> Inputs:
    if pixels is None:
        assert features is not None
        return FeatureInputs(features, train_rows)
    shape = ANNOTATORS.get(name)().image_shape(pixels.native_shape)
    return ImageInputs(pixels, shape, train_rows, progress)


def _fit(
    network: "nn.Module",
    inputs: Inputs,
    truth: NDArray[np.integer],
    rows: NDArray[np.int64],
    config: AnnotatorConfig,
    seed: int,
    progress: Progress,
    device: str,
    watch: Watch | None,
) -> int:
    """Train `network`; the epochs that were made."""
    import torch

    n_batches = _n_batches(config, len(rows))
    n_epochs = epochs_made(config, len(rows))
    n_steps = n_epochs * n_batches
    optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    # A stream of its own: callers draw the sets from one that starts at the bare seed.
    generator = np.random.default_rng((seed, 1))
    labels = np.asarray(truth, np.int64)

    def ask(some: NDArray[np.integer]) -> NDArray[np.float32]:
        return _evaluate(network, inputs, np.asarray(some, np.int64), Silent(), device)

    step = 0
    for epoch in range(n_epochs):
        network.train()
        for batch in np.array_split(generator.permutation(rows), n_batches):
            if step % STEPS_PER_REPORT == 0:
                message = f"Training the annotator, epoch {epoch + 1} of {n_epochs}"
                progress.report(step / n_steps, message)
            target = torch.from_numpy(labels[batch]).to(device)
            logits = network(inputs.batch(batch).to(device))
            loss = torch.nn.functional.cross_entropy(logits, target)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            step += 1
        if watch is not None and watch(epoch + 1, ask):
            return epoch + 1
    return n_epochs


def _n_batches(config: AnnotatorConfig, n_rows: int) -> int:
    # Rounding down keeps every batch at two or more, which BatchNorm needs.
    return max(1, n_rows // config.batch_size)


def _evaluate(
    network: "nn.Module",
    inputs: Inputs,
    rows: NDArray[np.int64],
    progress: Progress,
    device: str,
) -> NDArray[np.float32]:
    import torch

    parts = []
    network.eval()
    with torch.inference_mode():
        for part in chunks(len(rows), EVALUATION_BATCH):
            progress.report(part[0] / len(rows), "Asking the annotator")
            parts.append(network(inputs.batch(rows[part]).to(device)).float().cpu().numpy())
    return np.concatenate(parts)


@contextmanager
def _torch_state(threads: int, seed: int) -> Iterator[None]:
    """A seed and a thread count of our own, the caller's afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        # Only the CPU generator is seeded: networks are initialised there.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)
