"""What the Annotate page reads over HTTP; whatever changes something goes another way."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from cad_studio.services.container import Services
from cad_studio.ui import requests
from cad_studio.ui.addresses import sprite_entry

_CHANGING = {"Cache-Control": "no-store"}
_LONGEST_NAME = 60


def _json(value: object) -> Response:
    return JSONResponse(value, headers=_CHANGING)


def _name(request: Request) -> str:
    return str(request.path_params["name"])


def _who(request: Request) -> str:
    return request.query_params.get("who", "")[:_LONGEST_NAME]


def painted(services: Services, name: str, card: dict[str, Any]) -> dict[str, Any]:
    """A card with the sheets that the thumbnails of its neighbours are cut from."""
    for side in card["sides"]:
        near = side["neighbours"]
        if near is not None:
            near["sprite"] = sprite_entry(services, name, near["rows"])
    return card


def _overview(services: Services, request: Request) -> Response:
    name, who = _name(request), _who(request)
    return _json(
        {
            **services.cards.overview(name, who),
            "orders": services.queues.orders(),
            "on_trial": services.trial.orders() if services.access.read_only else [],
            "queues": services.queues.queues(name, who),
        }
    )


def _card(services: Services, request: Request) -> Response:
    rows = requests.row_list(request.query_params.get("rows", ""))
    name = _name(request)
    near = request.query_params.get("near") != "0"  # pages that show neighbours of their own
    return _json(painted(services, name, services.cards.card(name, rows, _who(request), near=near)))


def _item(services: Services, request: Request) -> Response:
    queue, position = (requests.path_number(request, part) for part in ("queue", "position"))
    item = services.queues.item(_name(request), queue, position)
    return _json(
        painted(
            services, _name(request), services.cards.of_item(_name(request), item, _who(request))
        )
    )


def _suggestions(services: Services, request: Request) -> Response:
    row = requests.path_number(request, "row")
    return _json(services.suggestions.of(_name(request), row, _who(request)))


def _trial(services: Services, request: Request) -> Response:
    """The cards of a trial, which stores nothing, with what its order is called."""
    name, order = _name(request), request.query_params.get("order", "")
    text = request.query_params.get("rows")
    rows = None if text is None else requests.row_list(text)
    cards = services.trial.cards(name, order, rows)
    return _json({"cards": [painted(services, name, card) for card in cards]})


def _trial_worth(services: Services, request: Request) -> Response:
    order = request.query_params.get("order", "")
    answers = requests.row_classes(request.query_params.get("answers", ""))
    return _json(services.trial.worth(_name(request), order, answers))


def _live(services: Services, request: Request) -> Response:
    since = requests.whole_number(request, "since") if "since" in request.query_params else None
    is_idle = request.query_params.get("idle") == "1"
    return _json(services.live.standing(_name(request), _who(request), since, is_idle))


def _history(services: Services, request: Request) -> Response:
    before = requests.whole_number(request, "before", 0)
    limit = requests.whole_number(request, "limit", 50)
    return _json(services.history.newest(_name(request), before, limit))


def _row_history(services: Services, request: Request) -> Response:
    row = requests.path_number(request, "row")
    return _json({"actions": services.history.of_row(_name(request), row)})


def _log(services: Services, request: Request) -> Response:
    name = _name(request)
    services.datasets.get(name)
    actions = services.history.everything(name)  # here, where it is known who asks

    def lines() -> Iterator[str]:
        for action in actions:
            yield json.dumps(action, ensure_ascii=False) + "\n"

    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}-history.jsonl",
        **_CHANGING,
    }
    return StreamingResponse(lines(), media_type="application/x-ndjson", headers=headers)


def _agreement(services: Services, request: Request) -> Response:
    name = _name(request)
    consensus = services.consensus.people(name)
    return _json({**services.annotators.agreement(name), "consensus": consensus})


def _selections(services: Services, request: Request) -> Response:
    found = [asdict(each) for each in services.queues.selections(_name(request))]
    for each in found:
        each["n_rows"] = len(each.pop("rows"))
        each.pop("reasons")
    return _json({"selections": found})


def to_annotate_page(request: Request) -> Response:
    """The address `/annotate?...` leads to the page with the same query."""
    query: list[tuple[str, Any]] = [("open", "annotate")]
    query += [
        pair for pair in request.query_params.multi_items() if pair[0] not in {"page", "open"}
    ]
    return RedirectResponse("./?" + urlencode(query), 307)


ANNOTATION_ROUTES: dict[str, Callable[[Services, Request], Response]] = {
    "/annotate/{name}": _overview,
    "/annotate/{name}/card": _card,
    "/annotate/{name}/queues/{queue}/items/{position}": _item,
    "/annotate/{name}/suggestions/{row}": _suggestions,
    "/annotate/{name}/trial": _trial,
    "/annotate/{name}/trial/worth": _trial_worth,
    "/annotate/{name}/live": _live,
    "/annotate/{name}/history": _history,
    "/annotate/{name}/history.jsonl": _log,
    "/annotate/{name}/history/{row}": _row_history,
    "/annotate/{name}/agreement": _agreement,
    "/annotate/{name}/selections": _selections,
}
"""Paths below the studio's prefix, each with what answers it."""
