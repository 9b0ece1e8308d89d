"""Small data and plans for the tests of this room."""

from collections.abc import Callable

import numpy as np

from cad_studio.core.errors import JobCancelled
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.training.data import TrainingData
from cad_studio.training.plan import Plan
from cad_studio.training.settings import TrainConfig
from tests.array_pixels import ArrayPixels

N_CLASSES = 4
N_TRAIN, N_TEST = 96, 24
SIDE_PX = 20


def small_images(seed: int = 0, n_train: int = N_TRAIN, **changes: object) -> TrainingData:
    """Grey images whose brightness is their class, and candidates around it."""
    chance = np.random.default_rng(seed)
    n_samples = n_train + N_TEST
    truth = chance.integers(N_CLASSES, size=n_samples)
    shape = (n_samples, SIDE_PX, SIDE_PX, 1)
    # Brightness survives flips, crops and cut-outs.
    images = (60 * truth[:, None, None, None] + chance.integers(0, 50, shape)).astype(np.uint8)
    candidates = chance.random((n_samples, N_CLASSES)) < 0.4
    candidates[np.arange(n_samples), truth] = True
    rows = np.arange(n_samples)
    given = {
        "candidates": PartialLabels.from_dense(candidates),
        "train_rows": rows[:n_train],
        "test_rows": rows[n_train:],
        "pixels": ArrayPixels(images),
        "truth": truth.astype(np.int32),
    }
    return TrainingData(**{**given, **changes})


def small_plan(method: str = "proden", **changes: object) -> Plan:
    """A short run of a small network on one thread."""
    loop = {"epochs": 3, "batch_size": 16, "threads": 1, "device": "cpu", "hold_out": 0.1}
    return Plan(method, "resnet8", TrainConfig(**{**loop, **changes}), projection_width=16)


class StopsAfter:
    """Progress that asks to stop at the n-th report that meets a condition."""

    def __init__(self, n_reports: int, when: Callable[[str], bool] = lambda message: True) -> None:
        """Count the reports whose message meets `when`."""
        self._left = n_reports
        self._when = when

    def report(self, fraction: float, message: str) -> None:
        """Stop when it is time."""
        assert 0.0 <= fraction <= 1.0
        if self._when(message):
            self._left -= 1
            if self._left == 0:
                raise JobCancelled
