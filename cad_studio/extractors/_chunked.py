"""Slow extractions in parts on disk, so that one that was stopped goes on later."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import chunks
from cad_studio.core.progress import Progress
from cad_studio.core.replacing import replacing

PART_SIZE = 2048


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
        progress: Told after every part.

    Returns:
        float32 (N, D).
    """
    partial.mkdir(parents=True, exist_ok=True)
    name = sha256(f"{key}/{n_samples}/{PART_SIZE}".encode()).hexdigest()[:16]
    parts = []
    for rows in chunks(n_samples, PART_SIZE):
        file = partial / f"{name}-{rows[0]:09d}.npy"
        part = _read(file, len(rows))
        if part is None:
            part = compute(rows)
            _write(file, part)
        parts.append(part)
        done = int(rows[-1]) + 1
        progress.report(done / n_samples, f"Features of {done:,} of {n_samples:,} images")
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)


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
