"""The Augmentations page: what each makes of a sample, whether it helps, and edits for training."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from cad_studio.core.errors import SettingError
from cad_studio.services.augmentation import AugmentRequest
from cad_studio.services.container import Services
from cad_studio.services.edit_models import EditModelRequest
from cad_studio.ui.actions import changing
from cad_studio.ui.components.viewer import viewer
from cad_studio.ui.parts import Parts
from cad_studio.ui.tabs._base import TABS, Tab

Wanted = dict[str, Any]
Action = Callable[[Parts], Wanted | None]

_KINDS = {
    "dataset": str, "editor": str, "settings": dict, "budget": dict, "config": dict,
    "run": int | None, "rows": list | None,
}  # fmt: skip


def build(services: Services) -> None:
    """Make the page."""
    viewer("augment_page", "augment-page", _actions(services))


def request_of(kind: type[Any], wanted: Wanted) -> Any:
    """A request as the page asks for it; what it leaves out keeps its default.

    Raises:
        SettingError: A part is of another kind, or no part at all.
    """
    known = {field.name for field in fields(kind)}
    for name, value in wanted.items():
        if name not in known or not isinstance(value, _KINDS[name]) or isinstance(value, bool):
            raise SettingError(f"{name} is {value!r:.80}; it is no part of such a request.")
    if not wanted.get("dataset"):
        raise SettingError("Choose a dataset first.")
    if wanted.get("rows") and not all(type(row) is int for row in wanted["rows"]):
        raise SettingError("rows must be whole numbers.")
    settings = wanted.get("settings") or {}
    if settings.get("model") and wanted.get("editor", "in-domain") == "in-domain":
        # A path of the server is nothing that a visitor chooses.
        raise SettingError("The model of the in-domain editor is the newest one trained here.")
    return kind(**wanted)


def _actions(services: Services) -> list[Callable[..., Any]]:
    """What the page may ask for that changes the project, by the name it calls it."""

    def make(wanted: Parts) -> Wanted:
        return services.augmentation.submit(request_of(AugmentRequest, wanted))

    def measure(wanted: Parts) -> Wanted:
        return services.augmentation.submit_estimate(request_of(AugmentRequest, wanted))

    def train(wanted: Parts) -> Wanted:
        return services.edit_models.submit(request_of(EditModelRequest, wanted))

    def judge(wanted: Parts) -> Wanted:
        return services.augmentation.submit_judging(wanted.number("set"), wanted.number("run"))

    def resume(wanted: Parts) -> None:
        services.jobs.resume(wanted.number("job"))

    def drop(wanted: Parts) -> Wanted:
        return services.edit_models.remove(wanted.number("editor"))

    def remove(wanted: Parts) -> Wanted:
        return services.edit_sets.remove(wanted.number("set"), bool(wanted.get("stale")))

    def save(wanted: Parts) -> Wanted:
        given = wanted.part("descriptions", dict)
        texts = {str(name): str(text) for name, text in given.items()}
        name, template = wanted.part("dataset", str), wanted.part("template", str)
        return services.prompts.save(name, template, texts)

    def restore(wanted: Parts) -> Wanted:
        return services.prompts.restore(wanted.part("dataset", str), wanted.number("number"))

    actions: list[Action] = [make, measure, train, judge, resume, drop, remove, save, restore]
    return [changing(services, action) for action in actions]


TABS.register("augment")(Tab("Augmentations", 25, build))
