"""What a run confuses, on which samples, and why."""

from typing import NotRequired

from typing_extensions import TypedDict

from cad_studio.views.comparison import ChangesView, ClosestView, FigureView
from cad_studio.views.pictures import SpriteView


class DiagnosedRunView(TypedDict):
    """A run; `is_ready`: it was diagnosed."""

    id: int
    name: str
    method: str
    status: str
    seed: int
    is_ready: bool
    is_stale: bool
    version_number: int | None


class DiagnosedRunsView(TypedDict):
    """The runs of a dataset, newest first, and the features that maps can be drawn of."""

    runs: list[DiagnosedRunView]
    maps: list[str]


MatricesView = TypedDict(
    "MatricesView",
    {
        "classes": list[int],
        "confusion": list[list[int]] | None,
        "ambiguity": list[list[float]],
        "co-occurrence": list[list[int]],
        "set-model": list[list[float]],
        "row_totals": list[float],
    },
)
"""Matrices over the same classes; that of confusion takes true labels."""


class ClassPairDiagnosisView(TypedDict):
    """Two classes that are taken for each other."""

    a: int
    b: int
    weight: float
    a_as_b: float | None
    b_as_a: float | None
    sharing: float | None
    names: list[str]


class OverviewView(TypedDict):
    """A run in figures and matrices.

    Attributes:
        answers: Key of what the network was asked.
        n: Samples of the split.
        n_known: Of them those whose true label is known.
        figures: By key.
        about: What they are.
        differences: From the run it is held against, by key.
    """

    run: int
    name: str
    answers: str
    split: str
    n: int
    n_known: int
    splits: list[str]
    class_names: list[str]
    figures: dict[str, float | None]
    about: list[FigureView]
    matrices: MatricesView
    pairs: list[ClassPairDiagnosisView]
    notes: list[str]
    differences: NotRequired[dict[str, float | None]]
    changes: NotRequired[ChangesView | None]


class BinsView(TypedDict):
    """A reliability diagram; `ece` is the expected calibration error."""

    counts: list[int]
    confidence: list[float | None]
    accuracy: list[float | None]
    ece: float


ClassRowView = TypedDict(
    "ClassRowView",
    {
        "class": int,
        "name": str,
        "n": int,
        "n_predicted": int,
        "mean_candidates": float | None,
        "precision": float | None,
        "recall": float | None,
        "f1": float | None,
        "ece": float | None,
    },
)
"""Figures of a class."""


class ClassesView(TypedDict):
    """Figures of each class; `by_truth`: its samples are those of the true label."""

    split: str
    by_truth: bool
    classes: list[ClassRowView]
    reliability: BinsView | None


ReliabilityView = TypedDict(
    "ReliabilityView", {"class": int, "name": str, "reliability": BinsView | None}
)
"""The reliability diagram of what is predicted as a class."""


class ApartClassesView(TypedDict):
    """Pairs of two classes that came apart."""

    a: int
    b: int
    n: int
    resolved: float
    names: list[str]


class ApartView(TypedDict):
    """Pairs that came apart: the share, and from which similarity on they count as close."""

    n: int
    resolved: float | None
    threshold: float
    classes: list[ApartClassesView]


class EntangledPartView(TypedDict):
    """What training made of the entangled pairs of a split; `closest` by share in per cent."""

    closest: dict[str, ClosestView]
    apart: ApartView | None


class DistancesView(TypedDict):
    """Of the class centres."""

    between: float | None
    within: float | None
    ratio: float | None


class CurveView(TypedDict):
    """Accuracy by similarity to the nearest sample of another class."""

    similarity: list[float]
    accuracy: list[float | None]
    n: list[int]


class EntanglementView(TypedDict):
    """What training made of the entangled pairs; `features` are those they were found in."""

    split: str
    features: str
    by_truth: bool
    parts: dict[str, EntangledPartView]
    distances: DistancesView | None
    curve: CurveView | None


class TileRowsView(TypedDict):
    """Some samples as a run sees them.

    Attributes:
        best: The candidate that is believed in most.
        predicted: The class that the network says.
        believed: Belief in the best candidate.
        right: Whether the prediction is the true label; None where it is not known.
    """

    rows: list[int]
    ids: list[str]
    candidates: list[list[int]]
    best: list[int]
    predicted: list[int]
    believed: list[float]
    right: list[bool | None]


class TilesView(TileRowsView):
    """The same, with the sheet of their thumbnails."""

    sprite: SpriteView | None


class CellView(TypedDict):
    """The samples of a cell of a matrix, or of a change."""

    total: int
    rows: list[int]
    tiles: TilesView


class ColourView(TypedDict):
    """What a map can be coloured by; `values` in words, where there are few."""

    key: str
    title: str
    oracle: bool
    values: NotRequired[list[str]]


class ColoursView(TypedDict):
    """What the columns hold."""

    n: int
    class_names: list[str]
    split_names: list[str]
    modes: list[ColourView]


class SliceView(TypedDict):
    """Figures of the samples with a value.

    Attributes:
        condition: A filter that lets them through.
        suspects: Of them; None where nothing was searched for.
    """

    value: str
    condition: str | None
    n: int
    n_known: int
    accuracy: float | None
    covering_rate: float
    confidence: float
    suspects: int | None


class SlicesView(TypedDict):
    """Figures by the values of a field, the most frequent first."""

    field: str
    split: str
    by_truth: bool
    slices: list[SliceView]


class MapView(TypedDict):
    """A map.

    Attributes:
        origin: Of these very features.
        left_out: Samples whose features are not finite.
        stages: That are there; `stage` is the last.
    """

    name: str
    features: str
    description: str
    origin: str
    seed: int
    n: int
    left_out: int
    stages: list[str]
    stage: str


class BeliefHistoryView(TypedDict):
    """Belief in each candidate after each epoch that was kept."""

    epochs: list[int]
    beliefs: dict[int, list[float]]


class DiagnosedNearView(TypedDict):
    """The samples nearest to one in a run's own features, with the best label of each."""

    rows: list[int]
    similarity: list[float]
    best: list[int]
    sprite: NotRequired[SpriteView | None]


class SampleAnswerView(TypedDict):
    """What a run says of a sample; `top` are classes with their probability."""

    run: int
    name: str
    predicted: int
    confidence: float
    best: int
    believed: float
    top: list[list[float]]
    neighbours: DiagnosedNearView


class DiagnosedSampleView(TypedDict):
    """One sample as all diagnosed runs see it.

    Attributes:
        belief: Of the run that is looked at, by candidate.
        pairs: Other members of its closest pairs.
        nearest_other: Cosine to the nearest of another class; None where it was not looked for.
    """

    row: int
    id: str
    split: str
    candidates: list[int]
    belief: dict[int, float]
    history: BeliefHistoryView | None
    runs: list[SampleAnswerView]
    pairs: list[int]
    n_pairs: int
    nearest_other: float | None
    pairs_sprite: NotRequired[SpriteView | None]


class CameApartView(TypedDict):
    """The closest pairs that training took apart, the closest first."""

    part: str
    total: int
    pairs: list[list[int]]


class PairSimilarityView(TypedDict):
    """Two samples in a run's own features."""

    run: int
    name: str
    similarity: float
    threshold: float
    entangled: bool
    predicted: list[int]


class DiagnosedPairView(TypedDict):
    """Two samples as runs see them; `apart` is the epoch from which on the best labels differ."""

    rows: list[int]
    ids: list[str]
    shared: list[int]
    runs: list[PairSimilarityView]
    histories: list[BeliefHistoryView | None]
    apart: int | None
