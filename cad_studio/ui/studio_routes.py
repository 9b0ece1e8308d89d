"""What the studio holds and does: its datasets, its jobs, and who asks."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import FileResponse

from cad_studio.services.container import Services
from cad_studio.ui import views
from cad_studio.ui.answers import CHANGING, Answered, OpenAnswers, OpenServices, of_kind, shared
from cad_studio.ui.job_forms import described_form
from cad_studio.ui.requests import Whole
from cad_studio.views.settings import FormView
from cad_studio.views.studio import AliveView, JobView, StateView

router = APIRouter(route_class=Answered, tags=["Studio"])


@router.get("/alive")
def alive() -> AliveView:
    """The shortest answer there is, to see whether there is one."""
    return {}


@router.get("/state")
def state(services: OpenServices, answers: OpenAnswers) -> StateView:
    """All datasets, the newest jobs, and what the visitor may do."""
    return {
        **answers.get("/state", lambda: _of_all(services)),
        "read_only": services.access.role() != "owner",
        "is_closed": services.access.read_only,
        "space": services.config.space,
        "login": services.access.checked_name(),
        "hub_login": services.login is not None and services.login.by_hub,
    }


def _of_all(services: Services) -> dict[str, Any]:
    return {
        "datasets": [
            views.dataset_entry(data, services.sets.n_ahead(data))
            for data in services.datasets.all()
        ],
        "jobs": [views.job_entry(job) for job in services.jobs.recent()],
    }


@router.get("/forms/{form}")
def form(form: str) -> FormView:
    """The fields of a form that starts a job: `import`, `synthesize`, `export` or `mine`."""
    return {"fields": described_form(form)}


@router.get("/jobs/{job}")
@shared
def job(services: OpenServices, job: Whole) -> JobView:
    """A job and how far it is."""
    return views.job_entry(services.jobs.get(job))


@router.get("/jobs/{job}/file", **of_kind("application/octet-stream"))
def job_file(services: OpenServices, job: Whole) -> FileResponse:
    """The file that a job made."""
    found = services.jobs.get(job)
    for record in services.datasets.all():  # it may hold anything of any of them
        services.datasets.require_nothing_hidden(record.name, "This file")
    file = services.exporting.finished(found.result or {})
    return FileResponse(file, filename=file.name, headers=CHANGING)
