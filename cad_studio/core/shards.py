"""Some images of a dataset: a view in this process, the images themselves in another."""

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import PixelSource


class Shard:
    """Some rows of a pixel source, as a pixel source of its own.

    Pickled, it takes the images of its rows along, as they are stored, and leaves the rest behind.
    """

    def __init__(self, source: PixelSource, rows: NDArray[np.int64]) -> None:
        """Look at `rows`, int64 (B,), of `source`."""
        self._source = source
        self.rows = rows

    def __len__(self) -> int:
        """B."""
        return len(self.rows)

    @property
    def native_shape(self) -> tuple[int, int, int] | None:
        """As that of the source."""
        return self._source.native_shape

    def image(self, row: int) -> NDArray[np.uint8]:
        """One image, uint8 (H, W, 3), by its place in the shard."""
        return self._source.image(int(self.rows[row]))

    def batch(
        self, rows: NDArray[np.integer], height: int, width: int, channels: int
    ) -> NDArray[np.uint8]:
        """Some images by their places in the shard, uint8 (B, height, width, channels)."""
        return self._source.batch(self.rows[rows], height, width, channels)

    def taken(self, rows: NDArray[np.integer]) -> PixelSource:
        """As `PixelSource.taken`."""
        return self._source.taken(self.rows[rows])

    def __reduce__(self) -> tuple[type["Shard"], tuple[PixelSource, NDArray[np.int64]]]:
        """What another process makes the shard of."""
        return Shard, (self._source.taken(self.rows), np.arange(len(self.rows)))
