"""Small pre-trained networks from the Hugging Face Hub, offered with licence and size."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from cad_studio.core.hub import SECONDS, connection_errors, hub_problem
from cad_studio.core.optional import is_installed, require
from cad_studio.extractors._base import best_device
from cad_studio.services.access import Access

_WEIGHTS = "model.safetensors"
_FETCHED = (_WEIGHTS, "*.json", "merges.txt", "vocab.txt", "*.model")


@dataclass(frozen=True)
class OfferedModel:
    """A network to begin with.

    Attributes:
        source: Its name on the hub.
        title: For people.
        says: What it is good for.
        reads_words: Whether samples can be searched by words with it.
    """

    source: str
    title: str
    says: str
    reads_words: bool


OFFERED_MODELS = (
    OfferedModel(
        "facebook/dinov2-small", "DINOv2 small",
        "Neighbours, pairs and heads on photographs. Reads no words.", False,
    ),
    OfferedModel(
        "openai/clip-vit-base-patch32", "CLIP ViT-B/32",
        "Search by words and suggestions by class names, and fast.", True,
    ),
    OfferedModel(
        "google/siglip2-base-patch16-224", "SigLIP 2 base",
        "Search by words in many languages; larger and slower than CLIP.", True,
    ),
)  # fmt: skip


class HubModelService:
    """Asks the hub about the networks that are offered; nothing is fetched here."""

    def __init__(self, access: Access) -> None:
        """`access` rules who may ask."""
        self._access = access

    def offers(self) -> dict[str, Any]:
        """The networks with what the hub says of them now.

        Returns:
            `models`: of each `spec` (to extract with), `title`, `says`, `reads_words`, `licence`,
            `size_bytes` (of what would be fetched); `how`: why some are not among them, or what
            to do where the hub cannot be reached; else empty.

        Raises:
            NotAllowedError: The one who acts is no owner.
        """
        self._access.require("owner")
        hub = require("huggingface_hub", "huggingface_hub", "The list of networks")
        problem = hub_problem()
        if problem:
            return {"models": [], "how": _without_hub(problem)}
        with ThreadPoolExecutor(len(OFFERED_MODELS)) as asked:
            answers = list(asked.map(lambda each: _asked(hub, each), OFFERED_MODELS))
        models = [each for each in answers if isinstance(each, dict)]
        missing = [each for each in answers if isinstance(each, str)]
        return {"models": models, "how": " ".join(missing if models else missing[:1])}


def _asked(hub: Any, model: OfferedModel) -> dict[str, Any] | str:
    """What the hub says of a network, or why it says nothing."""
    try:
        info = hub.HfApi().model_info(model.source, files_metadata=True, timeout=SECONDS)
    except connection_errors() as error:
        why = f"the Hugging Face Hub says nothing of {model.source} ({type(error).__name__})"
        return _without_hub(why)
    sizes = {each.rfilename: each.size or 0 for each in info.siblings or []}
    if _WEIGHTS not in sizes:
        return f"{model.source} has no {_WEIGHTS} on the hub, which is the only kind that is read."
    licence = getattr(info.card_data, "license", None) if info.card_data else None
    return {
        "spec": f"hf:{model.source}{_engine()}",
        "title": model.title,
        "says": model.says,
        "reads_words": model.reads_words,
        "licence": licence or "not stated on its page",
        "page": f"{hub.constants.ENDPOINT}/{model.source}",
        "size_bytes": sum(
            size
            for name, size in sizes.items()
            if any(fnmatch(name, pattern) for pattern in _FETCHED)
        ),
    }


def _engine() -> str:
    """The faster engine where it is installed and nothing faster is there."""
    return ",openvino" if is_installed("openvino") and best_device() == "cpu" else ""


def _without_hub(why: str) -> str:
    """What to do where the hub gives nothing."""
    return (
        f"{why[0].upper()}{why[1:]}. On a machine that reaches it: hf download "
        "facebook/dinov2-small --local-dir FOLDER. Bring the folder here and extract with "
        "--features hf:FOLDER."
    )
