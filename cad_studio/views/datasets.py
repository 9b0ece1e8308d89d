"""Datasets and their samples."""

from typing import Any, NotRequired

from typing_extensions import TypedDict

from cad_studio.views.pictures import NearView, SpriteView


class FieldValueView(TypedDict):
    """A value of a field, and how many samples have it."""

    value: Any
    n: int


class FieldView(TypedDict):
    """A field of the samples.

    Attributes:
        known: Samples with a value.
        values: The most frequent first; none of numbers and dates, which have `low` and `high`.
    """

    name: str
    kind: str
    known: int
    n_values: int
    values: list[FieldValueView]
    low: NotRequired[Any]
    high: NotRequired[Any]


class TagView(TypedDict):
    """A tag, and how many samples have it."""

    name: str
    n: int


class FieldsView(TypedDict):
    """The fields and tags of a dataset."""

    fields: list[FieldView]
    tags: list[TagView]


DistractorRowView = TypedDict(
    "DistractorRowView",
    {"class": str, "n": int, "distractor": str | None, "share": float | None},
)
"""The class that stands in most sets of a class, and its share of them."""


class DistractorsView(TypedDict):
    """The worst distractor of each class, by true labels.

    Attributes:
        threshold: Share from which on a distractor is a frequent one.
        carrying: Share of the classes that have one.
        warning: What that means for training; empty where nothing is wrong.
    """

    uses_true_labels: bool
    n_known: int
    classes: list[DistractorRowView]
    mean: float
    largest: float
    threshold: float
    carrying: float
    warning: str


HeldTogetherRowView = TypedDict(
    "HeldTogetherRowView",
    {"class": str, "n": int, "other": str | None, "share": float | None, "back": float | None},
)
"""The class that a class shares most sets with, and how often, both ways."""


class HeldTogetherView(TypedDict):
    """Which candidates are held together, by the sets alone."""

    uses_true_labels: bool
    about: str
    classes: list[HeldTogetherRowView]


class DatasetView(FieldsView):
    """A dataset in figures.

    Attributes:
        n: Samples.
        k: Classes.
        empty: Samples without candidates.
        singletons: Samples with one candidate.
        full: Samples whose set holds every class.
        truth_known: Samples whose true label is known.
        truth_in_candidates: Of them those whose set holds it.
        votes: Imported votes.
        image_size: Height, width and channels; None where they differ or there are no images.
        n_dims: Width of feature vectors.
        splits: Samples by split.
        size_histogram: Samples by number of candidates, from 0.
        made_by: How the current version came about, with `made_with`.
        report: What the import found.
    """

    name: str
    kind: str
    n: int
    k: int
    mean_candidates: float
    empty: int
    singletons: int
    full: int
    truth_known: int
    truth_in_candidates: int | None
    votes: int
    image_size: list[int] | None
    n_dims: int | None
    splits: dict[str, int]
    size_histogram: list[int]
    class_names: list[str]
    class_descriptions: dict[str, str]
    version: str
    version_number: int
    made_by: str
    made_with: dict[str, Any]
    source: str
    created_at: str
    report: dict[str, Any]
    worst_distractor: DistractorsView | None
    held_together: HeldTogetherView | None
    note: NotRequired[str]


class CoOccurrenceView(TypedDict):
    """How many samples hold both of two classes.

    Attributes:
        classes: Indices of the rows and columns.
        counts: The diagonal counts the samples that hold the class.
    """

    classes: list[int]
    counts: list[list[int]]
    n_classes: int


class SetModelView(TypedDict):
    """Which class is mistaken for which, by the sets alone.

    Attributes:
        classes: Indices of the rows and columns.
        table: Share of the sets of the row's class that hold the column's.
        weight: How many samples each row rests on.
    """

    uses_true_labels: bool
    classes: list[int]
    n_classes: int
    n_samples: int
    table: list[list[float]]
    weight: list[float]


class RowsView(TypedDict):
    """A part of a list of samples.

    Attributes:
        total: Samples that the filter lets through.
        candidates: The set of each as it is now, as class indices.
        similarity: Cosine of each with what is searched for; None without a search.
    """

    total: int
    offset: int
    rows: list[int]
    ids: list[str]
    candidates: list[list[int]]
    similarity: list[float] | None
    sprite: SpriteView | None


class VoteView(TypedDict):
    """An imported vote; the annotator is empty where nobody knows."""

    annotator: str
    label: int
    weight: float


class InstanceView(TypedDict):
    """One sample.

    Attributes:
        candidates: Its set, as class indices.
        before: Its set in the current version, where it is asked for as it is now.
        fields: Its values by name.
        truth: The true label, where it is known and was asked for.
    """

    row: int
    id: str
    split: str
    candidates: list[int]
    before: NotRequired[list[int]]
    votes: list[VoteView]
    fields: dict[str, Any]
    tags: list[str]
    truth_known: bool
    truth: NotRequired[int]


NeighboursView = NearView
