"""Where the work on a dataset stands."""

from typing import NotRequired

from typing_extensions import TypedDict

from cad_studio.views.pairs import PairEntryView
from cad_studio.views.pictures import SpriteView


class StandingDataView(TypedDict):
    """The dataset; `rows` are some to show."""

    n: int
    k: int
    has_images: bool
    mean_candidates: float
    rows: list[int]
    sprite: NotRequired[SpriteView | None]


class StandingPairsView(TypedDict):
    """The newest search for pairs, and the first it found."""

    id: int
    n: int
    n_instances: int
    version: int | None
    first: PairEntryView | None
    names: list[str]
    sprite: NotRequired[SpriteView | None]


class StandingRunView(TypedDict):
    """The newest finished run.

    Attributes:
        changes: Sets changed since it.
        is_ready: Whether it was diagnosed.
    """

    id: int
    name: str
    method: str
    test_accuracy: float | None
    set_likelihood: float | None
    seconds: float | None
    version: int | None
    changes: int
    is_ready: bool


class StandingEarlierView(TypedDict):
    """A diagnosed run on an earlier version."""

    id: int
    name: str
    version: int


class StandingAnswersView(TypedDict):
    """Samples that were answered, and suspects that wait; None where nothing was searched."""

    n: int
    suspects: int | None


class StandingView(TypedDict):
    """Where the work stands.

    Attributes:
        version: Number of the current one.
        changes: Sets changed since it.
        next: The step that pays most now.
    """

    name: str
    version: int
    changes: int
    next: str
    data: StandingDataView
    pairs: StandingPairsView | None
    run: StandingRunView | None
    earlier: StandingEarlierView | None
    answers: StandingAnswersView
