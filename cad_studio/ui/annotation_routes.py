"""What the Annotate page reads over HTTP; whatever changes something goes another way."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from cad_studio.services.annotation.consensus import DAWID_SKENE
from cad_studio.services.container import Services
from cad_studio.ui.addresses import sprite_entry
from cad_studio.ui.answers import CHANGING, Answered, OpenServices, of_kind
from cad_studio.ui.requests import MaybeWhole, RowText, Text, Who, Whole, row_classes, row_list
from cad_studio.views.annotation import (
    AgreementView,
    AnnotateView,
    CardView,
    HistoryView,
    LiveView,
    RowHistoryView,
    SelectionsView,
    SuggestionsView,
    TrialView,
    TrialWorthView,
)

router = APIRouter(route_class=Answered, prefix="/annotate/{name}", tags=["Annotation"])


def painted(services: Services, name: str, card: CardView) -> CardView:
    """A card with the sheets that the thumbnails of its neighbours are cut from."""
    for side in card["sides"]:
        near = side["neighbours"]
        if near is not None:
            near["sprite"] = sprite_entry(services, name, near["rows"])
    return card


@router.get("/card")
def card(
    services: OpenServices, name: str, rows: RowText = "", who: Who = "", near: bool = True
) -> CardView:
    """One sample, or the two of a pair, as a question; `near`: with the neighbours of each."""
    return painted(services, name, services.cards.card(name, row_list(rows), who, near=near))


@router.get("")
def overview(services: OpenServices, name: str, who: Who = "") -> AnnotateView:
    """What was annotated so far, and the queues."""
    return {
        **services.cards.overview(name, who),
        "orders": services.queues.orders(),
        "on_trial": services.trial.orders() if services.access.read_only else [],
        "queues": services.queues.queues(name, who),
    }


@router.get("/queues/{queue}/items/{position}")
def item(
    services: OpenServices, name: str, queue: Whole, position: Whole, who: Who = ""
) -> CardView:
    """The question at a place of a queue."""
    found = services.queues.item(name, queue, position)
    return painted(services, name, services.cards.of_item(name, found, who))


@router.get("/suggestions/{row}")
def suggestions(services: OpenServices, name: str, row: Whole, who: Who = "") -> SuggestionsView:
    """What is known of a sample that may help to answer, each with where it comes from."""
    return services.suggestions.of(name, row, who)


@router.get("/trial")
def trial(
    services: OpenServices, name: str, order: Text = "", rows: RowText | None = None
) -> TrialView:
    """The questions of a trial, which stores nothing; `rows`: these alone."""
    wanted = None if rows is None else row_list(rows)
    cards = services.trial.cards(name, order, wanted)
    return {"cards": [painted(services, name, card) for card in cards]}


@router.get("/trial/worth")
def trial_worth(
    services: OpenServices, name: str, order: Text = "", answers: str = ""
) -> TrialWorthView:
    """What the answers of a trial, such as `12:3,40:1+2`, make better."""
    return services.trial.worth(name, order, row_classes(answers))


@router.get("/live")
def live(
    services: OpenServices, name: str, who: Who = "", since: MaybeWhole = None, idle: bool = False
) -> LiveView:
    """How far the belief is settled; `since`: the action that an earlier answer went up to."""
    return services.live.standing(name, who, since, idle)


@router.get("/history")
def history(services: OpenServices, name: str, before: Whole = 0, limit: Whole = 50) -> HistoryView:
    """The newest actions, or those before the one of this number."""
    return services.history.newest(name, before, limit)


@router.get("/history.jsonl", **of_kind("application/x-ndjson"))
def log(services: OpenServices, name: str) -> StreamingResponse:
    """The whole log, one action a line."""
    services.datasets.get(name)
    actions = services.history.everything(name)

    def lines() -> Iterator[str]:
        for action in actions:
            yield json.dumps(action, ensure_ascii=False) + "\n"

    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}-history.jsonl",
        **CHANGING,
    }
    return StreamingResponse(lines(), media_type="application/x-ndjson", headers=headers)


@router.get("/history/{row}")
def row_history(services: OpenServices, name: str, row: Whole) -> RowHistoryView:
    """The actions on a sample, oldest first."""
    return {"actions": services.history.of_row(name, row)}


@router.get("/agreement")
def agreement(services: OpenServices, name: str, by: Text = DAWID_SKENE) -> AgreementView:
    """How well annotators agree, and how reliable each is; `by`: `dawid-skene` or `crowdlab`."""
    consensus = services.consensus.people(name, by)
    return {**services.annotators.agreement(name), "consensus": consensus}


@router.get("/selections")
def selections(services: OpenServices, name: str) -> SelectionsView:
    """The stored selections of samples."""
    found = [asdict(each) for each in services.queues.selections(name)]
    for each in found:
        each["n_rows"] = len(each.pop("rows"))
        each.pop("reasons")
    return {"selections": found}


def to_annotate_page(request: Request) -> Response:
    """The address `/annotate?...` leads to the page with the same query."""
    query: list[tuple[str, Any]] = [("open", "annotate")]
    query += [
        pair for pair in request.query_params.multi_items() if pair[0] not in {"page", "open"}
    ]
    return RedirectResponse("./?" + urlencode(query), 307)
