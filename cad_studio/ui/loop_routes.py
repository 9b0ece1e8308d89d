"""What pages read of where the work stands, and of the sets as annotators left them."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cad_studio.services.container import Services
from cad_studio.ui import requests
from cad_studio.ui.addresses import sprite_entry


def sets_now(services: Services, name: str, rows: list[int]) -> list[list[int]]:
    """The candidates of some rows as they are now, for the one who asks."""
    record = services.datasets.get(name)
    blind = services.blindness.rows_for_reader(record, rows)
    return services.sets.lists_without(name, np.array(rows, np.int64), blind)


def rows_since(
    services: Services, request: Request, name: str, rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Of some rows those whose set was changed since the version `since` of a request names.

    Raises:
        RecordNotFoundError: The dataset has no such version.
    """
    if not request.query_params.get("since"):
        return rows
    changed = services.loop.changed_since(name, requests.whole_number(request, "since"))
    blind = services.blindness.rows_for_reader(services.datasets.get(name))
    return np.setdiff1d(np.intersect1d(rows, changed), np.array(sorted(blind), np.int64))


def _standing(services: Services, request: Request) -> Response:
    name = str(request.path_params["name"])
    found = services.loop.standing(name)
    found["data"]["sprite"] = sprite_entry(services, name, found["data"]["rows"])
    pairs = found["pairs"]
    if pairs is not None:
        first = pairs["first"]
        members = [] if first is None else [first["i"], first["j"]]
        pairs["sprite"] = sprite_entry(services, name, members)
    return JSONResponse(found, headers={"Cache-Control": "no-store"})


LOOP_ROUTES: dict[str, Callable[[Services, Request], Response]] = {"/standing/{name}": _standing}
"""Paths below the studio's prefix, each with what answers it."""
