"""Any classifier of torchvision up to its last feature map, fresh or with ImageNet weights."""

from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from cad_studio.core.errors import ResourceError, SettingError, closest
from cad_studio.core.optional import require, torchvision_weights
from cad_studio.models._base import BACKBONES
from cad_studio.models._tuned import TunedBackbone, token_grid

_PRETRAINED, _TOP = "pretrained", "pretrained-top"


@BACKBONES.register("torchvision")
class Torchvision(TunedBackbone):
    """The part of a classifier before its global pooling.

    The map is found by a trial run: the last result with more than one place. What comes after
    it is cut off. For a plain vision transformer it is the grid of patch tokens.

    With ImageNet weights, either all layers go on learning from them or, as `pretrained-top`, the
    last quarter: the layers below keep weights and BatchNorm statistics as they came.
    """

    argument_hint = (
        f"NAME, NAME:{_PRETRAINED} or NAME:{_TOP}, e.g. torchvision:resnet50:{_PRETRAINED}"
    )
    examples = ("resnet50", f"resnet18:{_PRETRAINED}", f"resnet18:{_TOP}")

    @classmethod
    def has_learned(cls, argument: str) -> bool:
        """As `Backbone.has_learned`: where weights are asked for."""
        return ":" in argument

    def __init__(self, size: int, argument: str = "", blueprint: str = "") -> None:
        """Take the name of a model, and whether it starts from ImageNet weights.

        Raises:
            SettingError: There is no such classifier, or it does not fit images of this side.
            ResourceError: The weights are not here and cannot be fetched.
            MissingPackageError: torchvision is not installed.
        """
        super().__init__()
        name, _, weights = argument.partition(":")
        if weights not in {"", _PRETRAINED, _TOP}:
            raise SettingError(
                f"{weights!r} says nothing about weights. Write {name}, {name}:{_PRETRAINED}, or "
                f"{name}:{_TOP} to train its last layers alone."
            )
        models = require("torchvision.models", "torchvision", f"torchvision:{name}")
        names = models.list_models(module=models)
        if name not in names:
            hint = closest(name, names)
            raise SettingError(f"{name!r} is not a torchvision classifier. {hint}".rstrip())
        model = _make_model(models, name, size)
        if weights and not blueprint:
            _load_weights(models, model, name)
        if weights:
            seen = models.get_model_weights(name).DEFAULT.transforms()
            self.normalisation = list(seen.mean), list(seen.std)
        self.blueprint = name
        self.layers, self.width, self._is_tokens = _cut(model, name, size)
        if weights == _TOP:
            self._keep_lower(size)

    def forward(self, inputs: Tensor) -> Tensor:
        """As `Backbone.forward`."""
        found = self.layers(inputs)["map"]
        if not self._is_tokens:
            return found
        # Tokens come as (B, 1 + h * w, F), the class token first.
        return token_grid(found, round((found.shape[1] - 1) ** 0.5))


def _make_model(models: ModuleType, name: str, size: int) -> nn.Module:
    kwargs: dict[str, Any] = {}  # whatever the model's own builder takes
    if name in {"googlenet", "inception_v3"}:
        # The second classifier takes part in training only by way of a second loss.
        kwargs = {"init_weights": False, "aux_logits": False}
    elif name.startswith("vit_"):
        kwargs = {"image_size": size}
    elif name == "maxvit_t":
        kwargs = {"input_size": (size, size)}
    try:
        model: nn.Module = models.get_model(name, weights=None, **kwargs)
    except (ValueError, AssertionError) as error:  # torchvision checks sizes in both ways
        raise _misfit(name, size) from error
    return model


def _load_weights(models: ModuleType, model: nn.Module, name: str) -> None:
    weights = models.get_model_weights(name).DEFAULT
    state, file = torchvision_weights(weights, f"leave out {_PRETRAINED}")
    known = model.state_dict()
    try:
        model.load_state_dict({key: value for key, value in state.items() if key in known})
    except RuntimeError as error:
        raise ResourceError(
            f"{file} does not hold weights of {name} for images of this size. "
            f"Remove it and fetch it again, or leave out {_PRETRAINED}."
        ) from error


def _cut(model: nn.Module, name: str, size: int) -> tuple[nn.Module, int, bool]:
    """The model up to its last map, the map's channels, and whether it is a row of tokens."""
    extraction = require(
        "torchvision.models.feature_extraction", "torchvision", f"torchvision:{name}"
    )
    is_tokens = name.startswith("vit_")
    found: list[tuple[str, int]] = []

    def note(place: str, result: object) -> None:
        if not isinstance(result, Tensor):
            return
        if is_tokens:
            if place == "encoder":
                found.append((place, result.shape[2]))
        elif result.dim() == 4 and result.shape[2] * result.shape[3] > 1:
            found.append((place, result.shape[1]))

    handles = [
        module.register_forward_hook(
            lambda _module, _inputs, result, place=place: note(place, result)
        )
        for place, module in model.named_modules()
        if place
    ]
    try:
        trial = torch.zeros(1, 3, size, size)
        with torch.no_grad():
            model.eval()(trial)
    except (RuntimeError, AssertionError) as error:  # an image too small for the strides
        raise _misfit(name, size) from error
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        raise _misfit(name, size)
    place, width = found[-1]
    layers: nn.Module = extraction.create_feature_extractor(model, {place: "map"})
    return layers.train(), width, is_tokens


def _misfit(name: str, size: int) -> SettingError:
    return SettingError(
        f"torchvision {name} does not fit images of {size} px. Use larger images or resnet18."
    )
