"""The HTTP API of the studio: what its pages, and programs, read of a project."""

from functools import cache, partial
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from cad_studio import __version__
from cad_studio.services.container import Services
from cad_studio.ui import (
    annotation_routes,
    augment_routes,
    dataset_routes,
    diagnosis_routes,
    loop_routes,
    pair_routes,
    picture_routes,
    search_routes,
    studio_routes,
    training_routes,
)
from cad_studio.ui.addresses import PREFIX
from cad_studio.ui.answers import Answered, is_view
from cad_studio.ui.api_page import api_page
from cad_studio.ui.door import Door
from cad_studio.ui.shared_answers import SharedAnswers

_ROUTERS = (  # what is asked for most is looked for first
    picture_routes.router,
    studio_routes.router,
    pair_routes.router,
    dataset_routes.router,
    search_routes.router,
    loop_routes.router,
    training_routes.router,
    diagnosis_routes.router,
    annotation_routes.router,
    augment_routes.router,
)
_ABOUT = (
    "What the pages of the studio read, and programs may read too. Answers are JSON unless another "
    'kind is named; a refusal is `{"error": "..."}` in words with a status of 400 (the request), '
    "401 (log in first), 403 (not allowed) or 404 (no such thing). Samples are named by their row, "
    "from 0, and classes by their index where no name is asked for."
)


def build_routes(services: Services) -> list[BaseRoute]:
    """All routes over one project."""
    return [
        Route("/annotate", annotation_routes.to_annotate_page),
        Mount(PREFIX, Door(build_api(services), services)),
    ]


def build_api(services: Services | None = None) -> FastAPI:
    """The routes below the prefix, as an application; without services it can be described only."""
    api = FastAPI(
        title="CAD Studio",
        version=__version__,
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        routes=[route for router in _ROUTERS for route in router.routes],
        exception_handlers={HTTPException: _refused},
        redirect_slashes=False,
    )
    if services is not None:
        database = services.project.database
        api.state.services = services
        api.state.shared_answers = SharedAnswers(lambda: database.writes)
    api.openapi = cache(partial(described, api))  # type: ignore[method-assign]
    page = cache(lambda: api_page(api.openapi(), PREFIX))
    api.add_route("/docs", lambda _: HTMLResponse(page()))
    return api


def described(api: FastAPI) -> dict[str, Any]:
    """The API as OpenAPI, with what its routes answer; worked out when it is asked for."""
    found = get_openapi(
        title=api.title, version=api.version, description=api.description, routes=api.routes
    )
    routes = {route.path: route for route in api.routes if isinstance(route, Answered)}
    told = {path: route.view for path, route in routes.items() if is_view(route.view)}
    schemas, shared = TypeAdapter.json_schemas(
        [(path, "serialization", TypeAdapter(view)) for path, view in told.items()],
        ref_template="#/components/schemas/{model}",
    )
    for (path, _), schema in schemas.items():
        if path in found["paths"]:
            answer = found["paths"][path]["get"]["responses"]["200"]
            answer["content"] = {"application/json": {"schema": schema}}
    for answers in (each["get"]["responses"] for each in found["paths"].values()):
        answers.pop("422", None)  # a refusal has the status and form that the page tells of
    models = found.setdefault("components", {}).setdefault("schemas", {})
    models.update(shared.get("$defs", {}))
    for unused in ("HTTPValidationError", "ValidationError"):
        models.pop(unused, None)
    found["servers"] = [{"url": PREFIX}]
    return found


def _refused(_request: Request, error: Exception) -> Response:
    """No route has this address, or none with this method."""
    assert isinstance(error, HTTPException)
    words = {
        404: "There is nothing at this address; /docs lists what there is.",
        405: "This address is only read, with GET.",
    }
    said = words.get(error.status_code, str(error.detail))
    return JSONResponse({"error": said}, error.status_code, headers=error.headers)
