"""What a page may ask for that changes the project."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from cad_studio.services.container import Services
from cad_studio.ui.errors import answers_errors

Told = dict[str, Any]
Action = Callable[[Any], Any]
"""A function a page may call: its parameter's annotation says what may be asked for."""


def changing(services: Services, action: Action) -> Action:
    """An action that is refused where nothing may be changed, and answers with plain values."""

    @answers_errors
    @wraps(action)
    def guarded(asked: Any) -> Any:
        services.require_writable()
        return action(asked) or {}

    return guarded
