"""Samples whose set may be wrong."""

from typing import NotRequired

from typing_extensions import TypedDict

from cad_studio.views.pictures import SpriteView


class SuspectView(TypedDict):
    """A sample whose set may be wrong; `other` is the second sample of a pair."""

    kind: str
    row: int
    id: str
    score: float
    reason: str
    label: str | None
    other: int | None
    candidates: NotRequired[list[int]]


class JudgedView(TypedDict):
    """How good the judge of suspects is."""

    inside: float
    chance: float
    quality: float


class SuspectsView(TypedDict):
    """A part of the suspects of a kind.

    Attributes:
        known: False where nothing was searched for, and there is nothing else.
        n: Samples that were looked at.
        version: Hash of what was searched, with its number `found_on`.
        counts: By kind.
        by_run: The run whose belief was taken.
        is_weak: Whether the judge is too weak for this kind.
        answered: Suspects that somebody has answered.
        listed: Suspects of this kind.
        rows: Of all that are listed.
        by_label: How many are suspected of a class.
    """

    known: bool
    n: NotRequired[int]
    features: NotRequired[str]
    version: NotRequired[str]
    judge: NotRequired[JudgedView]
    found_on: NotRequired[int | None]
    counts: NotRequired[dict[str, int]]
    by_run: NotRequired[int | None]
    is_weak: NotRequired[bool]
    answered: NotRequired[int]
    kind: NotRequired[str]
    listed: NotRequired[int]
    offset: NotRequired[int]
    suspects: NotRequired[list[SuspectView]]
    rows: NotRequired[list[int]]
    by_label: NotRequired[dict[str, int]]
    sprite: NotRequired[SpriteView | None]
