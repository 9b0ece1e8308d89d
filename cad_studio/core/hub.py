"""Models of the Hugging Face Hub, and whether it answers: asked briefly, before anything waits."""

from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

from cachetools import TTLCache, cached

from cad_studio.core.errors import ResourceError
from cad_studio.core.optional import require

SECONDS = 4.0
"""How long an answer of the hub is waited for."""

_KEPT_SECONDS = 30.0
_ATTENTION = {None, "eager", "sdpa"}
"""Ways to compute attention that are part of torch and transformers."""


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


def from_hub(kind: str, source: str, fetches: bool = True, **options: Any) -> Any:
    """What a class of transformers makes of a hub id or a folder.

    No code of a model's author is run.

    Args:
        kind: Name of the class, e.g. `AutoModel`.
        source: Hub id or folder.
        fetches: Whether the hub may be asked for what is not on this machine.
        options: Passed on to `from_pretrained`.

    Raises:
        ResourceError: It is not here and cannot be fetched, or does not fit.
        MissingPackageError: transformers is not installed.
    """
    transformers = require("transformers", "transformers", f"hf:{source}")
    is_here, problem = is_folder(source), ""
    if fetches and not is_here and not Path(source).is_absolute():
        problem = hub_problem()
    given = {"trust_remote_code": False, "local_files_only": bool(problem) or not fetches}
    try:
        if Path(source).is_absolute() and not is_here:
            raise FileNotFoundError(f"there is no folder {source}")
        if kind == "AutoModel":
            config = transformers.AutoConfig.from_pretrained(source, **given)
            if names_code(config):
                raise ValueError("its config.json names code from elsewhere for its attention")
        return getattr(transformers, kind).from_pretrained(source, **given, **options)
    except loading_errors() as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        if problem:
            reason = f"it is not on this machine, and {problem}"
        raise ResourceError(
            f"The transformers model {source!r} cannot be loaded here: {reason}. "
            "Give the id of a vision model with safetensors weights, or a folder with "
            "config.json, preprocessor_config.json and model.safetensors."
        ) from error


def is_folder(source: str) -> bool:
    """Whether a text names a folder that is there."""
    try:
        return Path(source).is_dir()
    except (OSError, ValueError):  # no name that a folder could have
        return False


def names_code(config: Any) -> bool:
    """Whether a configuration of transformers asks for attention by a kernel, which is code."""
    if getattr(config, "_attn_implementation", None) not in _ATTENTION:
        return True
    parts = (getattr(config, name, None) for name in getattr(config, "sub_configs", None) or ())
    return any(part is not None and names_code(part) for part in parts)


def loading_errors() -> tuple[type[Exception], ...]:
    """What transformers lets through where files are cut short, or do not belong together."""
    strict = getattr(import_module("huggingface_hub.errors"), "StrictDataclassError", None)
    return (
        *(OSError, ValueError, KeyError, ImportError, RuntimeError, TypeError, AttributeError),
        import_module("safetensors").SafetensorError,
        *connection_errors(),
        *([strict] if strict else []),
    )
