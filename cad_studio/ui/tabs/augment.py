"""The Augmentations page: what each makes of a sample, whether it helps, and edits for training."""

from cad_studio.core.errors import SettingError
from cad_studio.services.container import Services
from cad_studio.services.edits.augmentation import AugmentRequest
from cad_studio.services.edits.editors import IN_DOMAIN
from cad_studio.services.edits.models import EditModelRequest
from cad_studio.ui.actions import Action, Told, changing
from cad_studio.ui.components.viewer import viewer
from cad_studio.ui.requests import Asked, OfDataset, OfJob, Whole
from cad_studio.ui.tabs._base import TABS, Tab


class OfEdits(Asked):
    """About a set of stored edits."""

    set: Whole


class Judging(OfEdits):
    """Stored edits, and the run that is to judge them."""

    run: Whole


class RemovingEdits(OfEdits):
    """Stored edits to be deleted, or those of them that are `stale`."""

    stale: bool = False


class OfEditor(Asked):
    """About an editor that was trained here, by its number."""

    editor: Whole


class Texts(OfDataset):
    """How classes are told to an editor.

    Attributes:
        template: With `{class}` where the description goes.
        descriptions: By class name.
    """

    template: str
    descriptions: dict[str, str]


class OfTexts(OfDataset):
    """Earlier texts, by their number."""

    number: Whole


def build(services: Services) -> None:
    """Make the page."""
    viewer("augment_page", "augment-page", _actions(services))


def _checked(request: AugmentRequest) -> AugmentRequest:
    if not request.dataset:
        raise SettingError("Choose a dataset first.")
    if request.settings.get("model") and request.editor == IN_DOMAIN:
        # A path of the server is nothing that a visitor chooses.
        raise SettingError("The model of the in-domain editor is the newest one trained here.")
    return request


def _actions(services: Services) -> list[Action]:
    """What the page may ask for that changes the project, by the name it calls it."""

    def make(asked: AugmentRequest) -> Told:
        return services.augmentation.submit(_checked(asked))

    def measure(asked: AugmentRequest) -> Told:
        return services.augmentation.submit_estimate(_checked(asked))

    def train(asked: EditModelRequest) -> Told:
        return services.edit_models.submit(asked)

    def judge(asked: Judging) -> Told:
        return services.augmentation.submit_judging(asked.set, asked.run)

    def resume(asked: OfJob) -> None:
        services.jobs.resume(asked.job)

    def drop(asked: OfEditor) -> Told:
        return services.edit_models.remove(asked.editor)

    def remove(asked: RemovingEdits) -> Told:
        return services.edit_sets.remove(asked.set, asked.stale)

    def save(asked: Texts) -> Told:
        return services.prompts.save(asked.dataset, asked.template, asked.descriptions)

    def restore(asked: OfTexts) -> Told:
        return services.prompts.restore(asked.dataset, asked.number)

    actions = [make, measure, train, judge, resume, drop, remove, save, restore]
    return [changing(services, action) for action in actions]


TABS.register("augment")(Tab("Augmentations", 25, build))
