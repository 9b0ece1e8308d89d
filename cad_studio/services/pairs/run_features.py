"""What a finished run gives its last layer, as features for heads, neighbours and pairs."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import PixelSource
from cad_studio.core.errors import SettingError
from cad_studio.core.progress import Progress
from cad_studio.core.workers import ALONE, Workers
from cad_studio.extractors._base import to_unit_length
from cad_studio.services.diagnosis.predictions import PredictionService
from cad_studio.services.pairs.mining import OF_A_RUN


class RunFeatures:
    """The features of one run on a dataset, as an `Extractor`.

    A run that learned from candidate sets may teach another one. One that saw true labels may not:
    they would reach what is trained on its features.
    """

    argument_hint = "ID of a finished run"

    def __init__(self, predictions: PredictionService, name: str, spec: str) -> None:
        """Check what `spec` names.

        Raises:
            SettingError: It is not a number, the run is on other data, or it saw true labels.
            RecordNotFoundError: There is no such run, or it has no model yet.
        """
        number = spec.removeprefix(OF_A_RUN)
        if not number.isdecimal():
            raise SettingError(f"{spec!r:.40}: name a run by its number, e.g. run:8.")
        self._predictions, self._number = predictions, int(number)
        self._key = predictions.key_for_features(name, self._number)

    def describe(self) -> str:
        """One line for the user."""
        return f"features of run {self._number}"

    def key(self) -> str:
        """The run's model, and what it was asked about."""
        return f"run/1/{self._key}"

    def extract(
        self,
        pixels: PixelSource | None,
        raw: NDArray[np.float32] | None,
        progress: Progress,
        partial: Path,
        workers: Workers = ALONE,
    ) -> NDArray[np.float32]:
        """As `Extractor.extract`; the run is asked about its dataset unless that was done."""
        found = self._predictions.prepare(self._number, progress)
        return to_unit_length(np.array(found.features, np.float32), self.describe())
