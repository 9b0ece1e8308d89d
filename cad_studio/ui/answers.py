"""How routes answer: plain values as JSON, errors in words, and what many ask for computed once."""

import inspect
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Annotated, Any

import brotli
import orjson
from fastapi import Depends
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from cad_studio.services.container import Services
from cad_studio.ui.errors import route_errors
from cad_studio.ui.shared_answers import SharedAnswers

CHANGING = {"Cache-Control": "no-store"}
LASTING = {"Cache-Control": "private, max-age=31536000, immutable"}


async def _services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


async def _shared_answers(request: Request) -> SharedAnswers:
    found: SharedAnswers = request.app.state.shared_answers
    return found


async def _takes_brotli(request: Request) -> bool:
    return "br" in request.headers.get("accept-encoding", "")


OpenServices = Annotated[Services, Depends(_services)]
"""What a route is given to look things up with."""
OpenAnswers = Annotated[SharedAnswers, Depends(_shared_answers)]
"""What others were answered a moment ago."""
TakesBrotli = Annotated[bool, Depends(_takes_brotli)]
"""Whether the browser unpacks Brotli."""

_WORTH_PACKING = 1000
_PACKING = 4  # as Gradio packs its files: a quarter of the size at a tenth of a second a megabyte


class Answered(APIRoute):
    """A route whose function returns plain values, and may raise errors in words.

    Its return type, `view`, is what the HTTP API's page shows and the scripts are checked against.
    It is not gone through again at each request: the tests hold every answer they see against it.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Make the route; the arguments are those of FastAPI."""
        self.view = _view_of(endpoint)
        # FastAPI would make a validator of each view at every start.
        super().__init__(path, _answering(endpoint), **{**options, "response_model": None})

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        return route_errors(super().get_route_handler())


def json_answer(value: object, _view: object = None) -> Response:
    """Plain values as JSON; `_view` is what they are declared to be."""
    body = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    return Response(body, media_type="application/json")


def shared(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """A route whose answer depends on what it is asked and the visitor's role alone.

    What every open window asks for again and again is computed for one of them.
    """
    view = _view_of(endpoint)

    @wraps(endpoint)
    def answered(services: Services, answers: SharedAnswers, packs: bool, **asked: Any) -> Response:
        key = (services.access.role(), endpoint.__name__, *sorted(asked.items()))
        found: Response = answers.get(
            key, lambda: json_answer(endpoint(services=services, **asked), view)
        )
        if packs and len(found.body) >= _WORTH_PACKING:
            plain = found
            found = answers.get((*key, plain), lambda: _packed(plain))
        # a copy each: a response is changed on its way out
        return Response(found.body, found.status_code, dict(found.headers))

    known = inspect.signature(endpoint)
    own = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
        for name, annotation in (("answers", OpenAnswers), ("packs", TakesBrotli))
    ]
    answered.__signature__ = known.replace(  # type: ignore[attr-defined]
        parameters=[*known.parameters.values(), *own]
    )
    return answered


def _packed(answer: Response) -> Response:
    body = brotli.compress(bytes(answer.body), mode=brotli.MODE_TEXT, quality=_PACKING)
    headers = {"Content-Encoding": "br", "Vary": "Accept-Encoding"}
    return Response(body, answer.status_code, headers, "application/json")


def is_view(returned: object) -> bool:
    """Whether what a route returns is told as JSON, and not a file."""
    return not (isinstance(returned, type) and issubclass(returned, Response))


def of_kind(kind: str) -> dict[str, Any]:
    """What FastAPI is told of a route that answers with a file of this media type."""
    return {"response_class": Response, "responses": {200: {"content": {kind: {}}}}}


def _answering(endpoint: Callable[..., Any]) -> Callable[..., Response]:
    view = _view_of(endpoint)

    @wraps(endpoint)
    def answered(**asked: Any) -> Response:
        value = endpoint(**asked)
        return value if isinstance(value, Response) else json_answer(value, view)

    return answered


def _view_of(endpoint: Callable[..., Any]) -> object:
    return inspect.signature(endpoint).return_annotation
