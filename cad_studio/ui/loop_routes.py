"""What pages read of where the work stands, and of the sets as annotators left them."""

import numpy as np
from fastapi import APIRouter

from cad_studio.services.container import Services
from cad_studio.ui.addresses import sprite_entry
from cad_studio.ui.answers import Answered, OpenServices
from cad_studio.views.loop import StandingView

router = APIRouter(route_class=Answered, tags=["Datasets"])


def sets_now(services: Services, name: str, rows: list[int]) -> list[list[int]]:
    """The candidates of some rows as they are now, for the one who asks."""
    record = services.datasets.get(name)
    blind = services.blindness.rows_for_reader(record, rows)
    return services.sets.lists_without(name, np.array(rows, np.int64), blind)


@router.get("/standing/{name}")
def standing(services: OpenServices, name: str) -> StandingView:
    """Where the work on a dataset stands: its data, pairs, runs, answers, and the next step."""
    found = services.loop.standing(name)
    found["data"]["sprite"] = sprite_entry(services, name, found["data"]["rows"])
    pairs = found["pairs"]
    if pairs is not None:
        first = pairs["first"]
        members = [] if first is None else [first["i"], first["j"]]
        pairs["sprite"] = sprite_entry(services, name, members)
    return found
