"""Some samples of a dataset as a smaller one."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import PixelSource
from cad_studio.training.data import TrainingData
from cad_studio.training.opening import Outside


@dataclass(frozen=True)
class ChosenPixels:
    """The images of some rows of a source, in that order.

    Attributes:
        source: All images.
        rows: int64 (M,).
    """

    source: PixelSource
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        """M."""
        return len(self.rows)

    @property
    def native_shape(self) -> tuple[int, int, int] | None:
        """As the source's."""
        return self.source.native_shape

    def image(self, row: int) -> NDArray[np.uint8]:
        """One image as stored, uint8 (H, W, 3), RGB."""
        return self.source.image(int(self.rows[row]))

    def batch(
        self, rows: NDArray[np.integer], height: int, width: int, channels: int
    ) -> NDArray[np.uint8]:
        """Some images, uint8 (B, height, width, channels)."""
        return self.source.batch(self.rows[rows], height, width, channels)


def take_subset(
    data: TrainingData, rows: NDArray[np.int64], outside: Outside
) -> tuple[TrainingData, Outside]:
    """Training on some samples only, with nothing to be judged by.

    Args:
        data: All samples.
        rows: int64 (M,), two or more, all of them to be learned from.
        outside: Of its parts only the edits are taken along; the first belief is uniform.

    Returns:
        Data of M samples, whose rows are 0 to M - 1, and what belongs to it.
    """
    stored = outside.edits
    part = replace(
        data,
        candidates=data.candidates.take(rows),
        train_rows=np.arange(len(rows)),
        test_rows=np.arange(0),
        pixels=None if data.pixels is None else ChosenPixels(data.pixels, rows),
        features=None if data.features is None else data.features[rows],
        truth=None if data.truth is None else data.truth[rows],
        pairs={},
    )
    edits = None if stored is None else (lambda row, guide: stored(rows[row], guide))
    return part, Outside(edits=edits)
