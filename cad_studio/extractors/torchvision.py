"""Features before the last layer of a torchvision classifier trained on ImageNet."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import PixelSource
from cad_studio.core.errors import ResourceError, SettingError, closest
from cad_studio.core.optional import require, torchvision_weights
from cad_studio.core.progress import Progress
from cad_studio.core.shards import Shard
from cad_studio.core.workers import ALONE, Task, Workers
from cad_studio.extractors._base import EXTRACTORS, best_device, need_pixels, to_unit_length
from cad_studio.extractors._chunked import in_parts
from cad_studio.extractors._engines import require_engine
from cad_studio.extractors._looking import looking
from cad_studio.extractors._networks import Packed, StageMaps, images_at_once
from cad_studio.extractors._options import HINT, Options, split_options

if TYPE_CHECKING:
    from torch import nn


@EXTRACTORS.register("torchvision")
class Torchvision:
    """What the last linear layer of a classifier is given, with its default weights.

    Images go through the transforms that belong to the weights.
    """

    argument_hint = f"NAME, e.g. torchvision:resnet18{HINT}"

    def __init__(self, argument: str) -> None:
        """Take the name of a model, and options."""
        self._name, self._options = split_options(argument)
        self.fetches = True

    def offline(self) -> "Torchvision":
        """As `LooksAtPictures.offline`."""
        other = copy(self)
        other.fetches = False
        return other

    def describe(self) -> str:
        """One line for the user."""
        weights = self._weights()
        last = _last_linear(self._empty_model())
        return (
            f"torchvision {self._name} ({last.in_features} features, weights {weights.name}"
            f"{self._options.words()})"
        )

    def key(self) -> str:
        """Model, weights and the transforms that belong to them.

        The name of the weights file carries the start of its hash.
        """
        weights = self._weights()
        plain = f"torchvision/1/{self._name}/{_file_name(weights)}/{self._transform()!r}"
        return plain + self._options.key()

    def extract(
        self,
        pixels: PixelSource | None,
        raw: NDArray[np.float32] | None,
        progress: Progress,
        partial: Path,
        workers: Workers = ALONE,
    ) -> NDArray[np.float32]:
        """As `Extractor.extract`.

        Raises:
            ResourceError: The weights are not here and cannot be fetched.
        """
        pixels = need_pixels(pixels, f"torchvision:{self._name}")
        progress.report(0.0, f"Loading {self._name}")
        features = in_parts(self._task(), pixels, partial, self.key(), progress, workers)
        return to_unit_length(features, f"{self._name} features")

    def look(self) -> Callable[[PixelSource], NDArray[np.float32]]:
        """As `LooksAtPictures.look`."""
        seen = self._task().prepare()
        return lambda pixels: to_unit_length(seen(pixels), f"{self._name} features")

    def _task(self) -> "_Look":
        require_engine(self._options)
        network = Packed("torchvision", self._trained_model().eval(), self._transform())
        return _Look(network, self._options)

    def _weights(self) -> Any:  # a member of an enum that torchvision makes per model
        models = require("torchvision.models", "torchvision", f"torchvision:{self._name}")
        names = models.list_models(module=models)
        if self._name not in names:
            hint = closest(self._name, names)
            raise SettingError(f"{self._name!r} is not a torchvision classifier. {hint}".rstrip())
        return models.get_model_weights(self._name).DEFAULT

    def _transform(self) -> Any:  # the transforms that belong to the weights
        transforms, size = self._weights().transforms, self._options.size
        if size is None:
            return transforms()
        plain = transforms()
        around = round(size * plain.resize_size[0] / plain.crop_size[0])
        return transforms(crop_size=size, resize_size=around)

    def _empty_model(self) -> "nn.Module":
        import torch

        models = require("torchvision.models", "torchvision", f"torchvision:{self._name}")
        with torch.device("meta"):
            return models.get_model(self._name, weights=None, **_quiet(self._name))

    def _trained_model(self) -> "nn.Module":
        import torch

        models = require("torchvision.models", "torchvision", f"torchvision:{self._name}")
        state, file = torchvision_weights(
            self._weights(), "use the extractor pixels, which needs none", self.fetches
        )
        with torch.random.fork_rng(devices=[]):  # the start that is overwritten draws numbers
            model = models.get_model(self._name, weights=None, **_quiet(self._name))
        try:
            model.load_state_dict(state)
        except RuntimeError as error:
            raise ResourceError(
                f"{file} does not hold the weights of {self._name}. Remove it and fetch it again."
            ) from error
        return model


@dataclass(frozen=True)
class _Look(Task[Shard, NDArray[np.float32]]):
    """Looks at images with a classifier, which travels with its weights.

    Attributes:
        network: The classifier and the transform that belongs to its weights.
        options: How the images are looked at.
    """

    network: Packed
    options: Options
    in_order: ClassVar[bool] = True
    on_device: ClassVar[bool] = True

    def prepare(self) -> Callable[[PixelSource], NDArray[np.float32]]:
        import torch

        transform, arriving = self.network.before, []
        last = _last_linear(self.network.model)
        last.register_forward_pre_hook(lambda layer, inputs: arriving.append(inputs[0]))
        device = torch.device(best_device())
        model = self.network.model.to(device)
        maps = StageMaps(model) if self.options.layers > 1 else None
        at_once = images_at_once(transform.crop_size[0], device)

        def stages(values: torch.Tensor) -> list[torch.Tensor]:
            arriving.clear()
            model(values)
            # What the last layer is given is the mean of the last map, or more.
            return [arriving[-1].flatten(1), *(maps.taken()[1:] if maps else [])]

        def prepared(images: list[NDArray[np.uint8]]) -> torch.Tensor:
            tensors = [torch.from_numpy(np.array(each)).permute(2, 0, 1) for each in images]
            return torch.stack([transform(each) for each in tensors])

        return looking(model, stages, prepared, self.options, device, at_once)


def _last_linear(model: "nn.Module") -> "nn.Linear":
    from torch import nn

    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    if not layers:
        raise SettingError(
            f"{type(model).__name__} has no linear layer at its end to take features before. "
            "Use another classifier, e.g. torchvision:resnet18."
        )
    return layers[-1]


def _file_name(weights: Any) -> str:
    return str(weights.url).rpartition("/")[2]


def _quiet(name: str) -> dict[str, bool]:
    # These two warn about their slow start values and hold a second classifier otherwise.
    return {"init_weights": False} if name in {"googlenet", "inception_v3"} else {}
