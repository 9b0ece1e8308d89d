"""What may be asked of the studio, as pydantic models; what is wrong with a request, in words."""

import dataclasses
import re
from functools import cache
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass

from cad_studio.core.errors import SettingError
from cad_studio.services.datasets.datasets import RowFilter
from cad_studio.services.datasets.search import MOST_CHARACTERS, SearchQuery
from cad_studio.services.pairs.pairs import PairFilter

_LARGEST_WHOLE = 10**15 - 1  # what a database and an array index can hold
_LARGEST = 1e6
_LONGEST_NAME, _LONGEST_TEXT = 60, 200
_LONGEST_KEY, _LONGEST_SPEC = 40, 400
_MOST_CONDITIONS = 10
_WHOLE = re.compile(r"-?[0-9]{1,15}")


def _nothing_if_empty(value: Any) -> Any:
    return None if value == "" else value


def _as_typed(value: Any) -> Any:
    """A number as a list in a page holds it."""
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else value


Whole = Annotated[int, Field(ge=-_LARGEST_WHOLE, le=_LARGEST_WHOLE), BeforeValidator(_as_typed)]
Real = Annotated[float, Field(ge=-_LARGEST, le=_LARGEST, allow_inf_nan=False)]
MaybeWhole = Annotated[Whole | None, BeforeValidator(_nothing_if_empty)]
MaybeReal = Annotated[Real | None, BeforeValidator(_nothing_if_empty)]
MaybeText = Annotated[
    str | None, Field(max_length=_LONGEST_TEXT), BeforeValidator(_nothing_if_empty)
]
Text = Annotated[str, Field(max_length=_LONGEST_TEXT)]
MaybeBlank = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
RowText = Annotated[str, Field(description="Rows with commas between, such as 3,14.")]
Who = Annotated[
    str,
    Field(max_length=_LONGEST_NAME, description="The annotator, where nobody logs in."),
]
_NO_TEXT = BeforeValidator(lambda value: "" if value is None else value)
Conditions = Annotated[list[Text], Field(max_length=_MOST_CONDITIONS)]


class RowQuery(BaseModel):
    """Which samples to list.

    Attributes:
        holds: Names of classes that must all be among the candidates.
        size: Number of candidates.
        split: Name of a split.
        text: Part of the id.
        where: Conditions on fields and tags, such as `camera=north`.
    """

    holds: Conditions = []
    size: MaybeWhole = None
    split: MaybeText = None
    text: Text = ""
    where: Conditions = []

    def filter(self) -> RowFilter:
        """As the services take it."""
        holds, where = tuple(self.holds), tuple(self.where)
        return RowFilter(holds, self.size, self.split, self.text, where)


class PageFilter(RowQuery):
    """A filter as a page holds it, where a part may be null."""

    holds: Annotated[Conditions, BeforeValidator(lambda value: value or [])] = []
    text: Annotated[Text, BeforeValidator(lambda value: value or "")] = ""
    where: Annotated[Conditions, BeforeValidator(lambda value: value or [])] = []


class SearchPart(BaseModel):
    """A search by words or by a picture, beside a filter; see `services/datasets/search.py`.

    Attributes:
        words: What is on the images.
        like: Name of a picture that was handed in.
        by: Spec of the features to search in.
        nearest: How many of the most similar to keep.
    """

    words: Annotated[str, Field(max_length=MOST_CHARACTERS), _NO_TEXT] = ""
    like: Annotated[str, Field(max_length=_LONGEST_KEY), _NO_TEXT] = ""
    by: Annotated[str, Field(max_length=_LONGEST_SPEC), _NO_TEXT] = ""
    nearest: MaybeWhole = None

    def query(self) -> SearchQuery:
        """As the services take it.

        Raises:
            SettingError: Words and a picture are both given, or a value is out of range.
        """
        return SearchQuery(self.words, self.like, self.by, self.nearest)


class PageSearch(PageFilter, SearchPart):
    """A filter with a search beside it, as a page holds it."""


class PairQuery(BaseModel):
    """Which pairs of a search to look at.

    Attributes:
        threshold: Least cosine.
        classes: Names of the two classes that the members have, in the query as `class` twice.
    """

    threshold: MaybeReal = None
    classes: list[Text] = Field(default=[], alias="class")

    def filter(self) -> PairFilter:
        """As the services take it.

        Raises:
            SettingError: One class is given, or more than two.
        """
        if self.classes and len(self.classes) != 2:
            raise SettingError(f"A pair has two classes; {len(self.classes)} are given.")
        classes = (self.classes[0], self.classes[1]) if self.classes else None
        return PairFilter(self.threshold, classes)


AskedPairs = Annotated[PairQuery, Query()]


class Asked(BaseModel):
    """What a page asks a function for; what it does not know is left out."""

    model_config = ConfigDict(frozen=True)


class OfDataset(Asked):
    """About a dataset of the project."""

    dataset: str


class Named(Asked):
    """About a dataset, as the pages call it that show one."""

    name: str


class OfRun(Asked):
    """About a run."""

    run: Whole


class OfJob(Asked):
    """About a job."""

    job: Whole


Request = TypeVar("Request")


def read_request(kind: type[Request], asked: object) -> Request:
    """What a page asks for, as a model or a dataclass of the services.

    Raises:
        SettingError: A part is missing, unknown, or of another kind.
    """
    if not isinstance(asked, dict):
        raise SettingError("This is not a request that a page makes: it has no named parts.")
    try:
        # as the JSON it came as: a list may be a pair, but no text and no flag is a number
        return _adapter(kind).validate_json(
            orjson.dumps(asked, option=orjson.OPT_NON_STR_KEYS), strict=True
        )
    except ValidationError as error:
        raise SettingError(in_words(error.errors(include_url=False))) from error
    except TypeError as error:  # of orjson: too large, too deep, or no text
        raise SettingError(f"This is not a request that a page makes: {error}.") from error


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if dataclasses.is_dataclass(kind):
        strict = ConfigDict(extra="forbid")
        return TypeAdapter(pydantic_dataclass(kind, frozen=True, config=strict))
    return TypeAdapter(kind)


def row_list(text: str, called: str = "rows") -> list[int]:
    """Rows, or other numbers, separated by commas.

    Raises:
        SettingError: One of them is not a number; `called` is the name that the message uses.
    """
    parts = text.split(",")
    if not all(_WHOLE.fullmatch(part) for part in parts):
        raise SettingError(
            f"{called} is {_short(text)}; expected whole numbers with commas between."
        )
    return [int(part) for part in parts]


def row_classes(text: str) -> dict[int, list[int]]:
    """Rows with classes, such as `12:3,40:1+2`; empty text is none.

    Raises:
        SettingError: It is something else.
    """
    found: dict[int, list[int]] = {}
    for part in filter(None, text.split(",")):
        row, _, classes = part.partition(":")
        numbers = [row, *classes.split("+")]
        if not all(_WHOLE.fullmatch(number) for number in numbers):
            raise SettingError(f"answers is {_short(text)}; expected the form 12:3,40:1+2.")
        found[int(row)] = [int(number) for number in numbers[1:]]
    return found


def two_numbers(name: str, text: str) -> tuple[int, int] | None:
    """Two rows or classes, written `3-14`; None when the text is empty.

    Raises:
        SettingError: It is something else.
    """
    if not text:
        return None
    first, _, second = text.partition("-")
    if not _WHOLE.fullmatch(first) or not _WHOLE.fullmatch(second):
        raise SettingError(f"{name} is {_short(text)}; expected two rows, e.g. 3-14.")
    return int(first), int(second)


_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "tuple": "a list",
    "dict": "named values",
    "model": "named values",
    "dataclass": "named values",
    "literal": "one of the values offered",
}
"""What was expected, by how the kind of an error begins."""


def in_words(errors: Any) -> str:
    """The first of pydantic's errors as a sentence."""
    error = errors[0]
    kind, value, context = error["type"], error["input"], error.get("ctx") or {}
    place = [str(part) for part in error["loc"] if part not in {"query", "path", "body"}]
    name = ".".join(place) or "The request"
    if kind == "missing":
        return f"The request lacks {name!r}."
    if kind in {"extra_forbidden", "unexpected_keyword_argument"}:
        return f"The request has no part {name!r:.60}; {_short(value)} was given for it."
    if kind in {"too_long", "string_too_long"}:
        things = "characters" if kind == "string_too_long" else "values"
        return f"{name} has more than {context['max_length']:,} {things}."
    limit = next((context[each] for each in ("ge", "le", "gt", "lt") if each in context), None)
    if limit is not None and abs(limit) < _LARGEST:
        most = "most" if kind.startswith("less") else "least"
        return f"{name} is {_short(value)}; the {most} is {limit:g}."
    if limit is not None:
        expected = "a whole number" if isinstance(limit, int) else "a number"
    else:
        expected = _EXPECTED.get(kind.partition("_")[0], "another value")
    return f"{name} is {_short(value)}; expected {expected}."


def _short(value: object) -> str:
    text = value if isinstance(value, str) else None
    if text is not None:
        return repr(text if len(text) <= 40 else text[:40] + "…")
    return f"{value!r:.40}"
