"""A network that looks at images: the next ones are decoded while it computes."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.cores import n_cores
from cad_studio.core.dataset import PixelSource
from cad_studio.extractors._engines import engine
from cad_studio.extractors._networks import looked_at
from cad_studio.extractors._options import Options

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

_MOST_DECODERS = 8


def looking(
    network: "nn.Module",
    stages: "Callable[[Tensor], list[Tensor]]",
    prepare: "Callable[[list[NDArray[np.uint8]]], Tensor]",
    options: Options,
    device: "torch.device",
    at_once: int,
) -> Callable[[PixelSource], NDArray[np.float32]]:
    """What maps images to features, a few at a time.

    Args:
        network: In evaluation mode, on its device.
        stages: Asks it, as of `engine`.
        prepare: Images uint8 (H, W, 3) to the network's input, float32 (B, 3, H, W).
        options: How images are looked at, and what computes.
        device: Where the network is.
        at_once: Images that go through it together.

    Returns:
        N images to float32 (N, D). Several threads may call it; they wait for each other.
    """
    import torch

    computed = engine(network, stages, options, device)
    alone = Lock()  # what listens to a network, and what computes it, holds one look at a time

    def look(pixels: PixelSource) -> NDArray[np.float32]:
        parts = []
        with alone, torch.inference_mode():
            for values in _decoded(pixels, prepare, at_once):
                parts.append(looked_at(values.to(device), computed, options).cpu().numpy())
        return np.concatenate(parts)

    return look


def _decoded(
    pixels: PixelSource, prepare: "Callable[[list[NDArray[np.uint8]]], Tensor]", at_once: int
) -> "Iterator[Tensor]":
    """The network's input, batch by batch, each made while the one before is looked at."""
    decoders = max(1, min(_MOST_DECODERS, n_cores() // 2))
    with ThreadPoolExecutor(decoders) as images, ThreadPoolExecutor(1) as batches:

        def made(rows: range) -> "Tensor":
            return prepare(list(images.map(pixels.image, rows)))

        starts = range(0, len(pixels), at_once)
        due = None
        for start in starts:
            rows = range(start, min(start + at_once, len(pixels)))
            following = batches.submit(made, rows)
            if due is not None:
                yield due.result()
            due = following
        if due is not None:
            yield due.result()
