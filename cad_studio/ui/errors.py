"""Expected errors become words for the user; others go to the log."""

import functools
import inspect
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cad_studio.core.errors import (
    CadStudioError,
    NotAllowedError,
    ReadOnlyError,
    RecordNotFoundError,
)
from cad_studio.services.access import acting_as
from cad_studio.ui.identity import visitor_of_event
from cad_studio.ui.requests import in_words, read_request

_LOG = logging.getLogger(__name__)
_UNEXPECTED = "Unexpected error; the details are in the log of the studio."

RouteHandler = Callable[[Request], Coroutine[Any, Any, Response]]


def answers_errors(
    handler: Callable[[Any], Any], worded: Callable[[str], str] = str
) -> Callable[[Any], Any]:
    """Wrap a server function: an error becomes `{"error": words}`, a bad request too.

    Args:
        handler: Its one parameter says by its annotation what may be asked for: a pydantic model,
            or a dataclass of the services.
        worded: Makes the words of the window of those of an expected error.
    """
    [parameter] = inspect.signature(handler).parameters.values()

    @functools.wraps(handler)
    def wrapped(asked: Any) -> Any:
        try:
            with acting_as(visitor_of_event()):
                return handler(read_request(parameter.annotation, asked))
        except CadStudioError as error:
            return {"error": worded(str(error))}
        except Exception:
            _LOG.exception("server function %s", handler.__name__)
            return {"error": _UNEXPECTED}

    return wrapped


def route_errors(handler: RouteHandler) -> RouteHandler:
    """Wrap a route: an error becomes a status and `{"error": words}`, a bad request too."""

    @functools.wraps(handler)
    async def wrapped(request: Request) -> Response:
        try:
            return await handler(request)
        except Exception as error:
            return _refusal(error, request.url.path)

    return wrapped


def _refusal(error: Exception, path: str) -> Response:
    if isinstance(error, RequestValidationError):
        return JSONResponse({"error": in_words(error.errors())}, 400)
    if not isinstance(error, CadStudioError):
        _LOG.error("route %s", path, exc_info=error)
        return JSONResponse({"error": _UNEXPECTED}, 500)
    status = 400
    if isinstance(error, RecordNotFoundError):
        status = 404
    elif isinstance(error, ReadOnlyError | NotAllowedError):
        status = 403
    return JSONResponse({"error": str(error)}, status)
