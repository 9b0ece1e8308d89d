"""Images or vectors on the way to the training device."""

from collections.abc import Iterator, Sequence
from math import prod
from multiprocessing import get_all_start_methods
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cad_studio.core.dataset import PixelSource, chunks
from cad_studio.core.progress import Progress
from cad_studio.training.data import TrainingData
from cad_studio.training.views import LARGE_PX

RESIDENT_BYTES = 2 << 30
"""Datasets up to this size are kept on the training device."""

_READ_AT_ONCE = 4096
LARGE_MARGIN = 256 / 224
"""Larger images are read with a margin, of which views are cropped: its share of the side."""


class Inputs(Protocol):
    """N_all images or vectors, given out in batches."""

    def batches(self, parts: Sequence[NDArray[np.int64]]) -> Iterator[Tensor]:
        """One tensor for each array of rows, in that order, on the training device.

        Images are uint8 (B, H, W, 1 or 3), vectors float32 (B, D).
        """


class Resident:
    """Everything on the device already."""

    def __init__(self, values: Tensor) -> None:
        """Hold uint8 (N_all, H, W, 1 or 3) or float32 (N_all, D), on the device."""
        self._values = values

    def batches(self, parts: Sequence[NDArray[np.int64]]) -> Iterator[Tensor]:
        """One tensor for each array of rows."""
        for rows in parts:
            place = torch.from_numpy(rows).to(self._values.device, non_blocking=True)
            yield self._values[place]


class Streamed:
    """Images read, and decoded in other processes, as they are needed."""

    def __init__(
        self, pixels: PixelSource, side_px: int, channels: int, n_workers: int, device: torch.device
    ) -> None:
        """Give images of one size.

        Args:
            pixels: The images.
            side_px: Side they are resized to.
            channels: 1 or 3.
            n_workers: Processes that decode; 0 decodes here. Images that only have to be copied
                out of memory are always read here.
            device: Where they go.
        """
        self._reader = _Reader(pixels, side_px, channels)
        is_ready = pixels.native_shape == (side_px, side_px, channels)
        can_fork = "fork" in get_all_start_methods()
        self._n_workers = n_workers if can_fork and not is_ready else 0
        self._device = device

    def batches(self, parts: Sequence[NDArray[np.int64]]) -> Iterator[Tensor]:
        """One tensor for each array of rows."""
        if not parts:
            return
        n_workers = min(self._n_workers, len(parts))
        loader: DataLoader[Tensor] = DataLoader(
            self._reader,
            batch_size=None,
            sampler=parts,  # type: ignore[arg-type]
            num_workers=n_workers,
            multiprocessing_context="fork" if n_workers else None,
            pin_memory=self._device.type == "cuda",
            # Its own generator: a loader otherwise draws from torch's, and a resumed run differs.
            generator=torch.Generator(),
        )
        for images in loader:
            yield images.to(self._device, non_blocking=True)


class _Reader(Dataset[Tensor]):
    def __init__(self, pixels: PixelSource, side_px: int, channels: int) -> None:
        self._pixels, self._side_px, self._channels = pixels, side_px, channels

    def __getitem__(self, rows: NDArray[np.int64]) -> Tensor:
        side = self._side_px
        return torch.from_numpy(self._pixels.batch(rows, side, side, self._channels))


def open_inputs(
    data: TrainingData, device: torch.device, n_workers: int, progress: Progress
) -> Inputs:
    """Make a dataset ready to be trained on: on the device where it fits, streamed where not.

    Images of 96 px and more are kept with a margin, of which views are cropped.

    Args:
        data: The dataset.
        device: Where batches are wanted.
        n_workers: Processes that decode images that do not fit.
        progress: Told how far the reading is.
    """
    if data.pixels is None:
        assert data.features is not None
        learned_from = data.features[data.train_rows]
        scaled = (data.features - learned_from.mean(axis=0)) / (learned_from.std(axis=0) + 1e-6)
        return Resident(torch.from_numpy(np.asarray(scaled, np.float32)).to(device))
    shape = stored_shape(data)
    side = shape[1]
    # Decoding once and for all pays wherever the pixels fit.
    if not is_kept(data):
        return Streamed(data.pixels, side, data.channels, n_workers, device)
    values = torch.empty(shape, dtype=torch.uint8, device=device)
    reader = _Reader(data.pixels, side, data.channels)
    for rows in chunks(len(data.pixels), _READ_AT_ONCE):
        progress.report(rows[0] / len(data.pixels), "Reading images")
        values[int(rows[0]) : int(rows[-1]) + 1] = reader[rows].to(device)
    return Resident(values)


def stored_shape(data: TrainingData) -> tuple[int, int, int, int]:
    """(N_all, side, side, channels) of all images as views are made of them."""
    assert data.pixels is not None
    side = data.side_px
    if side >= LARGE_PX:
        side = round(side * LARGE_MARGIN)
    return len(data.pixels), side, side, data.channels


def is_kept(data: TrainingData) -> bool:
    """Whether all inputs stay on the training device, rather than being read again and again."""
    return data.pixels is None or prod(stored_shape(data)) <= RESIDENT_BYTES
