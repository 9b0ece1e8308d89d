"""A partial-label dataset, as a reader finds it and as everything else sees it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.understanding import Understanding

UNKNOWN = -1
"""The label index that stands for "not known"."""


class Images(Protocol):
    """N images that are read one at a time; never all decoded in memory."""

    def __len__(self) -> int:
        """N."""

    def read(self, row: int) -> bytes | NDArray[np.uint8]:
        """One image: its encoded file as bytes, or pixels uint8 (H, W) or (H, W, 3).

        Raises:
            OSError: The file cannot be read.
        """


@dataclass(frozen=True)
class Votes:
    """Which annotator gave which sample which label, one entry per vote (M votes).

    Attributes:
        sample: int32 (M,). Row of the sample.
        annotator: int32 (M,). Index into `annotators`; `UNKNOWN` where it is not known who.
        label: int32 (M,). Class index.
        annotators: Names.
        weight: float32 (M,), above 0. How many votes, or which share of them, an entry stands
            for; None where each is one vote.
        threshold: Share of a sample's votes that made a class a candidate; 0 is any vote.
    """

    sample: NDArray[np.int32]
    annotator: NDArray[np.int32]
    label: NDArray[np.int32]
    annotators: list[str]
    weight: NDArray[np.float32] | None = None
    threshold: float = 0.0

    @classmethod
    def of_rows(cls, rows: Sequence[tuple[int, int, int, float]], annotators: list[str]) -> "Votes":
        """From one (sample, annotator, label, weight) for each vote."""
        columns = np.asarray(rows, np.float64).reshape(-1, 4).T
        sample, annotator, label = columns[:3].astype(np.int32)
        weight = columns[3].astype(np.float32)
        return cls(sample, annotator, label, annotators, None if (weight == 1).all() else weight)

    def take(self, kept: NDArray[np.bool_] | NDArray[np.integer]) -> "Votes":
        """Some of the votes: bool (M,), or their places, in that order."""
        weight = None if self.weight is None else self.weight[kept]
        return replace(
            self, sample=self.sample[kept], annotator=self.annotator[kept],
            label=self.label[kept], weight=weight,
        )  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """One sample that cannot be imported as it stands.

    Attributes:
        kind: One of the keys of `PROBLEM_KINDS`.
        row: Position in the source, 0 to N - 1.
        message: What is wrong and where, e.g. `metadata.csv, line 7: 'cot' is not ...`.
    """

    kind: str
    row: int
    message: str


PROBLEM_KINDS = {
    "empty-set": "empty candidate sets",
    "unknown-class": "labels that are no known class",
    "unreadable-image": "unreadable images",
    "duplicate-id": "ids used twice",
    "non-finite": "feature vectors with NaN or infinity",
    "length-mismatch": "samples without a counterpart",
}
"""Problem kinds and what they are called in a report, in the plural."""


@dataclass
class SourceDataset:
    """What a reader found: N samples over C classes, images still unread.

    Attributes:
        class_names: C names, in the order of the indices.
        ids: N stable, readable ids, e.g. `train/00042` or a relative file name.
        splits: N names such as `train` and `test`.
        candidates: The sets, or None when the source is only labelled.
        truth: int32 (N,), `UNKNOWN` where not known, or None.
        images: None for a dataset of feature vectors alone.
        features: float32 (N, D), or None.
        votes: Who said what, or None.
        class_descriptions: Free text by class name; may be empty.
        problems: Samples that cannot be imported as they stand.
        understanding: How the source was read, and what of it is left out.
        fields: N values as written by name, of every further column of the source (camera,
            patient, date); None where a sample has none. What kind each is, `core.fields` finds
            out.
    """

    class_names: list[str]
    ids: list[str]
    splits: list[str]
    candidates: PartialLabels | None = None
    truth: NDArray[np.int32] | None = None
    images: Images | None = None
    features: NDArray[np.float32] | None = None
    votes: Votes | None = None
    class_descriptions: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    understanding: Understanding = field(default_factory=Understanding)
    fields: dict[str, Sequence[object]] = field(default_factory=dict)


class PixelSource(Protocol):
    """Decoded pixels of a stored dataset, by row, in batches.

    What extractors, annotators and viewers are given. One shape for all images is not promised;
    `batch` resizes to what the caller asks for.
    """

    def __len__(self) -> int:
        """N."""

    @property
    def native_shape(self) -> tuple[int, int, int] | None:
        """(H, W, channels 1 or 3) when all images share it, else None."""

    def image(self, row: int) -> NDArray[np.uint8]:
        """One image as stored, uint8 (H, W, 3), RGB."""

    def batch(
        self, rows: NDArray[np.integer], height: int, width: int, channels: int
    ) -> NDArray[np.uint8]:
        """Some images, uint8 (B, height, width, channels).

        Resized by bilinear interpolation where the native size differs; `channels` is 1 (luma)
        or 3 (RGB).
        """

    def taken(self, rows: NDArray[np.integer]) -> "PixelSource":
        """A source of these rows alone, in this order, that can be sent to another machine."""


def chunks(n_samples: int, size: int) -> Iterator[NDArray[np.int64]]:
    """All rows in order, in runs of at most `size`, each int64 (B,)."""
    for start in range(0, n_samples, size):
        yield np.arange(start, min(start + size, n_samples))
