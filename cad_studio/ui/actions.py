"""What a page may ask for that changes the project."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from cad_studio.services.container import Services
from cad_studio.ui.errors import answers_errors
from cad_studio.ui.parts import Parts

Wanted = dict[str, Any]
Action = Callable[[Parts], Wanted | None]


def changing(services: Services, action: Action) -> Action:
    """An action that is refused where nothing may be changed, and answers with plain values."""

    @answers_errors
    @wraps(action)
    def guarded(wanted: Parts) -> Wanted:
        services.require_writable()
        return action(wanted) or {}

    return guarded
