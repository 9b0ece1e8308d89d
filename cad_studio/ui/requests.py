"""Read the parts of a request; what cannot be read is the visitor's error."""

from starlette.requests import Request

from cad_studio.core.errors import SettingError
from cad_studio.services.datasets import RowFilter
from cad_studio.services.pairs import PairFilter

_LONGEST_TEXT = 200


def is_allowed(request: Request) -> bool:
    """Whether the visitor has logged in, where the studio asks for that.

    Gradio's own login does not cover routes beside its own; this looks where Gradio looks.
    """
    app = request.app
    if getattr(app, "auth", None) is None:
        return True
    cookie = app.cookie_id
    tokens = (
        request.cookies.get(f"access-token-{cookie}"),
        request.cookies.get(f"access-token-unsecure-{cookie}"),
    )
    return any(token in app.tokens for token in tokens if token)


def whole_number(request: Request, name: str, default: int | None = None) -> int:
    """A whole number from the query.

    Raises:
        SettingError: It is missing or something else.
    """
    text = request.query_params.get(name)
    if text is None and default is not None:
        return default
    try:
        return int(text or "")
    except ValueError:
        raise SettingError(f"{name} is {text!r}; expected a whole number.") from None


def real_number(request: Request, name: str) -> float | None:
    """A number from the query, None when it is not there.

    Raises:
        SettingError: It is something else.
    """
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value != value:
        raise SettingError(f"{name} is {text!r}; expected a number.")
    return value


def row_list(text: str) -> list[int]:
    """Rows separated by commas.

    Raises:
        SettingError: One of them is no number.
    """
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise SettingError("rows is a list of whole numbers separated by commas.") from None


def row_filter(request: Request) -> RowFilter:
    """The filter of a grid."""
    query = request.query_params
    size = query.get("size")
    return RowFilter(
        holds=tuple(query.getlist("holds"))[:10],
        size=whole_number(request, "size") if size else None,
        split=query.get("split") or None,
        text=query.get("text", "")[:_LONGEST_TEXT],
    )


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
