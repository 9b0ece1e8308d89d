"""The Train page: start runs, follow them, compare them, and take their models away."""

from dataclasses import fields

from cad_studio.core.errors import SettingError
from cad_studio.services.container import Services
from cad_studio.services.training import TrainingRequest
from cad_studio.ui.actions import Action, Wanted, changing
from cad_studio.ui.components.viewer import viewer
from cad_studio.ui.errors import answers_errors
from cad_studio.ui.parts import Parts
from cad_studio.ui.tabs._base import TABS, Tab

_NESTED = {"config", "settings"}


def build(services: Services) -> None:
    """Make the page."""
    viewer("train_page", "train-page", [known_estimate(services), *_actions(services)])


def request_of(wanted: Wanted) -> TrainingRequest:
    """What the form asks for; what it leaves out keeps its default.

    Raises:
        SettingError: A part is of another kind.
    """
    kinds = {
        field.name: dict if field.name in _NESTED else str for field in fields(TrainingRequest)
    }
    for name, value in wanted.items():
        if name not in kinds or not isinstance(value, kinds[name]):
            raise SettingError(f"{name} is {value!r:.80}; it is no part of a request for a run.")
    if not wanted.get("dataset"):
        raise SettingError("A run needs a dataset. Choose one.")
    return TrainingRequest(**wanted)


def known_estimate(services: Services) -> Action:
    """What an earlier equal run tells about how long this one will take; changes nothing."""

    @answers_errors
    def known(wanted: Parts) -> Wanted:
        request = request_of(wanted)
        return {
            "estimate": services.training.known_estimate(request),
            "notes": services.training.notes(request),
        }

    return known


def _actions(services: Services) -> list[Action]:
    """What the page may ask for that changes the project, by the name it calls it."""

    def start(wanted: Parts) -> Wanted:
        return services.training.submit(request_of(wanted))

    def pack(wanted: Parts) -> Wanted:
        with_truth = bool(wanted.pop("with_truth", False))
        return services.travel.submit_pack(request_of(wanted), with_truth)

    def take(wanted: Parts) -> Wanted:
        return services.travel.submit_take(str(wanted["path"]))

    def estimate(wanted: Parts) -> Wanted:
        return services.training.submit_estimate(request_of(wanted))

    def stop(wanted: Parts) -> None:
        services.jobs.stop(wanted.number("job"))

    def resume(wanted: Parts) -> None:
        services.jobs.resume(wanted.number("job"))

    def move(wanted: Parts) -> None:
        services.jobs.move(wanted.number("job"), str(wanted["to"]))

    def rename(wanted: Parts) -> None:
        services.runs.rename(wanted.number("run"), str(wanted["name"]))

    def note(wanted: Parts) -> None:
        services.runs.set_note(wanted.number("run"), str(wanted["note"]))

    def remove(wanted: Parts) -> None:
        services.runs.remove(wanted.number("run"))

    def restore(wanted: Parts) -> None:
        services.runs.restore(wanted.number("run"))

    def purge(_wanted: Parts) -> Wanted:
        return {"bytes": services.runs.purge()}

    def push(wanted: Parts) -> Wanted:
        return services.training.submit_push(
            wanted.number("run"), str(wanted["repo"]), bool(wanted["private"])
        )

    actions: list[Action] = [
        start, pack, take, estimate, stop, resume, move, rename, note, remove, restore, purge, push
    ]  # fmt: skip
    return [changing(services, action) for action in actions]


TABS.register("train")(Tab("Train", 30, build))
