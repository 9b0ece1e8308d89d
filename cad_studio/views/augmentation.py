"""Images as augmentation changes them."""

from typing import Any

from typing_extensions import TypedDict

from cad_studio.views.pictures import SpriteView
from cad_studio.views.settings import SettingView


class EditorView(TypedDict):
    """An editor.

    Attributes:
        missing: What it still needs on this dataset; empty where nothing is.
        model: Of one that is trained here, on what.
    """

    name: str
    title: str
    uses_text: bool
    is_trained_here: bool
    settings: list[SettingView]
    missing: str
    model: str


class JudgeView(TypedDict):
    """A run that may judge edits."""

    id: int
    name: str
    approximated_accuracy: float | None
    mean_confidence: float | None
    set_likelihood: float | None


class EditSetView(TypedDict):
    """A set of stored edits.

    Attributes:
        n: Edits that are still good.
        n_stale: Edits that were made from an older text or class name.
    """

    id: int
    dataset: str
    editor: str
    settings: dict[str, Any]
    n: int
    n_stale: int
    bytes: int
    created_at: str


class EditModelView(TypedDict):
    """An editor that was trained here."""

    id: int
    status: str
    job: int | None
    belief: str
    epochs: int
    epochs_done: int
    losses: list[float]
    data_version: str
    model_bytes: int
    bytes: int
    created_at: str


class AugmentOffersView(TypedDict):
    """What the page offers; `orders` are titles by name."""

    class_names: list[str]
    has_images: bool
    editors: list[EditorView]
    judges: list[JudgeView]
    sets: list[EditSetView]
    models: list[EditModelView]
    budget: list[SettingView]
    orders: dict[str, str]
    epsilon: float | None


class ClassImageView(TypedDict):
    """A sample changed towards a class.

    Attributes:
        image: As a data URL.
        similarity: To the sample, -1 to 1.
        after: Probability of the class, by the judge.
        top: The class the judge takes it for.
    """

    image: str
    similarity: float
    after: float | None
    top: int | None


class LookSampleView(TypedDict):
    """A sample with its views.

    Attributes:
        labels: The candidates that are shown.
        n_left_out: Candidates that are not.
        source: The sample as a data URL.
        best: The likeliest candidate, by the judge.
        before: Probability of each candidate, by the judge.
        heat: Activation map of each candidate, as a data URL.
        views: By way of augmenting, and by candidate.
    """

    row: int
    id: str
    split: str
    labels: list[int]
    n_left_out: int
    source: str
    best: int | None
    before: dict[int, float] | None
    heat: dict[int, str] | None
    views: dict[str, dict[int, ClassImageView]]


class LookPairView(TypedDict):
    """How far two samples are apart before, and after each is changed towards its class."""

    guides: list[int | None]
    before: float
    after: dict[str, float]


class LookView(TypedDict):
    """A sample or a pair with everything that is shown of it.

    Attributes:
        run: The judge.
        judge: What it is called, or why there is none.
        missing: By editor, why its row is empty.
        editors: Titles by name.
        ms: How long it took.
    """

    run: int | None
    judge: str
    samples: list[LookSampleView]
    missing: dict[str, str]
    editors: dict[str, str]
    pair: LookPairView | None
    ms: float


class PromptRowView(TypedDict):
    """The text of a class; `is_cut`: longer than an editor reads."""

    name: str
    description: str
    prompt: str
    is_cut: bool


class PromptsView(TypedDict):
    """The texts of a dataset, and earlier ones."""

    number: int
    template: str
    rows: list[PromptRowView]
    versions: list[dict[str, Any]]


class EditView(TypedDict):
    """A stored edit.

    Attributes:
        label: The class it was made for.
        before: Probability of the class in the sample, by the judge.
        after: In the edit.
        top: The class the judge takes it for.
    """

    id: int
    row: int
    label: int
    similarity: float
    before: float | None
    after: float | None
    top: int | None


class EditPairView(TypedDict):
    """Entangled pairs of two classes before and after."""

    classes: list[int]
    n_pairs: int
    before: float | None
    after: float | None
    reached: float | None


class EditSummaryView(TypedDict):
    """What the judge says of all edits of a set."""

    n: int
    n_judged: int
    reached: float | None
    changed: float | None
    similarity: float | None
    n_failing: int
    pairs: list[EditPairView]


class EditPageView(TypedDict):
    """A part of a list of edits, and what the judge says of all of them."""

    total: int
    offset: int
    edits: list[EditView]
    summary: EditSummaryView


class GalleryView(EditPageView):
    """The same, with their sheet, and in `sources` that of what they were made from."""

    sprite: SpriteView | None
    sources: SpriteView | None
