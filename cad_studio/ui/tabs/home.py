"""The Home page: where the work on a dataset stands, and the step that pays most now."""

from cad_studio.services.container import Services
from cad_studio.ui.components.viewer import viewer
from cad_studio.ui.tabs._base import TABS, Tab


def build(_services: Services) -> None:
    """Make the page; the steps it starts are functions of the header."""
    viewer("home_page", "home-page")


TABS.register("home")(Tab("Home", 0, build))
