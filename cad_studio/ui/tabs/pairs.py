"""The Entangled pairs page: find pairs and go through them."""

from cad_studio.services.container import Services
from cad_studio.ui.components.viewer import viewer
from cad_studio.ui.job_actions import mine_action
from cad_studio.ui.tabs._base import TABS, Tab


def build(services: Services) -> None:
    """Make the page."""
    viewer("pairs_page", "pairs-page", [mine_action(services)])


TABS.register("pairs")(Tab("Entangled pairs", 20, build))
