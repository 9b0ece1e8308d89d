"""Expected errors become words for the user; others go to the log."""

import functools
import logging
from collections.abc import Callable
from typing import Any, ParamSpec

import gradio as gr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cad_studio.core.errors import (
    CadStudioError,
    NotAllowedError,
    ReadOnlyError,
    RecordNotFoundError,
)
from cad_studio.services.access import acting_as
from cad_studio.ui.identity import visitor, visitor_of_event
from cad_studio.ui.parts import Parts, parts_of

_LOG = logging.getLogger(__name__)
_UNEXPECTED = "Unexpected error; the details are in the log of the studio."

Arguments = ParamSpec("Arguments")


def shows_errors(handler: Callable[Arguments, Any]) -> Callable[Arguments, Any]:
    """Wrap an event handler: an expected error becomes a toast, any other a logged one."""

    @functools.wraps(handler)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Any:
        try:
            with acting_as(visitor_of_event()):
                return handler(*args, **kwargs)
        except CadStudioError as error:
            raise gr.Error(str(error), duration=12, print_exception=False) from error
        except Exception as error:
            _LOG.exception("handler %s", handler.__name__)
            raise gr.Error(_UNEXPECTED, print_exception=False) from error

    return wrapped


def answers_errors(handler: Callable[[Parts], Any]) -> Callable[[Any], Any]:
    """Wrap a server function: an error becomes `{"error": words}`, a bad request too."""

    @functools.wraps(handler)
    def wrapped(asked: Any) -> Any:
        try:
            with acting_as(visitor_of_event()):
                return handler(parts_of(asked))
        except CadStudioError as error:
            return {"error": str(error)}
        except Exception:
            _LOG.exception("server function %s", handler.__name__)
            return {"error": _UNEXPECTED}

    return wrapped


def route_errors(handler: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Wrap a route: an error becomes a status and `{"error": words}`."""

    @functools.wraps(handler)
    def wrapped(request: Request) -> Response:
        try:
            with acting_as(visitor(request)):
                return handler(request)
        except CadStudioError as error:
            status = 400
            if isinstance(error, RecordNotFoundError):
                status = 404
            elif isinstance(error, ReadOnlyError | NotAllowedError):
                status = 403
            return JSONResponse({"error": str(error)}, status)
        except Exception:
            _LOG.exception("route %s", request.url.path)
            return JSONResponse({"error": _UNEXPECTED}, 500)

    return wrapped
