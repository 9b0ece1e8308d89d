"""What a project holds, one frozen dataclass per table; the store fills them."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DatasetVersion:
    """The candidate sets of a dataset at one time; a change makes the next version.

    Attributes:
        number: 1 at import, then rising.
        hash: 12 hexadecimal digits over everything the dataset holds.
        candidates: Blob name of the packed sets, uint8 (N, ceil(C / 8)).
        reason: What made this version, e.g. `import` or `synthesize`.
        details: What is needed to make it again.
    """

    id: int
    dataset_id: int
    number: int
    hash: str
    candidates: str
    reason: str
    details: dict[str, Any]
    created_at: str


@dataclass(frozen=True)
class Dataset:
    """A dataset of N samples over C classes, with its current version.

    Attributes:
        kind: `images` or `features`.
        height: Pixels, when all images share one small size; else None.
        channels: 1 or 3, likewise.
        files: Blob names by role: `ids` and `splits` always; `pixels`, or `encoded` with
            `offsets`, for images; `features`, `truth`, `votes` and
            `vote_weights` where there are any.
        report: What the import found.
        fields: Of each field of the samples `name`, `kind`, `values` (blob name) and, for those of
            texts, `names` (blob name).
        version: The current one.
    """

    id: int
    name: str
    kind: str
    n_samples: int
    class_names: list[str]
    class_descriptions: dict[str, str]
    height: int | None
    width: int | None
    channels: int | None
    split_names: list[str]
    annotators: list[str]
    files: dict[str, str]
    source: str
    report: dict[str, Any]
    created_at: str
    fields: list[dict[str, Any]]
    version: DatasetVersion

    @property
    def n_classes(self) -> int:
        """C."""
        return len(self.class_names)

    @property
    def content_hash(self) -> str:
        """Blob name of what features are computed from: pixels, encoded images, or vectors."""
        for role in ("pixels", "encoded", "features"):
            if role in self.files:
                return self.files[role]
        raise ValueError(f"dataset {self.name!r} has neither images nor features")


@dataclass(frozen=True)
class FeatureSet:
    """Unit-length features of one body of images by one extractor.

    Attributes:
        source_hash: `Dataset.content_hash` of what was looked at.
        spec: What the user asks for, e.g. `torchvision:resnet18`.
        key: Everything that determines the numbers.
        file: Blob name, float32 (N, D).
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


@dataclass(frozen=True)
class Mining:
    """One search for entangled pairs and what it found.

    Attributes:
        version_hash: Version of the dataset it looked at; another one now makes it stale.
        label_source: `true`, `best` or `none`: what "different class" was judged by.
        files: Blob names of `pairs`, `belief` and `summary`.
    """

    id: int
    dataset_id: int
    version_hash: str
    feature_set_id: int
    settings: dict[str, Any]
    label_source: str
    threshold: float
    n_pairs: int
    n_kept: int
    n_instances: int
    method: str
    recall: float | None
    seconds: float
    files: dict[str, str]
    created_at: str


AT_WORK = ("running", "stopping")
"""Statuses of a job that a process is busy with."""
ACTIVE = ("queued", *AT_WORK)
"""Statuses of a job that waits or is at work."""
RESUMABLE = ("interrupted", "failed", "cancelled")
ENDED = ("done", *RESUMABLE)


@dataclass(frozen=True)
class Job:
    """A piece of background work.

    Attributes:
        status: `queued`, `running`, `stopping` (asked to stop, still at work), `done`, `failed`,
            `cancelled`, or `interrupted` (its process ended before the work did).
        fraction: Share done, 0 to 1.
        message: What it is doing.
        error: Why it failed or was interrupted, and what to do.
        position: Place among the waiting jobs; the lowest is next.
        attempts: 1, and one more for each time it was resumed.
        place: Where it runs, or last ran, in the words of its runner. A waiting job has one only
            when a process waits to run that very job.
    """

    id: int
    kind: str
    title: str
    arguments: dict[str, Any]
    status: str
    fraction: float
    message: str
    result: dict[str, Any] | None
    error: str | None
    created_at: str
    started_at: str | None
    heartbeat_at: str | None
    finished_at: str | None
    position: int
    attempts: int
    place: dict[str, Any] | None


@dataclass(frozen=True)
class Run:
    """A network in training, or trained, on one version of a dataset.

    Attributes:
        version_hash: Version of the dataset it learns from; a later one leaves it untouched.
        candidates: Blob name of that version's sets.
        features: Extractor of the neighbour graph and of the entangled test pairs.
        config: Fields of the training loop.
        settings: Fields of the method.
        environment: Where and with what it was trained.
        job_id: The job that trains it; resumed, it is still the same.
        best_epoch: Epoch the model was taken from, from 0.
        removed_at: When the user threw it away; it can still be had back.
    """

    id: int
    dataset_id: int
    version_hash: str
    candidates: str
    name: str
    note: str
    method: str
    backbone: str
    features: str
    config: dict[str, Any]
    settings: dict[str, Any]
    environment: dict[str, Any]
    job_id: int | None
    best_epoch: int | None
    created_at: str
    finished_at: str | None
    removed_at: str | None


@dataclass(frozen=True)
class EditModel:
    """An in-domain editor in training, or trained, on one version of a dataset.

    Attributes:
        candidates: Blob name of that version's sets.
        belief: What told it the classes: `propagation`, or `run:NUMBER`.
        config: Fields of its training.
        reports: One per finished epoch.
        job_id: The job that trains it.
    """

    id: int
    dataset_id: int
    version_hash: str
    candidates: str
    belief: str
    config: dict[str, Any]
    reports: list[dict[str, Any]]
    job_id: int | None
    created_at: str
    finished_at: str | None


@dataclass(frozen=True)
class PromptTable:
    """One version of the texts that editors are given for the classes of a dataset.

    Attributes:
        number: 1, then rising; the highest is the current one.
        template: With `{class}` and `{description}`.
        descriptions: Free text by class name; a class without one has the empty text.
    """

    id: int
    dataset_id: int
    number: int
    template: str
    descriptions: dict[str, str]
    created_at: str


@dataclass(frozen=True)
class EditSet:
    """The edits of a dataset by one editor with one model and one choice of settings.

    Attributes:
        key: Model and settings, as the editor tells them.
        shape: (H, W, channels) of every edit where they are kept decoded; None where encoded.
        file: Name of the file that holds them.
    """

    id: int
    dataset_id: int
    editor: str
    key: str
    settings: dict[str, Any]
    shape: list[int] | None
    file: str
    created_at: str
