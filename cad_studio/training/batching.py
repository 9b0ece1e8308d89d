"""From stored images to the batch a method is given."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cad_studio.algorithms._base import Algorithm, Batch
from cad_studio.training.precision import computing_in
from cad_studio.training.views import Views


def make_batch(
    algorithm: Algorithm,
    positions: Tensor,
    inputs: Tensor,
    views: Views | None,
    generator: torch.Generator,
    truth: Tensor | None,
) -> Batch:
    """Put together what one step needs, and nothing it does not ask for.

    Args:
        algorithm: Says which views and class views it reads, and edits the latter.
        positions: int64 (B,). In the training data, on the CPU.
        inputs: uint8 (B, H, W, 1 or 3), or float32 (B, D) without `views`, on the device.
        views: Makes the views; None for vectors, of which a view drops some features.
        generator: Where the views' chance comes from, on the CPU.
        truth: int64 (N,), for methods that use it; None for all others.
    """
    device = inputs.device
    row = positions.to(device, non_blocking=True)
    candidates = algorithm.candidates[row]
    labels = None if truth is None else truth[row]
    if views is None:
        given = {name: feature_view(name, inputs, generator) for name in algorithm.view_names}
        return Batch(row=row, candidates=candidates, views=given, truth=labels)
    images = views.unit(inputs)
    made = {name: views.make(name, images, generator) for name in algorithm.view_names}
    if not algorithm.class_view_names:
        return Batch(row=row, candidates=candidates, views=made, truth=labels)
    source, guide = algorithm.choose_class_views(positions)
    edited = algorithm.edit(images, positions, source, guide)
    class_views = {name: views.make(name, edited, generator) for name in algorithm.class_view_names}
    return Batch(
        row=row,
        candidates=candidates,
        views=made,
        source=source.to(device, non_blocking=True),
        guide=guide.to(device, non_blocking=True),
        class_views=class_views,
        truth=labels,
    )


DROPPED = {"weak": 0.1, "strong": 0.3}
"""Share of the features that a view of vectors loses; `cls` loses none."""


def feature_view(name: str, vectors: Tensor, generator: torch.Generator) -> Tensor:
    """One random view of each vector: some of its features are set to their mean, which is 0.

    Args:
        name: `cls`, `weak` or `strong`.
        vectors: float32 (B, D), every feature of mean 0 over the training samples.
        generator: Random generator, on the CPU.
    """
    share = DROPPED.get(name, 0.0)
    if not share:
        return vectors
    kept = torch.rand(vectors.shape, generator=generator).ge_(share)
    return vectors * kept.to(vectors.device, non_blocking=True) / (1.0 - share)


def epoch_order(n_samples: int, batch_size: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The batches of one epoch: positions in random order, what does not fill a batch left out.

    It depends on nothing but the arguments, so that a resumed epoch goes on where it was.

    Args:
        n_samples: N.
        batch_size: B; where it is above N all samples make one batch.
        seed: Of the run.
        epoch: From 0.

    Returns:
        int64 (steps, B).
    """
    size = min(batch_size, n_samples)
    order = np.random.default_rng((seed, 1, epoch)).permutation(n_samples)
    n_steps = n_samples // size
    return order[: n_steps * size].reshape(n_steps, size)


def plain_inputs(inputs: Tensor, views: Views | None) -> Tensor:
    """Inputs as they are tested: float32, normalised, without chance."""
    return inputs if views is None else views.plain(views.unit(inputs))


@torch.inference_mode()
def ask(
    network: nn.Module,
    read: Callable[[Tensor], Tensor],
    batches: Iterator[Tensor],
    views: Views | None,
    precision: str,
) -> Iterator[NDArray[np.float32]]:
    """What a network in evaluation mode says of un-augmented inputs, batch by batch.

    Args:
        network: Is put into evaluation mode, and back into the mode it was in at the end.
        read: What is wanted of it, such as its logits: inputs to float (B, width).
        batches: As `Inputs.batches` gives them.
        views: Normalises images; None for vectors.
        precision: `float32` or `bf16`.

    Yields:
        float32 (B, width).
    """
    was_training = network.training
    network.eval()
    try:
        for inputs in batches:
            with computing_in(precision, inputs.device):
                out = read(plain_inputs(inputs, views))
            yield out.float().cpu().numpy()
    finally:
        network.train(was_training)
