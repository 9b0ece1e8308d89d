"""Read the parts of a request; what cannot be read is the visitor's error."""

import re

from starlette.requests import Request

from cad_studio.core.errors import SettingError
from cad_studio.services.datasets import RowFilter
from cad_studio.services.pairs import PairFilter
from cad_studio.ui.identity import login_cookies

_LONGEST_TEXT = 200
_WHOLE = re.compile(r"-?[0-9]{1,15}")  # what a database and an array index can hold
_LARGEST = 1e6


def is_allowed(request: Request) -> bool:
    """Whether the visitor has logged in, where the studio asks for that.

    Gradio's own login does not cover routes beside its own; this looks where Gradio looks.
    """
    app = request.app
    if getattr(app, "auth", None) is None:
        return True
    tokens = map(request.cookies.get, login_cookies(app))
    return any(token in app.tokens for token in tokens if token)


def whole_number(request: Request, name: str, default: int | None = None) -> int:
    """A whole number from the query.

    Raises:
        SettingError: It is missing or something else.
    """
    text = request.query_params.get(name)
    if text is None and default is not None:
        return default
    return _whole(name, text or "")


def path_number(request: Request, name: str) -> int:
    """A whole number from the path.

    Raises:
        SettingError: It is something else.
    """
    return _whole(name, str(request.path_params[name]))


def real_number(request: Request, name: str) -> float | None:
    """A number from the query, None when it is not there.

    Raises:
        SettingError: It is something else, or beyond any number the studio shows.
    """
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) <= _LARGEST:
        raise SettingError(f"{name} is {_short(text)}; expected a number.")
    return value


def row_list(text: str) -> list[int]:
    """Rows separated by commas.

    Raises:
        SettingError: One of them is no number.
    """
    parts = text.split(",")
    if not all(_WHOLE.fullmatch(part) for part in parts):
        raise SettingError(f"rows is {_short(text)}; expected whole numbers with commas between.")
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


def pair_rows(request: Request, name: str) -> tuple[int, int] | None:
    """Two rows from the query, written `3-14`; None when they are not there.

    Raises:
        SettingError: It is something else.
    """
    text = request.query_params.get(name)
    if not text:
        return None
    first, _, second = text.partition("-")
    if not _WHOLE.fullmatch(first) or not _WHOLE.fullmatch(second):
        raise SettingError(f"{name} is {_short(text)}; expected two rows, e.g. 3-14.")
    return int(first), int(second)


def row_filter(request: Request) -> RowFilter:
    """The filter of a grid."""
    query = request.query_params
    size = query.get("size")
    return RowFilter(
        holds=tuple(query.getlist("holds"))[:10],
        size=whole_number(request, "size") if size else None,
        split=query.get("split") or None,
        text=query.get("text", "")[:_LONGEST_TEXT],
        where=conditions(request),
    )


def conditions(request: Request) -> tuple[str, ...]:
    """Conditions on fields and tags, such as `camera=north`."""
    return tuple(each[:_LONGEST_TEXT] for each in request.query_params.getlist("where")[:10])


def pair_filter(request: Request) -> PairFilter:
    """The filter of a list of pairs.

    Raises:
        SettingError: One class is given, or more than two.
    """
    classes = request.query_params.getlist("class")
    if classes and len(classes) != 2:
        raise SettingError(f"A pair has two classes; {len(classes)} are given.")
    return PairFilter(
        threshold=real_number(request, "threshold"),
        classes=(classes[0], classes[1]) if classes else None,
    )


def _whole(name: str, text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise SettingError(f"{name} is {_short(text)}; expected a whole number.")
    return int(text)


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")
