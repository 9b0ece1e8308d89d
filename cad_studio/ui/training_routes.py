"""What the Train page reads over HTTP: what can be trained, the runs, and how they come along."""

import re
from collections.abc import Iterable
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query
from starlette.responses import FileResponse

from cad_studio.core.errors import RecordNotFoundError, SettingError
from cad_studio.services.container import Services
from cad_studio.ui import views
from cad_studio.ui.answers import CHANGING, Answered, OpenServices, of_kind, shared
from cad_studio.ui.requests import Text, Whole
from cad_studio.views.training import (
    FollowView,
    LogView,
    ReportColumnsView,
    RunsView,
    RunView,
    TrainingFormView,
    UsageView,
)

router = APIRouter(route_class=Answered, prefix="/training", tags=["Training"])
Followed = Annotated[
    str,
    Query(description="Of `runs`: each run and the last epoch known of it, such as 3:41,5:-1. Of "
          "`log`: a job and the byte to go on at, such as 3:0."),
]  # fmt: skip
_MOST_FOLLOWED = 64
_FOLLOWED = re.compile(r"([0-9]{1,15}):(-?[0-9]{1,15})")
_DIGITS = 5
_MOST_PLACES = 300  # 10 to the power of more is no float


def report_columns(reports: Iterable[dict[str, Any]]) -> ReportColumnsView:
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
        "values": {name: _rounded([row.get(name) for row in rows]) for name in names},
    }


def _flat(report: dict[str, Any]) -> dict[str, Any]:
    nested = {"losses", "oracle"}
    flat = {name: value for name, value in report.items() if name not in nested}
    for group in sorted(nested):
        flat |= {f"{group}/{name}": value for name, value in report.get(group, {}).items()}
    return flat


def _rounded(values: list[float | None]) -> list[float | None]:
    numbers = np.array(values, np.float64)  # None becomes NaN
    is_known = np.isfinite(numbers)
    size = np.abs(np.where(is_known & (numbers != 0), numbers, 1.0))
    places = np.minimum(_DIGITS - 1 - np.floor(np.log10(size)), _MOST_PLACES)
    # of 1e7 and more, the step is a whole number: dividing by it keeps what is written short
    up, down = 10.0 ** np.maximum(places, 0), 10.0 ** np.maximum(-places, 0)
    rounded = np.round(np.where(is_known, numbers, 0.0) * up / down) / up * down
    return [
        value if known else None for value, known in zip(rounded.tolist(), is_known, strict=True)
    ]


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


@router.get("/offers")
def offers(services: OpenServices, dataset: Text = "") -> TrainingFormView:
    """What can be trained on a dataset, and with which settings."""
    has_cluster = services.together.has_cluster
    return {**services.training.offers(dataset), "has_cluster": has_cluster}


@router.get("/runs")
@shared
def runs(services: OpenServices, removed: bool = False) -> RunsView:
    """All runs, or those in the bin, and the groups among them."""
    found = services.runs.all(removed=removed)
    return {
        "runs": found,
        "trash": services.runs.trash(),
        "groups": services.groups.all(rows=found),
    }


@router.get("/follow")
@shared
def follow(services: OpenServices, runs: Followed = "", log: Followed = "") -> FollowView:
    """Everything that may have changed since a moment ago, in one answer."""
    found: dict[int, RunView | None] = {}
    reports: dict[int, ReportColumnsView] = {}
    for run_id, after in followed(runs).items():
        try:
            found[run_id] = services.runs.get(run_id)
            reports[run_id] = report_columns(services.runs.reports(run_id, after))
        except RecordNotFoundError:  # deleted for good meanwhile
            found[run_id] = None
    return {
        "runs": found,
        "reports": reports,
        "log": _log(services, log),
        "queue": [views.job_entry(job) for job in services.jobs.active()],
    }


def _log(services: Services, text: str) -> LogView | None:
    if not text:
        return None
    match = _FOLLOWED.fullmatch(text)
    if not match:
        raise SettingError(f"log is {text[:40]!r}; expected a job and a byte, such as 3:0.")
    job = int(match[1])
    lines, following = services.jobs.log(job, max(0, int(match[2])))
    return {"job": job, "text": lines, "next": following}


@router.get("/runs/{run}")
@shared
def run(services: OpenServices, run: Whole) -> RunView:
    """A run, with its settings and its figures so far."""
    return services.runs.get(run)


@router.get("/runs/{run}/usage")
def usage(services: OpenServices, run: Whole) -> UsageView:
    """How to use the model of a run elsewhere, as text."""
    return {"text": services.runs.model_usage(run)}


@router.get("/runs/{run}/model", **of_kind("application/octet-stream"))
def model(services: OpenServices, run: Whole) -> FileResponse:
    """The weights of a run, as safetensors."""
    file = services.runs.model_path(run)
    return FileResponse(file, filename=services.runs.model_name(run), headers=CHANGING)
