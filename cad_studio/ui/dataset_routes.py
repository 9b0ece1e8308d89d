"""What the Dataset page reads over HTTP: figures, filtered samples, one sample."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from numpy.typing import NDArray

from cad_studio.services.container import Services
from cad_studio.ui.addresses import sprite_entry
from cad_studio.ui.answers import Answered, OpenServices
from cad_studio.ui.loop_routes import sets_now
from cad_studio.ui.requests import MaybeWhole, RowQuery, SearchPart, Whole
from cad_studio.views.datasets import (
    CoOccurrenceView,
    DatasetView,
    InstanceView,
    NeighboursView,
    RowsView,
    SetModelView,
)

router = APIRouter(route_class=Answered, prefix="/datasets/{name}", tags=["Datasets"])
_MOST_ROWS = 500


class RowsQuery(RowQuery, SearchPart):
    """A part of a filtered list of samples.

    Attributes:
        offset: How many to leave out at the start.
        limit: How many to give, at most 500.
        since: Only samples whose set was changed since the version of this number.
    """

    offset: Whole = 0
    limit: Whole = 200
    since: MaybeWhole = None


@router.get("/rows")
def rows(services: OpenServices, name: str, wanted: Annotated[RowsQuery, Query()]) -> RowsView:
    """Samples by a filter, in the order of the dataset, or of a search the most similar first."""
    found = services.datasets.rows(name, wanted.filter())
    if wanted.since is not None:
        found = _changed_since(services, name, found, wanted.since)
    found, cosine = services.search.ordered(name, found, wanted.query())
    offset = max(0, wanted.offset)
    part = slice(offset, offset + min(max(1, wanted.limit), _MOST_ROWS))
    page = found[part]
    data = services.datasets.load(name)
    return {
        "total": len(found),
        "offset": offset,
        "rows": page.tolist(),
        "ids": [data.ids[row] for row in page],
        "candidates": sets_now(services, name, page.tolist()),
        "similarity": None if cosine is None else np.round(cosine[part].astype(float), 3).tolist(),
        "sprite": sprite_entry(services, name, page.tolist()),
    }


def _changed_since(
    services: Services, name: str, rows: NDArray[np.int64], since: int
) -> NDArray[np.int64]:
    changed = services.loop.changed_since(name, since)
    blind = services.blindness.rows_for_reader(services.datasets.get(name))
    return np.setdiff1d(np.intersect1d(rows, changed), np.array(sorted(blind), np.int64))


@router.get("/instance/{row}")
def instance(services: OpenServices, name: str, row: Whole, reveal: bool = False) -> InstanceView:
    """One sample; its true label only when it is asked for with `reveal`."""
    found = services.datasets.instance(name, row, reveal)
    [now] = sets_now(services, name, [row])
    return {**found, "before": found["candidates"], "candidates": now}


@router.get("")
def dataset(services: OpenServices, name: str) -> DatasetView:
    """Size, classes, splits, versions and figures of a dataset."""
    return {**services.datasets.describe(name), "note": services.sample.note(name)}


@router.get("/co-occurrence")
def co_occurrence(services: OpenServices, name: str) -> CoOccurrenceView:
    """How often two classes share a set."""
    return services.datasets.co_occurrence(name)


@router.get("/set-model")
def set_model(services: OpenServices, name: str) -> SetModelView:
    """Which class is mistaken for which, as the sets alone tell."""
    return services.datasets.set_model(name)


@router.get("/neighbours/{row}")
def neighbours(
    services: OpenServices, name: str, row: Whole, features: Whole, count: Whole = 12
) -> NeighboursView:
    """The samples nearest to one, in the features of this number."""
    found = services.pairs.neighbours(name, features, row, min(max(1, count), 100))
    return {**found, "sprite": sprite_entry(services, name, found["rows"])}
