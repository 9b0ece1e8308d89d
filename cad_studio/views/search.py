"""Search by words or by a picture, and what the texts of the classes suggest."""

from typing_extensions import TypedDict


class SearchStateView(TypedDict):
    """How far a search is.

    Attributes:
        features: The extractor.
        says: What is waited for.
    """

    is_ready: bool
    features: str
    says: str


class SearchView(TypedDict):
    """What a dataset can be searched by.

    Attributes:
        words: Stored features that words are compared with, the newest first.
        pictures: The same of pictures.
        how: What to do where there are none for words.
        state: Of the search that is asked for, if one is.
    """

    words: list[str]
    pictures: list[str]
    how: str
    state: SearchStateView | None


class SearchFoundView(TypedDict):
    """The samples most similar to what is searched for, the most similar first."""

    features: str
    rows: list[int]
    ids: list[str]
    similarity: list[float]


SuggestedView = TypedDict("SuggestedView", {"class": int, "share": float, "prompt": str})
"""A class, the share of its text among those of all classes, and the text."""


class ZeroShotView(TypedDict):
    """What the texts of the classes suggest for one sample, at most five of them."""

    is_ready: bool
    says: str
    features: str
    classes: list[SuggestedView]
