"""What the Augmentations page reads over HTTP: previews, texts, stored edits and sample grids."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from cad_studio.core.errors import SettingError
from cad_studio.core.settings import describe_settings
from cad_studio.services.container import Services
from cad_studio.services.edit_plan import EditBudget
from cad_studio.services.edit_sets import ORDERS, GalleryFilter
from cad_studio.services.pictures import SPRITE_COLUMNS
from cad_studio.services.previews import PreviewRequest
from cad_studio.ui import requests
from cad_studio.ui.addresses import PREFIX, sprite_entry

_CHANGING = {"Cache-Control": "no-store"}
_LASTING = {"Cache-Control": "private, max-age=31536000, immutable"}
_MOST_IN_PAGE = 200
_LIVE = ("strength", "guidance", "steps")


def preview_request(request: Request) -> PreviewRequest:
    """What the page wants to look at.

    Raises:
        SettingError: A part of it cannot be read, or is out of range.
    """
    query = request.query_params
    settings: dict[str, Any] = {}
    for name in _LIVE:
        value = requests.real_number(request, name)
        if value is not None:
            settings[name] = int(value) if name == "steps" else value
    epsilon = requests.real_number(request, "epsilon")
    run = query.get("run")
    guides = query.get("guides")
    return PreviewRequest(
        rows=tuple(requests.row_list(query.get("rows", ""))),
        run=requests.whole_number(request, "run") if run else None,
        cam=query.get("cam") or "contrast",
        fill=query.get("fill") or "zero",
        epsilon=epsilon,
        guides=tuple(requests.row_list(guides)) if guides else None,
        settings=settings,
        with_edits=query.get("edits") != "0",
    )


def _offers(services: Services, request: Request) -> Response:
    name = str(request.path_params["name"])
    record = services.datasets.get(name)
    has_images = record.kind == "images"
    return JSONResponse(
        {
            "class_names": record.class_names,
            "has_images": has_images,
            "editors": services.editors.offers(name) if has_images else [],
            "judges": services.judges.offered(name),
            "sets": services.edit_sets.all(name),
            "models": services.edit_models.all(name),
            "budget": describe_settings(EditBudget),
            "orders": ORDERS,
            "epsilon": services.previews.epsilon(name) if has_images else None,
        },
        headers=_CHANGING,
    )


def _look(services: Services, request: Request) -> Response:
    name = str(request.path_params["name"])
    return JSONResponse(services.previews.look(name, preview_request(request)), headers=_CHANGING)


def _prompts(services: Services, request: Request) -> Response:
    name = str(request.path_params["name"])
    return JSONResponse(services.prompts.table(name), headers=_CHANGING)


def _gallery(services: Services, request: Request) -> Response:
    number = requests.path_number(request, "set")
    query = request.query_params
    classes = requests.pair_rows(request, "classes")
    wanted = GalleryFilter(
        order=query.get("order") or "worst",
        classes=classes,
        least=requests.real_number(request, "least") or 0.0,
        failing=query.get("failing") == "1",
    )
    judge_key = None
    if query.get("run"):
        judge_key = services.judges.open(requests.whole_number(request, "run")).key
    offset = max(0, requests.whole_number(request, "offset", 0))
    limit = min(max(1, requests.whole_number(request, "limit", 60)), _MOST_IN_PAGE)
    found = services.edit_sets.gallery(number, judge_key, wanted, offset, limit)
    sheets = {
        "sprite": _edits_sheet(services, number, found["edits"]),
        "sources": _sources_sheet(services, number, found["edits"]),
    }
    return JSONResponse({**found, **sheets}, headers=_CHANGING)


def _edits_sheet(
    services: Services, number: int, edits: list[dict[str, Any]]
) -> dict[str, object] | None:
    """Where a sheet of edits is, and how it is laid out."""
    if not edits:
        return None
    numbers = [edit["id"] for edit in edits]
    edit_set = services.project.edits.get(number)
    content = services.edit_sets.sheet_hash(number, numbers)
    listed = ",".join(map(str, numbers))
    return {
        "url": f"{PREFIX}/augment/sets/{number}/{content}/sprite.png?edits={listed}",
        "columns": SPRITE_COLUMNS,
        "px": services.edit_sets.cell_px(edit_set),
        "lines": -(-len(edits) // SPRITE_COLUMNS),
    }


def _sources_sheet(
    services: Services, number: int, edits: list[dict[str, Any]]
) -> dict[str, object] | None:
    """The sheet of what the edits were made from, one cell an edit."""
    name = services.edit_sets.name_of(services.project.edits.get(number))
    return sprite_entry(services, name, [edit["row"] for edit in edits])


def _sprite(services: Services, request: Request) -> Response:
    number = requests.path_number(request, "set")
    numbers = requests.row_list(request.query_params.get("edits", ""))
    sheet = services.edit_sets.sprite(number, numbers)
    # What a browser keeps must be this very sheet, not one of another project at this address.
    is_it = request.path_params["content"] == services.edit_sets.sheet_hash(number, numbers)
    return Response(sheet, media_type="image/png", headers=_LASTING if is_it else _CHANGING)


def _samples(services: Services, request: Request) -> Response:
    editor, epoch = (requests.path_number(request, part) for part in ("editor", "epoch"))
    if epoch < 0:
        raise SettingError(f"epoch is {epoch}; the first is 0.")
    return FileResponse(services.edit_models.samples(editor, epoch), headers=_CHANGING)


AUGMENT_ROUTES: dict[str, Callable[[Services, Request], Response]] = {
    "/augment/sets/{set}/gallery": _gallery,
    "/augment/sets/{set}/{content}/sprite.png": _sprite,
    "/augment/editors/{editor}/samples/{epoch}.png": _samples,
    "/augment/{name}/offers": _offers,
    "/augment/{name}/look": _look,
    "/augment/{name}/prompts": _prompts,
}
"""Paths below the studio's prefix, each with what answers it."""
