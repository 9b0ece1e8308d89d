"""Questions to annotators, and their answers."""

from typing import Any, NotRequired

from typing_extensions import TypedDict

from cad_studio.views.datasets import VoteView
from cad_studio.views.pictures import SpriteView


class OrderView(TypedDict):
    """An order of questions; `needs_rows`: it goes through a stored selection."""

    name: str
    title: str
    says: str
    needs_rows: bool


class QueueView(TypedDict):
    """A queue.

    Attributes:
        order: Name of its order.
        overlap: How many annotators see each item.
        is_complete: Whether no more items will come.
        done: Items that somebody answered.
        mine: Of them those the asking annotator did.
        in_hand: Items that somebody has now.
    """

    id: int
    order: str
    title: str
    says: str
    settings: dict[str, Any]
    overlap: int
    is_complete: bool
    created_by: str
    items: int
    done: int
    passed: int
    mine: int
    in_hand: int


class PersonView(TypedDict):
    """What an annotator did; `seconds` is the time spent, where windows told it."""

    who: str
    actions: int
    seconds: float | None


class StepView(TypedDict):
    """An action that can be undone or done again; `item` is a queue and a place in it."""

    number: int
    kind: str
    rows: list[int]
    n_rows: int
    item: list[int | None] | None


class AnnotateView(TypedDict):
    """What was annotated so far, and the queues.

    Attributes:
        head: Number of the last action.
        digest: Of the log up to it.
        changed: Samples whose set was changed.
        contradict: Samples about which annotators contradict each other.
        classes: That can be chosen.
        merged: Pairs of a class and the one in its place.
        is_ahead: Whether actions wait for the next version.
        role: Of the visitor.
        login: The checked name of the visitor.
        on_trial: Orders that can be tried in a read-only studio.
    """

    head: int
    digest: str
    changed: int
    flagged: int
    contradict: int
    people: list[PersonView]
    undo: StepView | None
    redo: StepView | None
    class_names: list[str]
    classes: list[int]
    merged: list[list[int | None]]
    removed: list[int]
    splits: list[str]
    version: int
    is_ahead: bool
    role: str
    login: str | None
    orders: list[OrderView]
    on_trial: list[str]
    queues: list[QueueView]


class CommentView(TypedDict):
    """What somebody wrote about a sample."""

    who: str
    at: str
    text: str


class CardNearView(TypedDict):
    """The samples nearest to one, in these features; none while they are not found."""

    rows: list[int]
    similarity: list[float]
    candidates: list[list[int]]
    features: str
    sprite: NotRequired[SpriteView | None]


class CardSideView(TypedDict):
    """A sample of a question.

    Attributes:
        imported: Its set before anybody annotated it.
        candidates: Its set now.
        last: Number of the last action on it.
        blind: Whether the answers of others are hidden.
        mine: What the asking annotator said.
        said: What each annotator said.
    """

    row: int
    id: str
    split: str
    votes: list[VoteView]
    imported: list[int]
    comments: list[CommentView]
    candidates: list[int]
    flagged: bool
    tags: list[str]
    last: int
    contradicts: bool
    blind: bool
    mine: list[int] | None
    said: dict[str, list[int]]
    neighbours: CardNearView | None


class CardView(TypedDict):
    """A question about one sample, or the two of a pair.

    Attributes:
        queue: Where it comes from, with its `position`.
        why: Why it was chosen.
        similarity: Of a pair, as are `shared` and `classes`: the two their neighbours pull them
            to, ascending.
    """

    rows: list[int]
    sides: list[CardSideView]
    queue: int | None
    position: int | None
    why: str
    similarity: NotRequired[float | None]
    shared: NotRequired[list[int]]
    classes: NotRequired[list[int] | None]


class ModelBeliefView(TypedDict):
    """What the newest run makes of the candidates."""

    run: int
    name: str
    belief: dict[int, float]


class SuggestionsView(TypedDict):
    """What neighbours, and a run, make of the candidates; weights by class, of sum 1."""

    belief: dict[int, float]
    features: str
    model: ModelBeliefView | None


class TrialView(TypedDict):
    """The questions of a trial."""

    cards: list[CardView]


class TrialWorthView(TypedDict):
    """What answers would be worth.

    Attributes:
        n: Samples answered.
        settled: Others whose best label is another now.
        before: Share of right best labels, by true labels; as is `after`.
        simulated: After `simulated_n` answers of the simulated annotator.
    """

    n: int
    settled: int
    before: float | None
    after: float | None
    simulated: float | None
    simulated_n: int


class LiveView(TypedDict):
    """How far the belief is settled.

    Attributes:
        is_ready: False where the neighbours are not found yet, and nothing else is known.
        action: The last one it knows of.
        sure: Belief from which on a sample is settled.
        open: Samples with several candidates.
        settled: Of them those that are settled.
        gained: Settled since the action that was asked from; None where that is not known.
        lost: No longer settled since.
    """

    is_ready: bool
    features: str
    action: NotRequired[int]
    is_renewing: NotRequired[bool]
    sure: NotRequired[float]
    open: NotRequired[int]
    settled: NotRequired[int]
    gained: NotRequired[int | None]
    lost: NotRequired[int | None]


class ChangeView(TypedDict):
    """What an action did to a sample: to its set, its flag, or a tag."""

    row: int
    before: NotRequired[list[int]]
    after: NotRequired[list[int]]
    flag: NotRequired[Any]
    tag: NotRequired[str]
    given: NotRequired[Any]


class ActionView(TypedDict):
    """An action of the log.

    Attributes:
        rows: The first samples it was about.
        ids: What the first of them are called, at most ten.
        n_rows: How many it was about.
        changes: To the first samples.
        seconds: Time spent on it.
        reverses: The action that it takes back.
        digest: Of the log up to it.
    """

    number: int
    who: str
    at: str
    kind: str
    rows: list[int]
    ids: list[str]
    n_rows: int
    details: dict[str, Any]
    changes: list[ChangeView]
    why: str
    version: str
    seconds: float | None
    queue: int | None
    position: int | None
    reverses: int | None
    digest: str
    key: str


class HistoryView(TypedDict):
    """Actions, newest first."""

    head: int
    digest: str
    actions: list[ActionView]


class RowHistoryView(TypedDict):
    """Actions on one sample, oldest first."""

    actions: list[ActionView]


class AgreeingPersonView(TypedDict):
    """How often an annotator agrees with others."""

    who: str
    votes: int
    pairs: int
    raw: float | None


class ClassPairView(TypedDict):
    """How far annotators agree on two classes."""

    classes: list[int]
    confused: int
    items: int
    pairs: int
    raw: float | None
    alpha: float | None


class ReliablePersonView(TypedDict):
    """How good an annotator is by the consensus, with its 95 % interval, and CROWDLAB's rating."""

    who: str
    n_votes: int
    accuracy: float | None
    low: float | None
    high: float | None
    rating: float | None


class ConsensusView(TypedDict):
    """What annotators together say; `sure`: samples with 95 % for a class.

    Attributes:
        by: The method.
        features: What CROWDLAB's classifier goes by; empty by another method.
    """

    by: str
    features: str
    people: list[ReliablePersonView]
    samples: int
    sure: int
    rounds: int


class AgreementView(TypedDict):
    """How far annotators agree.

    Attributes:
        items: Samples with two votes or more.
        pairs: Couples of votes on them.
        raw: Share of couples that agree.
        alpha: Krippendorff's.
        disputed: Samples about which they differ.
    """

    votes: int
    items: int
    pairs: int
    raw: float | None
    alpha: float | None
    people: list[AgreeingPersonView]
    class_pairs: list[ClassPairView]
    disputed: int
    consensus: ConsensusView


class SelectionView(TypedDict):
    """A stored selection; `source` is where its rows come from."""

    id: int
    dataset_id: int
    title: str
    source: str
    n_rows: int
    created_by: str
    created_at: str


class SelectionsView(TypedDict):
    """The stored selections of a dataset, newest first."""

    selections: list[SelectionView]
