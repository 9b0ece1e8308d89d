"""The Dataset page: choose, import and look at a dataset."""

from typing import Any

from cad_studio.services.container import Services
from cad_studio.ui.components.viewer import viewer
from cad_studio.ui.division_actions import division_actions
from cad_studio.ui.errors import answers_errors
from cad_studio.ui.job_actions import import_actions, set_actions
from cad_studio.ui.requests import Asked, Named
from cad_studio.ui.search_actions import search_actions
from cad_studio.ui.tabs._base import TABS, Tab


def build(services: Services) -> None:
    """Make the page."""

    @answers_errors
    def remove(asked: Named) -> dict[str, Any]:
        services.require_writable()
        return services.datasets.remove(asked.name)

    @answers_errors
    def check(_asked: Asked) -> dict[str, Any]:
        return services.verifying.submit()

    actions = [
        *import_actions(services),
        *set_actions(services),
        *division_actions(services),
        *search_actions(services),
    ]
    viewer("dataset_page", "dataset-page", [remove, check, *actions])


TABS.register("dataset")(Tab("Dataset", 10, build))
