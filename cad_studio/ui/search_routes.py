"""What pages read of a search by words or by a picture: its state, its order, its picture."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cad_studio.core.errors import SettingError
from cad_studio.services.container import Services
from cad_studio.services.pictures import png
from cad_studio.services.search import MOST_CHARACTERS, SearchQuery
from cad_studio.ui import requests

_NO_STORE = {"Cache-Control": "no-store"}
_NEAREST = re.compile(r"[0-9]{1,7}")


def query_of(asked: Mapping[str, Any]) -> SearchQuery:
    """A search as a page holds it beside its filter: `words`, `like`, `by`, `nearest`.

    Raises:
        SettingError: A part of it cannot be read.
    """
    nearest = asked.get("nearest") or None
    if nearest is not None and not _NEAREST.fullmatch(str(nearest)):
        raise SettingError(f"nearest is {nearest!r:.40}; expected a whole number.")
    return SearchQuery(
        words=str(asked.get("words") or "")[: MOST_CHARACTERS + 1],
        picture=str(asked.get("like") or "")[:40],
        features=str(asked.get("by") or "")[:400],
        nearest=None if nearest is None else int(nearest),
    )


def found_rows(
    services: Services, request: Request, name: str, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], list[float] | None]:
    """Some rows in the order of the search that a request holds, and their cosines."""
    rows, cosine = services.search.ordered(name, rows, query_of(request.query_params))
    return rows, None if cosine is None else np.round(cosine.astype(float), 3).tolist()


def _search(services: Services, request: Request) -> Response:
    """What there is to search by, and how far the search is that the request holds."""
    name, query = str(request.path_params["name"]), query_of(request.query_params)
    offers = services.search.offers(name)
    state = services.search.state(name, query) if query else None
    return JSONResponse({**offers, "state": state}, headers=_NO_STORE)


def _most_similar(services: Services, request: Request) -> Response:
    """Rows alone, for the map: at most `nearest` of all samples."""
    name, query = str(request.path_params["name"]), query_of(request.query_params)
    return JSONResponse(services.search.search(name, query), headers=_NO_STORE)


def _picture(services: Services, request: Request) -> Response:
    name, picture = (str(request.path_params[part]) for part in ("name", "picture"))
    return Response(png(services.search.picture(name, picture)), media_type="image/png")


def _zero_shot(services: Services, request: Request) -> Response:
    name, row = str(request.path_params["name"]), requests.path_number(request, "row")
    found = services.zero_shot.of_row(name, row, request.query_params.get("by", "")[:400])
    return JSONResponse(found, headers=_NO_STORE)


SEARCH_ROUTES: dict[str, Callable[[Services, Request], Response]] = {
    "/datasets/{name}/search": _search,
    "/datasets/{name}/search/rows": _most_similar,
    "/datasets/{name}/search/picture/{picture}": _picture,
    "/datasets/{name}/zero-shot/{row}": _zero_shot,
}
"""Paths below the studio's prefix, each with what answers it."""
