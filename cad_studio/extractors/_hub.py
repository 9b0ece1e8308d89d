"""Whether the Hugging Face Hub answers: asked briefly, before anything waits for it many times."""

from importlib import import_module
from threading import Lock

from cachetools import TTLCache, cached

from cad_studio.core.optional import require

SECONDS = 4.0
"""How long an answer of the hub is waited for."""

_KEPT_SECONDS = 30.0


def connection_errors() -> tuple[type[Exception], ...]:
    """What the hub's client raises where there is no answer, or a refusal."""
    errors = import_module("huggingface_hub.errors")
    return (OSError, errors.HTTPError)  # the latter is of the HTTP client that it uses


@cached(TTLCache(1, _KEPT_SECONDS), lock=Lock())
def hub_problem() -> str:
    """Why nothing can be fetched from the hub, the end of a sentence; empty where it answers.

    Its client tries again and again for half a minute for each file.
    """
    hub = require("huggingface_hub", "huggingface_hub", "A model of the Hugging Face Hub")
    constants = import_module("huggingface_hub.constants")
    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set, so the Hugging Face Hub is not asked"
    try:
        hub.get_session().head(constants.ENDPOINT, timeout=SECONDS)
    except connection_errors() as error:
        return f"the Hugging Face Hub cannot be reached from here ({type(error).__name__})"
    return ""
