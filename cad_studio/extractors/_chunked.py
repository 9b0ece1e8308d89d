"""Slow extractions in parts on disk, so that one that was stopped goes on later."""

import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import PixelSource, chunks
from cad_studio.core.progress import Progress
from cad_studio.core.replacing import replacing
from cad_studio.core.shards import Shard
from cad_studio.core.workers import Task, Workers

PART_SIZE = 2048
STEP = 256
"""Images between two reports; a part that is stopped in the middle is computed again."""


def in_parts(
    task: Task[Shard, NDArray[np.float32]],
    pixels: PixelSource,
    partial: Path,
    key: str,
    progress: Progress,
    workers: Workers,
) -> NDArray[np.float32]:
    """Compute features part by part and keep each finished part.

    Args:
        task: Some images to float32 (B, D), in order.
        pixels: N images.
        partial: Folder for the parts; made when missing.
        key: The extractor's key; parts of another key are not used.
        progress: Told after every step how far it is and how long it takes still.
        workers: Who computes.

    Returns:
        float32 (N, D).
    """
    partial.mkdir(parents=True, exist_ok=True)
    n_samples = len(pixels)
    name = sha256(f"{key}/{n_samples}/{PART_SIZE}".encode()).hexdigest()[:16]
    parts = {
        int(rows[0]): _Part(partial / f"{name}-{rows[0]:09d}.npy", rows)
        for rows in chunks(n_samples, PART_SIZE)
    }
    started, computed, seconds_left = time.monotonic(), 0, None
    done = sum(len(part.rows) for part in parts.values() if part.features is not None)

    def shards() -> Iterator[Shard]:
        for part in parts.values():
            if part.features is None:
                for at in range(0, len(part.rows), STEP):
                    yield Shard(pixels, part.rows[at : at + STEP])

    def take(shard: Shard, features: NDArray[np.float32]) -> None:
        nonlocal computed, done, seconds_left
        parts[int(shard.rows[0]) // PART_SIZE * PART_SIZE].take(features)
        computed, done = computed + len(features), done + len(features)
        seconds_left = (time.monotonic() - started) / computed * (n_samples - done)

    def tick() -> None:
        progress.report(done / n_samples, _words(done, n_samples, seconds_left))

    if done < n_samples:
        workers.run(task, shards(), take, tick)
    whole = [part.features for part in parts.values() if part.features is not None]
    return np.concatenate(whole) if whole else np.empty((0, 0), np.float32)


class _Part:
    """A part on its way, and on disk once it is whole."""

    def __init__(self, file: Path, rows: NDArray[np.int64]) -> None:
        self.rows = rows
        self.features = _read(file, len(rows))
        self._file = file
        self._steps: list[NDArray[np.float32]] = []

    def take(self, features: NDArray[np.float32]) -> None:
        """Add the next step."""
        self._steps.append(features)
        if sum(map(len, self._steps)) == len(self.rows):
            self.features = np.concatenate(self._steps)
            _write(self._file, self.features)
            self._steps = []


def _words(done: int, n_samples: int, seconds_left: float | None) -> str:
    told = ""
    if seconds_left is not None and done < n_samples:
        minutes = seconds_left / 60
        left = f"{minutes:.0f} min" if minutes > 1.5 else f"{max(1.0, seconds_left):.0f} s"
        told = f", about {left} left"
    return f"Features of {done:,} of {n_samples:,} images{told}"


def _read(file: Path, n_rows: int) -> NDArray[np.float32] | None:
    try:
        part = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return part if part.ndim == 2 and len(part) == n_rows else None


def _write(file: Path, part: NDArray[np.float32]) -> None:
    # Renamed when complete: a part that was cut off must not be taken for a finished one.
    with replacing(file) as unfinished, unfinished.open("wb") as stream:
        np.save(stream, part)
