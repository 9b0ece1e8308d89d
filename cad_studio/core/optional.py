"""Packages that are loaded where they are used, and what to say when one is missing."""

import shutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from types import ModuleType
from typing import Any

from cad_studio.core.errors import MissingPackageError, ResourceError

_COMPILERS = ("c++", "g++", "clang++")
_OPERATOR_LIBRARY: list[Any] = []


def require(module: str, install: str, purpose: str) -> ModuleType:
    """Import a package, or say how to get it.

    Args:
        module: Dotted name to import.
        install: Name for `pip install`.
        purpose: What needs it, as the subject of a sentence, e.g. `The UMAP view`.

    Raises:
        MissingPackageError: The package is not installed.
    """
    try:
        if module.partition(".")[0] in {"torchvision", "transformers"}:
            _declare_missing_torchvision_operators()
        return import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        if missing.partition(".")[0] != module.partition(".")[0]:
            raise
        raise MissingPackageError(
            f"{purpose} needs {install}. Install it with: pip install {install}."
        ) from error


def require_compiler(device: str, instead: str) -> None:
    """Refuse to compile networks where what torch needs for it is missing.

    Args:
        device: Type of the device, e.g. `cuda`.
        instead: What to do without, the end of a sentence.

    Raises:
        MissingPackageError: It is.
    """
    if device == "cuda" and not is_installed("triton"):
        raise MissingPackageError(
            f"Compiling for a GPU needs triton. Install it with: pip install triton. Or {instead}."
        )
    if device == "cpu" and not any(map(shutil.which, _COMPILERS)):
        raise MissingPackageError(
            f"Compiling for a CPU needs a C++ compiler, one of {', '.join(_COMPILERS)}. "
            f"Install one, or {instead}."
        )


def torchvision_weights(
    weights: Any, instead: str, fetches: bool = True
) -> tuple[dict[str, Any], Path]:
    """The default weights of a torchvision classifier, fetched unless they are here.

    Args:
        weights: A member of the enum that torchvision makes of each model's weights.
        instead: What to do without them, the end of a sentence.
        fetches: Whether they may be fetched.

    Returns:
        Tensors by name, on the CPU, and the file.

    Raises:
        ResourceError: They are not here and cannot be fetched, or the file cannot be read.
    """
    hub = import_module("torch.hub")
    folder = Path(hub.get_dir()) / "checkpoints"
    file = folder / str(weights.url).rpartition("/")[2]
    try:
        if not fetches and not file.is_file():
            raise FileNotFoundError(file)
        state = hub.load_state_dict_from_url(
            weights.url,
            str(folder),
            map_location="cpu",
            progress=False,
            check_hash=True,
            weights_only=True,
        )
    except OSError as error:
        raise ResourceError(
            f"{weights} could not be fetched, and is not here. "
            f"Put {file.name} from {weights.url} into {folder}, or {instead}."
        ) from error
    except (RuntimeError, UnpicklingError, EOFError, KeyError) as error:
        raise ResourceError(
            f"{file} is not a readable file of weights. Remove it and fetch it again."
        ) from error
    return state, file


def is_installed(module: str) -> bool:
    """Whether `require` would find a package; it is not imported."""
    try:
        return find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):
        return False


def _declare_missing_torchvision_operators() -> None:
    """Let a torchvision built for another torch variant import.

    pip may place a CPU build of torch beside a CUDA build of torchvision. torchvision then cannot
    load its compiled part and stops at import with "operator torchvision::nms does not exist".
    Transforms, models and datasets need none of the compiled operators; declaring the schemas
    that are looked up at import is enough. Nothing is done when the compiled part loads.
    """
    torch = import_module("torch")
    if _OPERATOR_LIBRARY or _has_operator(torch, "nms"):
        return
    # torchvision's own loader registers the operators; try that before standing in for it.
    extension = _load_compiled_part(torch)
    if extension and _has_operator(torch, "nms"):
        return
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _OPERATOR_LIBRARY.append(library)  # the schemas live as long as the library object


def _has_operator(torch: ModuleType, name: str) -> bool:
    return hasattr(torch.ops.torchvision, name)


def _load_compiled_part(torch: ModuleType) -> bool:
    spec = find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return False
    for file in Path(next(iter(spec.submodule_search_locations))).glob("_C*.so"):
        try:
            torch.ops.load_library(str(file))
        except OSError:
            continue
        return True
    return False
