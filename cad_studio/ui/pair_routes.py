"""What the Entangled pairs page reads over HTTP: searches, and the pairs they found."""

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from cad_studio.ui import views
from cad_studio.ui.addresses import sprite_entry
from cad_studio.ui.answers import CHANGING, Answered, OpenServices, of_kind
from cad_studio.ui.loop_routes import sets_now
from cad_studio.ui.requests import AskedPairs, PairQuery, Whole, two_numbers
from cad_studio.views.pairs import (
    MiningAgreementView,
    MiningsView,
    PairListView,
    PairSummaryView,
    PairView,
)

router = APIRouter(
    route_class=Answered, prefix="/datasets/{name}/minings", tags=["Entangled pairs"]
)
_MOST_PAIRS = 250


class PairListQuery(PairQuery):
    """A part of a list of pairs.

    Attributes:
        offset: How many to leave out at the start.
        limit: How many to give, at most 250.
        around: A pair such as `3-14`, instead of an offset: the part that holds it.
    """

    offset: Whole = 0
    limit: Whole = 100
    around: str = ""


@router.get("/{mining}/pair/{i}-{j}")
def pair(services: OpenServices, name: str, mining: Whole, i: Whole, j: Whole) -> PairView:
    """Two samples side by side, each with its neighbours."""
    found = services.pairs.pair(name, mining, i, j)
    now = sets_now(services, name, [i, j])
    found["shared"] = sorted(set(now[0]) & set(now[1]))
    for side, candidates in zip(found["sides"], now, strict=True):
        side["candidates"] = candidates
        near = side["neighbours"]
        near["sprite"] = sprite_entry(services, name, near["rows"])
    return found


@router.get("/{mining}/pairs")
def pairs(
    services: OpenServices, name: str, mining: Whole, wanted: Annotated[PairListQuery, Query()]
) -> PairListView:
    """Pairs, most similar first."""
    offset, limit = wanted.offset, min(wanted.limit, _MOST_PAIRS)
    around = two_numbers("around", wanted.around)
    if around and limit > 0:
        position = services.pairs.position(name, mining, wanted.filter(), *around)
        offset = 0 if position is None else position // limit * limit
    page = services.pairs.page(name, mining, wanted.filter(), offset, limit)
    members = [row for pair in page["pairs"] for row in (pair["i"], pair["j"])]
    return {**page, "sprite": sprite_entry(services, name, members)}


@router.get("")
def minings(services: OpenServices, name: str) -> MiningsView:
    """The searches for pairs of a dataset, and the features that were extracted of it."""
    current = services.datasets.get(name).version.hash
    numbers = services.loop.version_numbers(name)
    return {
        "minings": [
            views.mining_entry(
                mining, services.mining.feature_set(mining.feature_set_id), current, numbers
            )
            for mining in services.mining.minings(name)
        ],
        "feature_sets": [asdict(each) for each in services.mining.feature_sets(name)],
        "extractors": services.mining.offered(name),
    }


@router.get("/{mining}")
def summary(
    services: OpenServices, name: str, mining: Whole, wanted: AskedPairs
) -> PairSummaryView:
    """How many pairs a search found, by classes and by similarity."""
    return services.pairs.summary(name, mining, wanted.filter())


@router.get("/{mining}/agreement/{other}")
def agreement(
    services: OpenServices, name: str, mining: Whole, other: Whole, top: Whole = 1000
) -> MiningAgreementView:
    """How many of their most similar pairs two searches share."""
    return services.pairs.agreement(name, mining, other, max(1, top))


@router.get("/{mining}/pairs.csv", **of_kind("text/csv"))
def pairs_csv(
    services: OpenServices, name: str, mining: Whole, wanted: AskedPairs
) -> StreamingResponse:
    """All pairs as a table."""
    rows = services.pairs.csv_rows(name, mining, wanted.filter())
    first = next(rows)  # an error must come before the first byte is sent

    def lines() -> Iterator[str]:
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(first)
        for row in rows:
            writer.writerow(row)
            if out.tell() > 1 << 16:
                yield out.getvalue()
                out.seek(0)
                out.truncate()
        yield out.getvalue()

    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}-pairs.csv",
        **CHANGING,
    }
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)
