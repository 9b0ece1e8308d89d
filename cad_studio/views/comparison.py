"""Figures of runs, and runs held against each other."""

from typing import Any

from typing_extensions import TypedDict


class FigureView(TypedDict):
    """What a figure is.

    Attributes:
        oracle: Whether it takes true labels.
        better: 1 where more is better, -1 where less is, 0 where neither.
        rests_on: What two runs must share to be compared by it.
    """

    key: str
    title: str
    about: str
    oracle: bool
    better: int
    unit: str
    rests_on: str
    is_tile: bool


class ClosestView(TypedDict):
    """Figures on the closest pairs, by true labels."""

    instance_accuracy: float | None
    pair_accuracy: float | None
    swap_rate: float | None
    n: int
    n_pairs: int


class ChangesView(TypedDict):
    """Samples that two runs answer differently; `fixed` and `broken` take true labels."""

    fixed: int | None
    broken: int | None
    moved: int
    n: int


class ComparedRunView(TypedDict):
    """Who a compared run is."""

    run: int
    name: str
    method: str
    dataset: str
    data_version: str
    version_number: int | None
    seed: int


class SpreadView(TypedDict):
    """Over the seeds of equal runs."""

    n: int
    mean: float | None
    sd: float | None


class ComparedFigureView(FigureView):
    """A figure of each run; `differences` are from the first."""

    values: list[float | None]
    comparable: list[bool]
    differences: list[float | None]
    spread: list[SpreadView | None]


class ConfusionChangeView(TypedDict):
    """What changed in the matrix."""

    classes: list[int]
    class_names: list[str]
    counts: list[list[int]]


class ComparisonView(TypedDict):
    """Runs held against the first.

    Attributes:
        settings: Those that differ, a value per run.
        entangled: Figures on the closest pairs of each run, by their share in per cent.
        changes: Of the second run.
    """

    runs: list[ComparedRunView]
    split: str
    notes: list[str]
    settings: dict[str, list[Any]]
    figures: list[ComparedFigureView]
    entangled: dict[str, list[ClosestView | None]]
    changes: ChangesView | None
    confusion_change: ConfusionChangeView | None
