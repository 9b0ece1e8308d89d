"""What a page is, and which there are."""

from collections.abc import Callable
from dataclasses import dataclass

from cad_studio.core.registry import Registry
from cad_studio.services.container import Services


@dataclass(frozen=True)
class Tab:
    """One page of the window.

    Attributes:
        title: What its tab says.
        order: Pages stand by rising order.
        build: Makes and wires its components, given the services.
    """

    title: str
    order: int
    build: Callable[[Services], None]


TABS: Registry[Tab] = Registry("cad_studio.ui.tabs", "page")
