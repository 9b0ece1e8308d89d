"""What pages read of a search by words or by a picture: its state, its order, its picture."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from cad_studio.services.datasets.pictures import png
from cad_studio.ui.answers import CHANGING, Answered, OpenServices, of_kind
from cad_studio.ui.requests import SearchPart, Whole
from cad_studio.views.search import SearchFoundView, SearchView, ZeroShotView

router = APIRouter(route_class=Answered, prefix="/datasets/{name}", tags=["Search"])
_NEAREST, _MOST_NEAREST = 500, 10_000
_Search = Annotated[SearchPart, Query()]


@router.get("/search")
def search(services: OpenServices, name: str, wanted: _Search) -> SearchView:
    """What there is to search by, and how far the search is that is asked for."""
    query = wanted.query()
    offers = services.search.offers(name)
    return {**offers, "state": services.search.state(name, query) if query else None}


@router.get("/search/rows")
def most_similar(services: OpenServices, name: str, wanted: _Search) -> SearchFoundView:
    """Rows alone, for the map: `nearest` of all samples, 500 unless told, at most 10,000."""
    query = wanted.query()
    nearest = min(query.nearest or _NEAREST, _MOST_NEAREST)
    return services.search.search(name, replace(query, nearest=nearest))


@router.get("/search/picture/{picture}", **of_kind("image/png"))
def picture(services: OpenServices, name: str, picture: str) -> Response:
    """A picture that was handed in to search by."""
    content = png(services.search.picture(name, picture))
    return Response(content, media_type="image/png", headers=CHANGING)


@router.get("/zero-shot/{row}")
def zero_shot(
    services: OpenServices, name: str, row: Whole, by: Annotated[str, Query(max_length=400)] = ""
) -> ZeroShotView:
    """What the texts of the classes suggest for one sample."""
    return services.zero_shot.of_row(name, row, by)
