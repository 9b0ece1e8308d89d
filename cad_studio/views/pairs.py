"""Searches for entangled pairs, and the pairs."""

from typing import Any, NotRequired

from typing_extensions import TypedDict

from cad_studio.views.datasets import VoteView
from cad_studio.views.pictures import NearView, SpriteView


class MiningView(TypedDict):
    """A search for pairs.

    Attributes:
        features: The extractor.
        threshold: Least cosine.
        quantile: Share of the cross-class pairs that it keeps.
        labels: What "of different classes" goes by: `true`, `best` or `none`.
        stale: Whether the dataset has another version now.
        version_number: That it looked at.
    """

    id: int
    features: str
    features_description: str
    feature_set: int
    threshold: float
    quantile: float | None
    split: str | None
    labels: str
    n_pairs: int
    stale: bool
    version_number: int | None
    created_at: str


class FeatureSetView(TypedDict):
    """Features that were extracted.

    Attributes:
        spec: What was asked for.
        key: Everything that determines the numbers.
        seconds: How long it took.
    """

    id: int
    source_hash: str
    spec: str
    key: str
    description: str
    file: str
    n_dims: int
    seconds: float
    created_at: str


class MiningsView(TypedDict):
    """All searches of a dataset, and what more can be extracted."""

    minings: list[MiningView]
    feature_sets: list[FeatureSetView]
    extractors: list[str]


class HistogramView(TypedDict):
    """Counts between edges, one edge more than counts."""

    edges: list[float]
    counts: list[int]


class PairSummaryView(TypedDict):
    """What a search found.

    Attributes:
        floor: The least cosine of what was kept.
        n_pairs: Pairs from the threshold on.
        n_found: Pairs of the search.
        n_kept: Of them those that are stored.
        n_instances: Samples in a pair.
        n_searched: Samples that were looked at.
        n_cross: Pairs of different classes among them.
        recall: Measured, where the search was not exact.
        classes: Indices of the rows and columns of `counts` and `sharing`.
        sharing: How often two classes share a set.
        n_unknown: Pairs with a member whose class is not known.
    """

    mining: int
    features: str
    features_description: str
    label_source: str
    threshold: float
    floor: float
    quantile: float | None
    split: str | None
    n_pairs: int
    n_found: int
    n_kept: int
    n_instances: int
    n_searched: int
    n_cross: int
    method: str
    recall: float | None
    seconds: float
    stale: bool
    version_hash: str
    created_at: str
    classes: list[int]
    counts: list[list[int]]
    sharing: list[list[float]]
    n_unknown: int
    histogram: HistogramView


class PairEntryView(TypedDict):
    """A pair of a list.

    Attributes:
        i: The smaller row.
        j: The larger row.
        similarity: Cosine.
        shared: Candidates that both hold.
        classes: Of the two, ascending.
    """

    i: int
    j: int
    similarity: float
    shared: int
    classes: list[int] | None


class PairPageView(TypedDict):
    """A part of a list of pairs."""

    total: int
    offset: int
    pairs: list[PairEntryView]


class PairListView(PairPageView):
    """The same, with the sheet of the thumbnails of both members of each."""

    sprite: SpriteView | None


class PairSideView(TypedDict):
    """A member of a pair.

    Attributes:
        belief: Of its neighbours in its candidates, by class; None where it is not known.
    """

    row: int
    id: str
    split: str
    candidates: list[int]
    votes: list[VoteView]
    fields: dict[str, Any]
    tags: list[str]
    truth_known: bool
    truth: NotRequired[int]
    belief: dict[int, float] | None
    neighbours: NearView


class PairView(TypedDict):
    """Two samples side by side.

    Attributes:
        similarity: Cosine, -1 to 1.
        closer_than: Share of the pairs that are further apart.
        shared: Candidates that both hold.
        sharing: How often their classes share a set.
        in_list: Whether the search found them.
    """

    similarity: float
    closer_than: float | None
    shared: list[int]
    classes: list[int] | None
    same_label: bool | None
    label_source: str
    sharing: float | None
    in_list: bool
    sides: list[PairSideView]


class MiningAgreementView(TypedDict):
    """The share of their most similar pairs that two searches have in common."""

    share: float | None
    top: int
    features: list[str]
