"""What a run learns from and is judged by."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN, PixelSource
from cad_studio.core.errors import SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.training.views import LARGE_PX

_DEFAULT_LARGE_PX = 224
_MEASURED_IMAGES = 2048
_MEASURED_PX = 64


@dataclass(frozen=True)
class TrainingData:
    """A dataset of N_all samples over C classes as training sees it.

    Candidates of test samples are never looked at, and the truth never by a method that does not
    say that it uses it.

    Attributes:
        candidates: N_all sets; none of a training sample is empty.
        train_rows: int64. Rows to learn from, two or more.
        test_rows: int64. Rows to be judged by; may be empty.
        pixels: The images, or None.
        features: float32 (N_all, D), finite, for a dataset without images.
        truth: int32 (N_all,), `UNKNOWN` where not known, or None.
        pairs: Name, such as `0.1`, to entangled test pairs, int64 (P, 2), dataset rows of known
            truth.
        image_px: Side the images are trained at; None takes the native side of small images and
            224 for others.
        class_names: C names, kept with the model.
    """

    candidates: PartialLabels
    train_rows: NDArray[np.int64]
    test_rows: NDArray[np.int64]
    pixels: PixelSource | None = None
    features: NDArray[np.float32] | None = None
    truth: NDArray[np.integer] | None = None
    pairs: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    image_px: int | None = None
    class_names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Check what training relies on.

        Raises:
            SettingError: Nothing to learn from, or a training sample without candidates.
        """
        if self.pixels is None and self.features is None:
            raise SettingError("Training needs images or feature vectors; the dataset has none.")
        if len(self.train_rows) < 2:
            raise SettingError(
                f"Training needs 2 samples or more, not {len(self.train_rows)}. "
                "Choose another split."
            )
        empty = np.flatnonzero(self.candidates.take(self.train_rows).sizes() == 0)
        if len(empty):
            raise SettingError(
                f"{len(empty)} of {len(self.train_rows)} training samples have no candidates "
                f"(first: row {self.train_rows[empty[0]]}). Give them some or leave them out."
            )

    @property
    def n_classes(self) -> int:
        """C."""
        return self.candidates.n_classes

    @property
    def side_px(self) -> int:
        """Side of the images a network is given."""
        if self.image_px is not None:
            return self.image_px
        return default_side_px(None if self.pixels is None else self.pixels.native_shape)

    @property
    def channels(self) -> int:
        """1 for images known to be grey, else 3."""
        shape = None if self.pixels is None else self.pixels.native_shape
        return 3 if shape is None else shape[2]

    def require_truth(self, rows: NDArray[np.int64], purpose: str) -> NDArray[np.int64]:
        """True labels of some rows, int64 (M,).

        Args:
            rows: int64 (M,).
            purpose: What needs them, as the subject of a sentence.

        Raises:
            SettingError: One is not known.
        """
        labels = np.full(len(rows), UNKNOWN) if self.truth is None else self.truth[rows]
        missing = np.flatnonzero(labels == UNKNOWN)
        if len(missing):
            raise SettingError(
                f"{purpose} needs true labels; {len(missing)} of {len(rows)} training samples "
                f"have none (first: row {rows[missing[0]]}). Choose another method."
            )
        return labels.astype(np.int64)


def measure_normalisation(
    pixels: PixelSource, rows: NDArray[np.int64], channels: int
) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel, over evenly spread images.

    Args:
        pixels: The images.
        rows: int64 (N,). Rows to look at; at most 2,048 of them are.
        channels: 1 or 3.

    Returns:
        Two lists of `channels` values on the scale of 0 to 1; the deviation is at least 0.01.
    """
    chosen = rows[np.linspace(0, len(rows) - 1, min(len(rows), _MEASURED_IMAGES)).astype(np.int64)]
    shape = pixels.native_shape
    small = shape is not None and max(shape[:2]) < LARGE_PX
    height, width = shape[:2] if small and shape is not None else (_MEASURED_PX, _MEASURED_PX)
    total, squares, count = np.zeros(channels), np.zeros(channels), 0
    for part in np.array_split(chosen, -(-len(chosen) // 256)):
        values = pixels.batch(part, height, width, channels).astype(np.float64) / 255.0
        total += values.sum(axis=(0, 1, 2))
        squares += (values**2).sum(axis=(0, 1, 2))
        count += values.size // channels
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 1e-4))
    return mean.tolist(), deviation.tolist()


def default_side_px(shape: tuple[int, ...] | None) -> int:
    """Side that images of a shape (H, W, channels), or of none in common, are trained at."""
    if shape is None or max(shape[:2]) >= LARGE_PX:
        return _DEFAULT_LARGE_PX
    return max(shape[:2])
