"""Where pictures are."""

from typing_extensions import TypedDict


class SpriteView(TypedDict):
    """A sheet of thumbnails.

    Attributes:
        url: Below the root of the studio.
        columns: Thumbnails side by side.
        px: Side of one.
        lines: Thumbnails one below the other.
    """

    url: str
    columns: int
    px: int
    lines: int


class NearestView(TypedDict):
    """The samples nearest to one, the nearest first.

    Attributes:
        similarity: Cosine of each, -1 to 1.
        candidates: The set of each, as class indices.
        recall: Of many samples the share of the nearest that is found; None where all samples
            were compared.
    """

    rows: list[int]
    similarity: list[float]
    candidates: list[list[int]]
    recall: float | None


class NearView(NearestView):
    """The same, with the sheet of their thumbnails."""

    sprite: SpriteView | None
