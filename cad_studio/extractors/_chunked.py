"""Slow extractions in parts on disk, so that one that was stopped goes on later."""

import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import chunks
from cad_studio.core.progress import Progress
from cad_studio.core.replacing import replacing

PART_SIZE = 2048
STEP = 256
"""Images between two reports; a part that is stopped in the middle is computed again."""


def in_parts(
    n_samples: int,
    compute: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    partial: Path,
    key: str,
    progress: Progress,
) -> NDArray[np.float32]:
    """Compute features part by part and keep each finished part.

    Args:
        n_samples: N.
        compute: Rows int64 (B,) to float32 (B, D).
        partial: Folder for the parts; made when missing.
        key: The extractor's key; parts of another key are not used.
        progress: Told after every step how far it is and how long it takes still.

    Returns:
        float32 (N, D).
    """
    partial.mkdir(parents=True, exist_ok=True)
    name = sha256(f"{key}/{n_samples}/{PART_SIZE}".encode()).hexdigest()[:16]
    parts, started, computed = [], time.monotonic(), 0
    for rows in chunks(n_samples, PART_SIZE):
        file = partial / f"{name}-{rows[0]:09d}.npy"
        part = _read(file, len(rows))
        if part is None:
            steps = []
            for at in range(0, len(rows), STEP):
                steps.append(compute(rows[at : at + STEP]))
                done = int(rows[0]) + min(at + STEP, len(rows))
                computed += len(steps[-1])
                if done <= rows[-1]:
                    left = (time.monotonic() - started) / computed * (n_samples - done)
                    progress.report(done / n_samples, _words(done, n_samples, left))
            part = np.concatenate(steps)
            _write(file, part)
        parts.append(part)
        done = int(rows[-1]) + 1
        left = (time.monotonic() - started) / max(computed, 1) * (n_samples - done)
        progress.report(done / n_samples, _words(done, n_samples, left))
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)


def _words(done: int, n_samples: int, seconds_left: float) -> str:
    minutes = seconds_left / 60
    left = f"{minutes:.0f} min" if minutes > 1.5 else f"{max(1.0, seconds_left):.0f} s"
    told = f", about {left} left" if done < n_samples else ""
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
