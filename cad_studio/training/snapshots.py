"""The belief over the candidates at chosen epochs, kept small.

Only the candidates' entries are kept, as float16, sample after sample and class after class: for
60,000 samples with 4 candidates each 0.5 MB.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.replacing import RESUME, replacing

_PREFIX = "belief-"


class Snapshots:
    """The kept beliefs of one run, one file for each epoch."""

    def __init__(self, folder: Path) -> None:
        """Keep them in `folder`, which is made when needed."""
        self._folder = folder

    def save(self, epoch: int, belief: NDArray[np.float32], candidates: NDArray[np.bool_]) -> None:
        """Keep the belief after an epoch; replaces one of the same epoch.

        Args:
            epoch: From 0.
            belief: float32 (N, C).
            candidates: bool (N, C).

        Raises:
            StorageError: The disk is full.
        """
        file = self._file(epoch)
        with replacing(file, RESUME) as unfinished, unfinished.open("wb") as stream:
            np.save(stream, belief[candidates].astype(np.float16))

    def epochs(self) -> list[int]:
        """Epochs there is a belief of, ascending."""
        files = self._folder.glob(f"{_PREFIX}*.npy")
        return sorted(int(file.stem.removeprefix(_PREFIX)) for file in files)

    def load(self, epoch: int) -> NDArray[np.float16]:
        """The kept entries, float16 (sum of the set sizes,), memory-mapped."""
        return np.load(self._file(epoch), mmap_mode="r", allow_pickle=False)

    def of(self, position: int, candidates: PartialLabels) -> dict[int, list[float]]:
        """How the belief about one sample went.

        Args:
            position: Among the training samples.
            candidates: The sets of all training samples, in that order.

        Returns:
            Candidate to its belief at each of `epochs`.
        """
        sizes = candidates.sizes()
        first = int(sizes[:position].sum())
        part = slice(first, first + int(sizes[position]))
        rows = [self.load(epoch)[part].tolist() for epoch in self.epochs()]
        classes = candidates.of(position)
        return {name: [row[place] for row in rows] for place, name in enumerate(classes)}

    def _file(self, epoch: int) -> Path:
        return self._folder / f"{_PREFIX}{epoch:06d}.npy"
