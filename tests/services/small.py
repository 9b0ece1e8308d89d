"""Small datasets for the tests of the services, made on the spot."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions
from cad_studio.services.container import Services

# Text that breaks a file format, a page or a terminal that does not quote it.
NASTY = [
    "${alert(1)}<img src=x onerror=alert(1)>",
    "\"quoted\", 'twice'",
    "two\nlines",
    "a|b",
    "Ärger 猫 🐈",
    "=SUM(A1)",
    "[1, 2]",
    "0",
]

_OF_THE_DATABASE = {".db", ".db-wal", ".db-shm", ".lock"}


def save(path: Path, **arrays: Any) -> Path:
    """Write an `.npz`; what is None is left out."""
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


def store(
    services: Services, source: object, name: str = "pets", skip_bad: bool = False, **options: Any
) -> dict[str, Any]:
    """Import a source."""
    return services.importing.import_source(
        str(source), name, ReadOptions(**options), skip_bad, Silent()
    )


def sets(n_samples: int, n_classes: int, truth: np.ndarray, seed: int) -> np.ndarray:
    """Random candidate sets that hold the truth, bool (N, C)."""
    dense = np.random.default_rng(seed).random((n_samples, n_classes)) < 0.4
    dense[np.arange(n_samples), truth] = True
    return dense


def blobs_in(folder: Path) -> dict[str, float]:
    """Every file of a project but its database, number and locks, with its time of change."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in _OF_THE_DATABASE and path.name != "project.json"
    }


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """Random pixels or numbers, uint8 of this shape."""
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def picture_folder(folder: Path, arrays: list[np.ndarray]) -> Path:
    """A folder of PNG files 0.png, 1.png, ... labelled a, b, a, ... in its metadata.csv."""
    folder.mkdir()
    lines = ["file_name,label"]
    for row, pixels in enumerate(arrays):
        Image.fromarray(pixels).save(folder / f"{row}.png")
        lines.append(f"{row}.png,{'ab'[row % 2]}")
    (folder / "metadata.csv").write_text("\n".join(lines))
    return folder
