"""Feature vectors from a file that somebody computed elsewhere."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import PixelSource
from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.progress import Progress
from cad_studio.core.workers import ALONE, Workers
from cad_studio.extractors._base import EXTRACTORS, to_unit_length


@EXTRACTORS.register("npy")
class NpyFile:
    """One vector per sample, in the order of the dataset, from a NumPy `.npy` file."""

    argument_hint = "FILE"

    def __init__(self, argument: str) -> None:
        """Take the path of the file."""
        self._path = Path(argument).expanduser()

    def describe(self) -> str:
        """One line for the user."""
        shape = self._open().shape
        return f"{shape[1]} numbers a sample from {self._path.name}"

    def key(self) -> str:
        """The hash of the file's content, so that a changed file is another extractor."""
        self._open()
        with self._path.open("rb") as file:
            return f"npy/1/{hashlib.file_digest(file, 'sha256').hexdigest()}"

    def extract(
        self,
        pixels: PixelSource | None,
        raw: NDArray[np.float32] | None,
        progress: Progress,
        partial: Path,
        workers: Workers = ALONE,
    ) -> NDArray[np.float32]:
        """As `Extractor.extract`.

        Raises:
            DatasetFormatError: The file is no table of numbers, or its rows are not one per
                sample, finite and different from zero.
        """
        features = self._open()
        source = pixels if pixels is not None else raw
        if source is not None and len(features) != len(source):
            raise DatasetFormatError(
                f"{self._path.name} has {len(features)} rows; the dataset has {len(source)} "
                "samples. Give one row per sample, in the order of the dataset."
            )
        progress.report(0.5, f"Reading {self._path.name}")
        return to_unit_length(np.array(features, np.float32), f"vectors of {self._path.name}")

    def _open(self) -> NDArray[np.floating]:
        try:
            array = np.load(self._path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError as error:
            raise DatasetFormatError(f"{self._path}: there is no such file.") from error
        except (OSError, ValueError, EOFError) as error:
            raise DatasetFormatError(
                f"{self._path} is not a readable .npy file of numbers. "
                "Write it with numpy.save, without objects."
            ) from error
        if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "fiu":
            raise DatasetFormatError(
                f"{self._path.name} does not hold a matrix of real numbers; expected shape (N, D)."
            )
        if 0 in array.shape:
            raise DatasetFormatError(f"{self._path.name} has shape {array.shape}: it is empty.")
        return array
