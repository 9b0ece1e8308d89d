"""What the viewers read over HTTP: JSON, thumbnails, images, CSV, and their own scripts."""

import csv
import hashlib
import io
import mimetypes
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from cad_studio.services.container import Services
from cad_studio.ui import one_script, requests, views
from cad_studio.ui.addresses import PREFIX, sprite_entry
from cad_studio.ui.annotation_routes import ANNOTATION_ROUTES, to_annotate_page
from cad_studio.ui.augment_routes import AUGMENT_ROUTES
from cad_studio.ui.diagnosis_routes import DIAGNOSIS_ROUTES
from cad_studio.ui.errors import route_errors
from cad_studio.ui.loop_routes import LOOP_ROUTES, rows_since, sets_now
from cad_studio.ui.search_routes import SEARCH_ROUTES, found_rows
from cad_studio.ui.shared_answers import SharedAnswers, shared
from cad_studio.ui.training_routes import TRAINING_ROUTES

STATIC_FOLDER = Path(__file__).parent / "components"
_MAX_ROWS = 500
_LASTING = {"Cache-Control": "private, max-age=31536000, immutable"}
_CHANGING = {"Cache-Control": "no-store"}

_SHARED = ("/jobs/{job}", "/training/runs", "/training/runs/{run}", "/training/follow")
"""What every open window asks for again and again; nothing in it depends on who asks, nor in what
`/state` shares."""

Handler = Callable[[Services, Request], Response]


def static_version() -> str:
    """A hash of all scripts and styles, so that a browser may keep them for ever."""
    digest = hashlib.sha256()
    for file in sorted(STATIC_FOLDER.glob("*.[jc]s*")):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def build_routes(services: Services) -> list[Route]:
    """All routes over one project."""
    answers = SharedAnswers(lambda: services.project.database.writes)
    table: dict[str, Handler] = {
        "/alive": _alive,
        "/static/{version}/{file}": _static,
        "/state": partial(_state, answers),
        "/jobs/{job}": _job,
        "/jobs/{job}/file": _job_file,
        "/datasets/{name}": _dataset,
        "/datasets/{name}/co-occurrence": _co_occurrence,
        "/datasets/{name}/set-model": _set_model,
        "/datasets/{name}/rows": _rows,
        "/datasets/{name}/instance/{row}": _instance,
        "/datasets/{name}/neighbours/{row}": _neighbours,
        "/datasets/{name}/minings": _minings,
        "/datasets/{name}/minings/{mining}": _summary,
        "/datasets/{name}/minings/{mining}/pairs": _pairs,
        "/datasets/{name}/minings/{mining}/pairs.csv": _pairs_csv,
        "/datasets/{name}/minings/{mining}/pair/{i}-{j}": _pair,
        "/datasets/{name}/minings/{mining}/agreement/{other}": _agreement,
        "/sprite/{version}/{name}.png": _sprite,
        "/image/{version}/{name}/{row}": _image,
        **LOOP_ROUTES,
        **SEARCH_ROUTES,
        **TRAINING_ROUTES,
        **AUGMENT_ROUTES,
        **DIAGNOSIS_ROUTES,
        **ANNOTATION_ROUTES,
    }
    table |= {path: shared(answers, table[path]) for path in _SHARED}
    return [
        Route("/annotate", to_annotate_page),
        *_guarded_routes(services, table),
    ]


def _guarded_routes(services: Services, table: dict[str, Handler]) -> list[Route]:
    return [
        Route(PREFIX + path, _guarded(services, route_errors(partial(handler, services))))
        for path, handler in table.items()
    ]


def _guarded(
    services: Services, handler: Callable[[Request], Response]
) -> Callable[[Request], Response]:
    def guarded(request: Request) -> Response:
        allowed = requests.is_allowed(request)
        with services.project.database.one_look():
            response = handler(request) if allowed else _error("Log in first.", 401)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.setdefault("Cache-Control", _CHANGING["Cache-Control"])
        return response

    return guarded


def _error(words: str, status: int) -> JSONResponse:
    return JSONResponse({"error": words}, status)


def _json(value: object) -> JSONResponse:
    return JSONResponse(value, headers=_CHANGING)


def _static(_services: Services, request: Request) -> Response:
    file = STATIC_FOLDER / Path(request.path_params["file"]).name
    is_whole = file.name == one_script.NAME
    if not is_whole and (file.suffix not in {".js", ".css"} or not file.is_file()):
        return _error("No such file.", 404)
    kind = mimetypes.guess_type(file.name)[0] or "text/plain"
    lasting = request.path_params["version"] == static_version()
    headers = _LASTING if lasting else _CHANGING
    content = one_script.one_script(STATIC_FOLDER) if is_whole else file.read_bytes()
    return Response(content, media_type=kind, headers=headers)


def _alive(_services: Services, _request: Request) -> Response:
    """The shortest answer there is, to see whether there is one."""
    return _json({})


def _state(answers: SharedAnswers, services: Services, _request: Request) -> Response:
    def of_all() -> dict[str, object]:
        return {
            "datasets": [
                views.dataset_entry(data, services.sets.n_ahead(data))
                for data in services.datasets.all()
            ],
            "jobs": [views.job_entry(job) for job in services.jobs.recent()],
        }

    return _json(
        {
            **answers.get("/state", of_all),
            "read_only": services.access.role() != "owner",
            "is_closed": services.access.read_only,
            "space": services.config.space,
            "login": services.access.checked_name(),
            "hub_login": services.login is not None and services.login.by_hub,
        }
    )


def _job(services: Services, request: Request) -> Response:
    return _json(views.job_entry(services.jobs.get(requests.path_number(request, "job"))))


def _job_file(services: Services, request: Request) -> Response:
    job = services.jobs.get(requests.path_number(request, "job"))
    for record in services.datasets.all():  # it may hold anything of any of them
        services.datasets.require_nothing_hidden(record.name, "This file")
    file = services.exporting.finished(job.result or {})
    return FileResponse(file, filename=file.name, headers=_CHANGING)


def _dataset(services: Services, request: Request) -> Response:
    name = _named(request)
    return _json({**services.datasets.describe(name), "note": services.sample.note(name)})


def _co_occurrence(services: Services, request: Request) -> Response:
    return _json(services.datasets.co_occurrence(_named(request)))


def _set_model(services: Services, request: Request) -> Response:
    return _json(services.datasets.set_model(_named(request)))


def _rows(services: Services, request: Request) -> Response:
    name = _named(request)
    rows = services.datasets.rows(name, requests.row_filter(request))
    rows = rows_since(services, request, name, rows)
    rows, similarity = found_rows(services, request, name, rows)
    offset = max(0, requests.whole_number(request, "offset", 0))
    limit = min(max(1, requests.whole_number(request, "limit", 200)), _MAX_ROWS)
    page = rows[offset : offset + limit]
    data = services.datasets.load(name)
    return _json(
        {
            "total": len(rows),
            "offset": offset,
            "rows": page.tolist(),
            "ids": [data.ids[row] for row in page],
            "candidates": sets_now(services, name, page.tolist()),
            "similarity": None if similarity is None else similarity[offset : offset + limit],
            "sprite": sprite_entry(services, name, page.tolist()),
        }
    )


def _instance(services: Services, request: Request) -> Response:
    reveal = request.query_params.get("reveal") == "1"
    name, row = _named(request), requests.path_number(request, "row")
    found = services.datasets.instance(name, row, reveal)
    [now] = sets_now(services, name, [row])
    return _json({**found, "before": found["candidates"], "candidates": now})


def _neighbours(services: Services, request: Request) -> Response:
    name = _named(request)
    found = services.pairs.neighbours(
        name,
        requests.whole_number(request, "features"),
        requests.path_number(request, "row"),
        min(max(1, requests.whole_number(request, "count", 12)), 100),
    )
    return _json({**found, "sprite": sprite_entry(services, name, found["rows"])})


def _minings(services: Services, request: Request) -> Response:
    name = _named(request)
    current = services.datasets.get(name).version.hash
    numbers = services.loop.version_numbers(name)
    return _json(
        {
            "minings": [
                views.mining_entry(
                    mining, services.mining.feature_set(mining.feature_set_id), current, numbers
                )
                for mining in services.mining.minings(name)
            ],
            "feature_sets": [
                asdict(feature_set) for feature_set in services.mining.feature_sets(name)
            ],
            "extractors": services.mining.offered(name),
        }
    )


def _summary(services: Services, request: Request) -> Response:
    return _json(
        services.pairs.summary(
            _named(request),
            requests.path_number(request, "mining"),
            requests.pair_filter(request),
        )
    )


def _pairs(services: Services, request: Request) -> Response:
    name, mining = _named(request), requests.path_number(request, "mining")
    wanted = requests.pair_filter(request)
    offset = requests.whole_number(request, "offset", 0)
    limit = min(requests.whole_number(request, "limit", 100), _MAX_ROWS // 2)
    around = requests.pair_rows(request, "around")
    if around and limit > 0:
        position = services.pairs.position(name, mining, wanted, *around)
        offset = 0 if position is None else position // limit * limit
    page = services.pairs.page(name, mining, wanted, offset, limit)
    members = [row for pair in page["pairs"] for row in (pair["i"], pair["j"])]
    return _json({**page, "sprite": sprite_entry(services, name, members)})


def _pair(services: Services, request: Request) -> Response:
    name = _named(request)
    mining, i, j = (requests.path_number(request, part) for part in ("mining", "i", "j"))
    found = services.pairs.pair(name, mining, i, j)
    now = sets_now(services, name, [i, j])
    found["shared"] = sorted(set(now[0]) & set(now[1]))
    for side, candidates in zip(found["sides"], now, strict=True):
        side["candidates"] = candidates
        near = side["neighbours"]
        near["sprite"] = sprite_entry(services, name, near["rows"])
    return _json(found)


def _agreement(services: Services, request: Request) -> Response:
    first, second = (requests.path_number(request, part) for part in ("mining", "other"))
    top = max(1, requests.whole_number(request, "top", 1000))
    return _json(services.pairs.agreement(_named(request), first, second, top))


def _pairs_csv(services: Services, request: Request) -> Response:
    name, mining = _named(request), requests.path_number(request, "mining")
    rows = services.pairs.csv_rows(name, mining, requests.pair_filter(request))
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
        **_CHANGING,
    }
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)


def _sprite(services: Services, request: Request) -> Response:
    rows = requests.row_list(request.query_params.get("rows", ""))
    return _picture(services, request, services.pictures.sprite(_named(request), rows), "image/png")


def _image(services: Services, request: Request) -> Response:
    data, kind = services.pictures.image(_named(request), requests.path_number(request, "row"))
    return _picture(services, request, data, kind)


def _named(request: Request) -> str:
    return str(request.path_params["name"])


def _picture(services: Services, request: Request, data: bytes, kind: str) -> Response:
    current = services.datasets.get(_named(request)).version.hash
    lasting = request.path_params["version"] == current
    return Response(data, media_type=kind, headers=_LASTING if lasting else _CHANGING)
