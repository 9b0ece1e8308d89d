"""What the Diagnose page reads over HTTP: matrices, tables, maps, suspects, comparisons."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cad_studio.core.errors import SettingError
from cad_studio.services.container import Services
from cad_studio.services.datasets import MAX_MATRIX_CLASSES
from cad_studio.services.suspects import OF_THE_JUDGE, told
from cad_studio.ui import requests
from cad_studio.ui.addresses import sprite_entry
from cad_studio.ui.loop_routes import sets_now

_CHANGING = {"Cache-Control": "no-store"}
_MOST_TILES = 200
_LONGEST_NAME = 200
_MOST_ROWS = 100_000


def _json(value: object) -> Response:
    return JSONResponse(value, headers=_CHANGING)


def _run(request: Request) -> int:
    return requests.path_number(request, "run")


def _split(request: Request) -> str | None:
    return request.query_params.get("split") or None


def _against(request: Request) -> int | None:
    return requests.whole_number(request, "against", 0) or None


def _runs(services: Services, request: Request) -> Response:
    name = str(request.path_params["name"])
    services.datasets.get(name)
    found = services.diagnosis.runs(name)
    ready = [run["id"] for run in found if run["is_ready"]]
    return _json({"runs": found, "maps": services.diagnosis.maps.offered(name, ready)})


def _overview(services: Services, request: Request) -> Response:
    query = request.query_params
    most = requests.whole_number(request, "most", 24)
    found = services.diagnosis.confusion.overview(
        _run(request),
        _split(request),
        min(max(2, most), MAX_MATRIX_CLASSES),
        query.get("order", "similar"),
        query.get("find", "")[:100],
    )
    against = _against(request)
    if against is not None:
        # held against a run whose dataset has no such split, figures stand alone
        compared = services.diagnosis.comparison.compare([against, _run(request)], _split(request))
        found["differences"] = {
            figure["key"]: figure["differences"][1] for figure in compared["figures"]
        }
        found["changes"] = compared["changes"]
    return _json(found)


def _classes(services: Services, request: Request) -> Response:
    return _json(services.diagnosis.confusion.classes(_run(request), _split(request)))


def _reliability(services: Services, request: Request) -> Response:
    label = requests.whole_number(request, "class")
    return _json(services.diagnosis.confusion.reliability(_run(request), label, _split(request)))


def _entanglement(services: Services, request: Request) -> Response:
    return _json(services.diagnosis.confusion.entanglement(_run(request), _split(request)))


def _rows(services: Services, request: Request) -> Response:
    """Rows of a cell, or of a change, with the first tiles."""
    run, query = _run(request), request.query_params
    what = query.get("what", "")
    if what in {"fixed", "broken", "moved"}:
        against = requests.whole_number(request, "against")
        found = services.diagnosis.comparison.rows(against, run, what, _split(request))
    else:
        a, b = (requests.whole_number(request, name) for name in ("a", "b"))
        found = services.diagnosis.confusion.cell(run, what, a, b, _split(request))
    rows = found[:_MOST_ROWS].tolist()
    first = rows[: min(requests.whole_number(request, "limit", 120), _MOST_TILES)]
    return _json({"total": len(found), "rows": rows, "tiles": _tiles_of(services, run, first)})


def _tiles(services: Services, request: Request) -> Response:
    rows = requests.row_list(request.query_params.get("rows", ""))
    if len(rows) > _MOST_TILES:
        raise SettingError(f"At most {_MOST_TILES} tiles at once; {len(rows)} are asked for.")
    return _json(_tiles_of(services, _run(request), rows))


def _tiles_of(services: Services, run: int, rows: list[int]) -> dict[str, Any]:
    found = services.diagnosis.instances.tiles(run, rows)
    name = services.diagnosis.predictions.load(run).data.record.name
    return {**found, "sprite": sprite_entry(services, name, rows)}


def _colours(services: Services, request: Request) -> Response:
    return _json(services.diagnosis.colours.describe(_run(request), _against(request)))


def _columns(services: Services, request: Request) -> Response:
    body = services.diagnosis.colours.columns(_run(request), _against(request))
    return Response(body, media_type="application/octet-stream", headers=_CHANGING)


def _field_column(services: Services, request: Request) -> Response:
    name = request.query_params.get("field", "")[:_LONGEST_NAME]
    body = services.diagnosis.colours.field_column(_run(request), name)
    return Response(body, media_type="application/octet-stream", headers=_CHANGING)


def _slices(services: Services, request: Request) -> Response:
    name = request.query_params.get("field", "")[:_LONGEST_NAME]
    return _json(services.diagnosis.slices.of(_run(request), name, _split(request)))


def _fields(services: Services, request: Request) -> Response:
    data = services.diagnosis.predictions.load(_run(request)).data
    return _json(services.datasets.fields.describe(data))


def _map(services: Services, request: Request) -> Response:
    return _json(services.diagnosis.maps.state(*_which(request)))


def _points(services: Services, request: Request) -> Response:
    name, features, seed = _which(request)
    stage = request.query_params.get("stage", "pca")
    places = services.diagnosis.maps.points(name, features, stage, seed)
    body = places.astype("<u2").tobytes()
    # The origin of the features is no part of the address, so the browser asks each time.
    return Response(body, media_type="application/octet-stream", headers=_CHANGING)


def _which(request: Request) -> tuple[str, str, int]:
    features = request.query_params.get("features", "pixels")[:200]
    return str(request.path_params["name"]), features, requests.whole_number(request, "seed", 0)


def _suspects(services: Services, request: Request) -> Response:
    """The suspects of one kind, some of them, with how many there are of each."""
    run, query = _run(request), request.query_params
    name = services.diagnosis.predictions.load(run).data.record.name
    found = services.diagnosis.suspects.known(name, run)
    if found is None:
        return _json({"known": False})
    found = told(found)
    waiting = _waiting(services, name, found["suspects"])
    # of a kind that is listed in part, those beyond the list are counted too
    beyond = {k: n - sum(each["kind"] == k for each in found["suspects"])
              for k, n in found["counts"].items()}  # fmt: skip
    _, _, condition = (_split(request) or "").partition("?")
    if condition:
        inside = services.datasets.fields.mask(services.datasets.load(name), [condition])
        waiting = [each for each in waiting if inside[each["row"]]]
        beyond = dict.fromkeys(beyond, 0)
    counts = Counter(each["kind"] for each in waiting)
    shown = {k: counts[k] + beyond[k] for k in found["counts"]}
    kind = query.get("kind") or next((k for k, n in shown.items() if n), "outside")
    if kind not in shown:
        known = ", ".join(shown)
        raise SettingError(f"{kind[:40]!r} is no kind of suspect. Allowed: {known}.")
    listed = [each for each in waiting if each["kind"] == kind]
    offset = max(0, requests.whole_number(request, "offset", 0))
    page = listed[offset : offset + 50]
    rows = [row for each in page for row in (each["row"], each["other"]) if row is not None]
    sets = sets_now(services, name, [each["row"] for each in page])
    sprite = sprite_entry(services, name, rows)
    return _json(
        {
            **{key: found[key] for key in ("n", "features", "version", "judge", "found_on")},
            "counts": shown,
            "by_run": found["run"],
            "is_weak": found["is_weak"] and kind in OF_THE_JUDGE,
            "answered": len(found["suspects"]) - len(waiting),
            "known": True,
            "kind": kind,
            "listed": len(listed),
            "offset": offset,
            "suspects": [
                {**each, "candidates": held} for each, held in zip(page, sets, strict=True)
            ],
            "rows": [each["row"] for each in listed],
            "by_label": Counter(each["label"] for each in listed if each["label"] is not None),
            "sprite": sprite,
        }
    )


def _waiting(services: Services, name: str, suspects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those about which nobody has given an answer yet."""
    answered = set(services.sets.answered_rows(name).tolist())
    return [each for each in suspects if each["row"] not in answered]


def _compare(services: Services, request: Request) -> Response:
    runs = requests.row_list(request.query_params.get("runs", ""))
    return _json(services.diagnosis.comparison.compare(runs, _split(request)))


def _instance(services: Services, request: Request) -> Response:
    run = _run(request)
    found = services.diagnosis.instances.instance(run, requests.path_number(request, "row"))
    name = services.diagnosis.predictions.load(run).data.record.name
    for each in found["runs"]:
        near = each["neighbours"]
        near["sprite"] = sprite_entry(services, name, near["rows"])
    found["pairs_sprite"] = sprite_entry(services, name, found["pairs"])
    return _json(found)


def _came_apart(services: Services, request: Request) -> Response:
    return _json(services.diagnosis.instances.came_apart(_run(request)))


def _pair(services: Services, request: Request) -> Response:
    i, j = (requests.path_number(request, part) for part in ("i", "j"))
    return _json(services.diagnosis.instances.pair(_run(request), i, j))


DIAGNOSIS_ROUTES: dict[str, Callable[[Services, Request], Response]] = {
    "/diagnosis/compare": _compare,
    "/diagnosis/of/{name}": _runs,
    "/diagnosis/map/{name}": _map,
    "/diagnosis/map/{name}/points": _points,
    "/diagnosis/{run}/overview": _overview,
    "/diagnosis/{run}/classes": _classes,
    "/diagnosis/{run}/reliability": _reliability,
    "/diagnosis/{run}/entanglement": _entanglement,
    "/diagnosis/{run}/rows": _rows,
    "/diagnosis/{run}/tiles": _tiles,
    "/diagnosis/{run}/colours": _colours,
    "/diagnosis/{run}/columns": _columns,
    "/diagnosis/{run}/field": _field_column,
    "/diagnosis/{run}/fields": _fields,
    "/diagnosis/{run}/slices": _slices,
    "/diagnosis/{run}/suspects": _suspects,
    "/diagnosis/{run}/instance/{row}": _instance,
    "/diagnosis/{run}/apart": _came_apart,
    "/diagnosis/{run}/pair/{i}-{j}": _pair,
}
"""Paths below the studio's prefix, each with what answers it."""
