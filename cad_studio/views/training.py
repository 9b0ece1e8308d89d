"""What can be trained, and runs."""

from typing import Any

from typing_extensions import TypedDict

from cad_studio.core.figures import RUN_FIGURES
from cad_studio.views.settings import SettingView
from cad_studio.views.studio import JobView


class DepartureView(TypedDict):
    """Where a method differs from its paper, and the settings that undo it."""

    what: str
    paper: str
    code: str
    ours: str
    settings: list[str]


class MethodView(TypedDict):
    """A method.

    Attributes:
        uses_truth: Whether it learns from true labels.
        available: Whether it can be trained on the dataset; else `why_not`.
    """

    name: str
    title: str
    summary: str
    paper: str
    departures: list[DepartureView]
    needs_images: bool
    uses_truth: bool
    available: bool
    why_not: str
    settings: list[SettingView]


class PresetView(TypedDict):
    """Settings that go together."""

    name: str
    help: str
    method: str | None
    backbone: str | None
    config: dict[str, Any]
    settings: dict[str, Any]


class TrainingDatasetView(TypedDict):
    """The dataset to train on."""

    name: str
    kind: str
    n_train: int
    n_test: int
    version_number: int


class TrainingOffersView(TypedDict):
    """What the form of a new run offers; `backbone`, `preset` and `method` are chosen at first."""

    dataset: TrainingDatasetView
    methods: list[MethodView]
    config: list[SettingView]
    backbones: list[str]
    backbone: str
    features: list[str]
    presets: list[PresetView]
    preset: str
    method: str


class TrainingFormView(TrainingOffersView):
    """The same for a window; `has_cluster`: a run can be trained on the nodes of a cluster."""

    has_cluster: bool


RunFiguresView = TypedDict(  # type: ignore[misc]
    "RunFiguresView", {each.key: float | None for each in RUN_FIGURES}
)
"""The figures of a run; None before there are any. Which take true labels is told by the list."""


class GroupView(TypedDict):
    """What a run was made with others for.

    Attributes:
        over: The settings in which the runs of the group differ, with the values of this one.
    """

    name: str
    over: dict[str, Any]


class RunEntryView(RunFiguresView):
    """A run as one line of the table.

    Attributes:
        start: How confidence starts.
        status: `done`, `queued`, `running`, `interrupted`, ...
        seconds: Spent on training.
        epochs_in_force: How many epochs the averaged network goes back.
        data_version: Hash of the version it learned from, with `data_number`.
        is_stale: Whether the dataset has another version now.
        model_bytes: Size of its weights; None before there are any.
    """

    id: int
    name: str
    dataset: str
    method: str
    backbone: str
    start: str
    seed: int
    epochs: int
    epochs_done: int
    status: str
    job: int | None
    created_at: str
    seconds: float | None
    samples_per_second: float | None
    epochs_in_force: float | None
    note: str
    is_bundled: bool
    group: GroupView | None
    data_version: str
    data_number: int | None
    is_stale: bool
    model_bytes: int | None


class RunView(RunEntryView):
    """Everything known of a run but its curves.

    Attributes:
        last: Report of the last epoch.
        best: Report of the epoch whose model is kept.
        seconds_left: By the pace so far.
        is_removed: Whether it is in the bin.
    """

    config: dict[str, Any]
    settings: dict[str, Any]
    environment: dict[str, Any]
    features: str
    last: dict[str, Any] | None
    best: dict[str, Any] | None
    error: str | None
    message: str
    fraction: float
    seconds_left: float | None
    is_removed: bool


class TrashView(TypedDict):
    """How many runs are in the bin, and their size."""

    n: int
    bytes: int


class SpreadView(TypedDict):
    """A figure over some runs; no `sd` of fewer than two."""

    mean: float
    sd: float | None


class GroupChoiceView(TypedDict):
    """The runs of a group with equal settings but the seed.

    Attributes:
        n: How many are finished.
        figures: Of those, by figure.
    """

    over: dict[str, Any]
    n: int
    n_runs: int
    figures: dict[str, SpreadView]


class GroupFiguresView(TypedDict):
    """A group of runs, by their numbers, with the figures of each choice of settings."""

    group: str
    dataset: str
    runs: list[int]
    choices: list[GroupChoiceView]


class RunsView(TypedDict):
    """Runs, newest first, and the groups among them."""

    runs: list[RunEntryView]
    trash: TrashView
    groups: list[GroupFiguresView]


class ReportColumnsView(TypedDict):
    """The reports of E epochs.

    Attributes:
        epoch: E numbers.
        values: Name to E numbers. Names of losses begin with `losses/`, those of figures by true
            labels with `oracle/`.
    """

    epoch: list[int]
    values: dict[str, list[float | None]]


class LogView(TypedDict):
    """A part of the log of a job; `next` is the byte to go on at."""

    job: int
    text: str
    next: int


class FollowView(TypedDict):
    """What may have changed; a run that was deleted is None."""

    runs: dict[int, RunView | None]
    reports: dict[int, ReportColumnsView]
    log: LogView | None
    queue: list[JobView]


class UsageView(TypedDict):
    """How a model is used elsewhere, as Python."""

    text: str
