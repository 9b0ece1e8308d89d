"""A dataset's own feature vectors, brought to unit length and not changed otherwise."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import PixelSource
from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.progress import Progress
from cad_studio.core.workers import ALONE, Workers
from cad_studio.extractors._base import EXTRACTORS, to_unit_length


@EXTRACTORS.register("raw")
class Raw:
    """The vectors that came with the dataset; no centring and no scaling of columns."""

    argument_hint = ""

    def __init__(self, argument: str) -> None:
        """Take no argument."""

    def describe(self) -> str:
        """One line for the user."""
        return "the dataset's own vectors"

    def key(self) -> str:
        """Nothing but the name: the vectors belong to the dataset."""
        return "raw/1"

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
            DatasetFormatError: There are no vectors, or one is zero or not finite.
        """
        if raw is None:
            raise DatasetFormatError(
                "raw needs a dataset with feature vectors, and this one has images only. "
                "Use pixels or torchvision:resnet18."
            )
        return to_unit_length(np.array(raw, np.float32), "feature vectors")
