"""What the Train page reads over HTTP: what can be trained, the runs, and how they come along."""

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from cad_studio.core.errors import RecordNotFoundError, SettingError
from cad_studio.services.container import Services
from cad_studio.ui import requests, views

_CHANGING = {"Cache-Control": "no-store"}
_MOST_FOLLOWED = 64
_FOLLOWED = re.compile(r"([0-9]{1,15}):(-?[0-9]{1,15})")
_DIGITS = 5


def report_columns(reports: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The reports of E epochs as columns, several times smaller than E objects.

    Args:
        reports: Plain values of `EpochReport`, by rising epoch.

    Returns:
        `epoch`: E numbers; `values`: name to E numbers of five digits, None where there is none.
        The names of losses begin with `losses/`, those of figures that took true labels with
        `oracle/`.
    """
    rows = [_flat(report) for report in reports]
    names = dict.fromkeys(name for row in rows for name in row if name != "epoch")
    return {
        "epoch": [row["epoch"] for row in rows],
        "values": {name: [_rounded(row.get(name)) for row in rows] for name in names},
    }


def _flat(report: dict[str, Any]) -> dict[str, Any]:
    nested = {"losses", "oracle"}
    flat = {name: value for name, value in report.items() if name not in nested}
    for group in sorted(nested):
        flat |= {f"{group}/{name}": value for name, value in report.get(group, {}).items()}
    return flat


def _rounded(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{_DIGITS}g}")


def followed(text: str) -> dict[int, int]:
    """Runs and the last epoch known of each, written `3:41,5:-1`.

    Raises:
        SettingError: It is something else, or there are too many.
    """
    parts = [part for part in text.split(",") if part]
    found = [_FOLLOWED.fullmatch(part) for part in parts]
    if len(parts) > _MOST_FOLLOWED or not all(found):
        raise SettingError(
            f"runs is {text[:40]!r}; expected at most {_MOST_FOLLOWED} parts such as 3:41, a run "
            "and the last epoch known of it."
        )
    return {int(match[1]): int(match[2]) for match in found if match}


def _json(value: object) -> Response:
    return JSONResponse(value, headers=_CHANGING)


def _offers(services: Services, request: Request) -> Response:
    return _json(services.training.offers(request.query_params.get("dataset", "")))


def _runs(services: Services, request: Request) -> Response:
    removed = request.query_params.get("removed") == "1"
    return _json({"runs": services.runs.all(removed=removed), "trash": services.runs.trash()})


def _run(services: Services, request: Request) -> Response:
    return _json(services.runs.get(requests.path_number(request, "run")))


def _follow(services: Services, request: Request) -> Response:
    """Everything that may have changed since a moment ago, in one answer."""
    runs, reports = {}, {}
    for run_id, after in followed(request.query_params.get("runs", "")).items():
        try:
            runs[run_id] = services.runs.get(run_id)
            reports[run_id] = report_columns(services.runs.reports(run_id, after))
        except RecordNotFoundError:  # deleted for good meanwhile
            runs[run_id] = None
    return _json(
        {
            "runs": runs,
            "reports": reports,
            "log": _log(services, request),
            "queue": [views.job_entry(job) for job in services.jobs.active()],
        }
    )


def _log(services: Services, request: Request) -> dict[str, Any] | None:
    text = request.query_params.get("log", "")
    if not text:
        return None
    match = _FOLLOWED.fullmatch(text)
    if not match:
        raise SettingError(f"log is {text[:40]!r}; expected a job and a byte, such as 3:0.")
    job = int(match[1])
    lines, following = services.jobs.log(job, max(0, int(match[2])))
    return {"job": job, "text": lines, "next": following}


def _usage(services: Services, request: Request) -> Response:
    return _json({"text": services.runs.model_usage(requests.path_number(request, "run"))})


def _model(services: Services, request: Request) -> Response:
    run_id = requests.path_number(request, "run")
    file = services.runs.model_path(run_id)
    return FileResponse(file, filename=services.runs.model_name(run_id), headers=_CHANGING)


TRAINING_ROUTES: dict[str, Callable[[Services, Request], Response]] = {
    "/training/offers": _offers,
    "/training/runs": _runs,
    "/training/follow": _follow,
    "/training/runs/{run}": _run,
    "/training/runs/{run}/usage": _usage,
    "/training/runs/{run}/model": _model,
}
"""Paths below the studio's prefix, each with what answers it."""
