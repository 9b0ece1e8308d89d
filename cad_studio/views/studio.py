"""The studio as a whole: its datasets and jobs."""

from typing import Any

from typing_extensions import TypedDict


class AliveView(TypedDict):
    """Nothing but an answer."""


class DatasetEntryView(TypedDict):
    """A dataset as one line of the picker.

    Attributes:
        kind: `images` or `vectors`.
        n: Samples.
        k: Classes.
        version: Hash of the current version.
        changes: Sets that were changed since that version.
    """

    name: str
    kind: str
    n: int
    k: int
    version: str
    version_number: int
    changes: int


class JobView(TypedDict):
    """A piece of background work.

    Attributes:
        status: `queued`, `running`, `stopping`, `done`, `failed` or `cancelled`.
        fraction: How much is done, 0 to 1.
        result: What it made; which parts depends on its kind.
        dataset: What it is about, as are `run` and `features`.
    """

    id: int
    kind: str
    title: str
    status: str
    fraction: float
    message: str
    error: str | None
    position: int
    attempts: int
    result: dict[str, Any] | None
    dataset: str | None
    run: int | None
    features: str | None
    started_at: str | None
    finished_at: str | None


class StateView(TypedDict):
    """What every page needs to know.

    Attributes:
        read_only: Whether the visitor may not do everything.
        is_closed: Whether nobody may change anything.
        space: The Hugging Face Space it runs on; empty elsewhere.
        login: The checked name of the visitor.
        hub_login: Whether people log in with Hugging Face.
    """

    datasets: list[DatasetEntryView]
    jobs: list[JobView]
    read_only: bool
    is_closed: bool
    space: str
    login: str | None
    hub_login: bool
