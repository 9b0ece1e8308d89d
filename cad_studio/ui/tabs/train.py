"""The Train page: start runs, follow them, compare them, and take their models away."""

from cad_studio.core.errors import SettingError
from cad_studio.services.container import Services
from cad_studio.services.training.training import TrainingRequest
from cad_studio.ui.actions import Action, Told, changing
from cad_studio.ui.components.viewer import viewer
from cad_studio.ui.errors import answers_errors
from cad_studio.ui.requests import Asked, OfJob, OfRun
from cad_studio.ui.tabs._base import TABS, Tab


class Starting(Asked):
    """A run to be trained, `together` on all nodes of the cluster."""

    request: TrainingRequest
    together: bool = False


class Packing(Asked):
    """A run to be packed for another machine; true labels travel `with_truth` only."""

    request: TrainingRequest
    with_truth: bool = False


class Taking(Asked):
    """A file with the result of a run; `path` is that of an upload."""

    path: str


class Moving(OfJob):
    """A waiting job to another place in its queue."""

    to: str


class Renaming(OfRun):
    """A name for a run; an empty one brings its first name back."""

    name: str


class Noting(OfRun):
    """A note beside a run."""

    note: str


class Pushing(OfRun):
    """A model to the Hugging Face Hub."""

    repo: str
    private: bool


def build(services: Services) -> None:
    """Make the page."""
    viewer("train_page", "train-page", [known_estimate(services), *_actions(services)])


def known_estimate(services: Services) -> Action:
    """What an earlier equal run tells about how long this one will take; changes nothing."""

    @answers_errors
    def known(asked: TrainingRequest) -> Told:
        request = _of_dataset(asked)
        return {
            "estimate": services.training.known_estimate(request),
            "notes": services.training.notes(request),
        }

    return known


def _of_dataset(request: TrainingRequest) -> TrainingRequest:
    if not request.dataset:
        raise SettingError("A run needs a dataset. Choose one.")
    return request


def _actions(services: Services) -> list[Action]:
    """What the page may ask for that changes the project, by the name it calls it."""

    def start(asked: Starting) -> Told:
        service = services.together if asked.together else services.training
        return service.submit(_of_dataset(asked.request))

    def pack(asked: Packing) -> Told:
        return services.travel.submit_pack(_of_dataset(asked.request), asked.with_truth)

    def take(asked: Taking) -> Told:
        return services.travel.submit_take(asked.path)

    def estimate(asked: TrainingRequest) -> Told:
        return services.training.submit_estimate(_of_dataset(asked))

    def purge(_asked: Asked) -> Told:
        return {"bytes": services.runs.purge()}

    def push(asked: Pushing) -> Told:
        return services.training.submit_push(asked.run, asked.repo, asked.private)

    actions = [start, pack, take, estimate, purge, push]
    return [changing(services, action) for action in [*actions, *_of_one(services)]]


def _of_one(services: Services) -> list[Action]:
    """Actions on one run or job."""

    def stop(asked: OfJob) -> None:
        services.jobs.stop(asked.job)

    def resume(asked: OfJob) -> None:
        services.jobs.resume(asked.job)

    def move(asked: Moving) -> None:
        services.jobs.move(asked.job, asked.to)

    def rename(asked: Renaming) -> None:
        services.runs.rename(asked.run, asked.name)

    def note(asked: Noting) -> None:
        services.runs.set_note(asked.run, asked.note)

    def remove(asked: OfRun) -> None:
        services.runs.remove(asked.run)

    def restore(asked: OfRun) -> None:
        services.runs.restore(asked.run)

    return [stop, resume, move, rename, note, remove, restore]


TABS.register("train")(Tab("Train", 30, build))
