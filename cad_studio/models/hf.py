"""Any vision model of the Hugging Face transformers library up to its last map, trained further."""

import json
import math
from inspect import signature
from math import isqrt
from typing import Any

import torch
from torch import Tensor, nn

from cad_studio.core.errors import ResourceError, SettingError
from cad_studio.core.hub import from_hub, is_folder, loading_errors, names_code
from cad_studio.core.optional import require
from cad_studio.models._base import BACKBONES
from cad_studio.models._tuned import TunedBackbone, token_grid

_TOP = "top"
_PREFIXES = (0, 1, 2)
"""Tokens that stand before those of the image: none, one of the class, one of a teacher."""


@BACKBONES.register("hf")
class HuggingFace(TunedBackbone):
    """A vision model, or the vision side of one, from where its image tokens or maps leave it.

    It starts from its saved weights, read from safetensors files only, and no code of the model's
    author is run. All layers go on learning, or, as `top`, the last quarter of them.
    """

    argument_hint = f"ID-or-folder or ID-or-folder:{_TOP}, e.g. hf:facebook/dinov2-small:{_TOP}"
    reaches_out = True
    examples = ("facebook/dinov2-small", f"facebook/dinov2-small:{_TOP}")

    @classmethod
    def has_learned(cls, argument: str) -> bool:
        """As `Backbone.has_learned`: always."""
        return True

    def __init__(self, size: int, argument: str = "", blueprint: str = "") -> None:
        """Take a hub id or a folder, and whether the last layers alone are trained.

        Raises:
            SettingError: It is no vision model, or does not fit images of this side.
            ResourceError: It is not here and cannot be fetched, or lacks weights.
            ValueError: The blueprint is none of this kind.
            MissingPackageError: transformers is not installed.
        """
        super().__init__()
        is_top = argument.endswith(f":{_TOP}") and not is_folder(argument)
        self._source = argument.removesuffix(f":{_TOP}") if is_top else argument
        if not self._source.strip():
            raise SettingError(f"hf needs a model. Write hf:{self.argument_hint}.")
        missing: set[str] = set()
        if blueprint:
            model = self._made_of(blueprint)
        else:
            self.normalisation = _normalisation(from_hub("AutoImageProcessor", self._source))
            model, report = from_hub(
                "AutoModel",
                self._source,
                use_safetensors=True,
                output_loading_info=True,
                dtype=torch.float32,
            )
            missing = set(report["missing_keys"])
        self.blueprint = json.dumps([model.config.to_dict(), self.normalisation])
        self.model: nn.Module = getattr(model, "vision_model", model)
        self._options: dict[str, Any] = {}  # whatever this model's forward calls for
        if "interpolate_pos_encoding" in signature(self.model.forward).parameters:
            self._options["interpolate_pos_encoding"] = True
        config = self.model.config
        patch = getattr(config, "patch_size", None)
        self._patch_px = patch[0] if isinstance(patch, list | tuple) else patch
        self._n_registers = getattr(config, "num_register_tokens", 0) or 0
        self.width = self._tried(size)
        self._leave_unused(size)
        lost = {name for name, weight in model.named_parameters() if weight.requires_grad} & missing
        if lost:
            raise ResourceError(
                f"The transformers model {self._source!r} lacks {len(lost)} of the weights that "
                f"its config.json asks for (first: {min(lost)}). Give a whole model."
            )
        if is_top:
            self._keep_lower(size)
        self.train()

    def _made_of(self, blueprint: str) -> Any:  # a model of transformers
        transformers = require("transformers", "transformers", f"hf:{self._source}")
        try:
            about, known = json.loads(blueprint)
            about.pop("auto_map", None)  # where an author's own code would be
            config = transformers.AutoConfig.for_model(about.pop("model_type"), **about)
            if names_code(config):
                raise ValueError("attention by code from elsewhere")
            self.normalisation = None if known is None else (list(known[0]), list(known[1]))
            return transformers.AutoModel.from_config(
                config, dtype=torch.float32, trust_remote_code=False
            )
        except loading_errors() as error:
            raise ValueError(f"no blueprint of a transformers model: {error}") from error

    def _tried(self, size: int) -> int:
        """F, by two looks at one image, which have to agree."""
        image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
        self.eval()
        try:
            with torch.no_grad():
                found, again = self(image), self(image)
        except (TypeError, ValueError, RuntimeError, AttributeError, AssertionError) as error:
            reason = str(error).strip().partition("\n")[0].rstrip(".")
            raise self._misfit(size, reason) from error
        if not torch.equal(found, again):
            raise self._misfit(size, "it sees one image differently each time, as if by a mask")
        return found.shape[1]

    def _misfit(self, size: int, reason: str) -> SettingError:
        return SettingError(
            f"hf:{self._source} cannot be trained on images of {size} px: {reason}. "
            "Take another vision model, or one that was trained with images of this size."
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """As `Backbone.forward`."""
        found: Tensor = self.model(pixel_values=inputs, **self._options).last_hidden_state
        if found.dim() == 4:
            return found
        n_tokens, side = found.shape[1], 0
        if self._patch_px:
            side = inputs.shape[-1] // self._patch_px
        # A model that merges patches on its way has fewer tokens than these.
        if not side or side**2 > n_tokens:
            side = isqrt(n_tokens)
        if n_tokens - side**2 - self._n_registers not in _PREFIXES:
            raise ValueError(f"which of its {n_tokens} tokens lies where is not known")
        return token_grid(found, side)


def _normalisation(processor: Any) -> tuple[list[float], list[float]] | None:
    """Mean and deviation of the images that a model knows; None where its processor has none.

    Raises:
        SettingError: They are no numbers that images can be divided by.
    """
    mean, std = (getattr(processor, f"image_{name}", None) for name in ("mean", "std"))
    if not getattr(processor, "do_normalize", True) or mean is None or std is None:
        return None
    try:
        both = [float(value) for value in mean], [float(value) for value in std]
    except (TypeError, ValueError):
        both = [], []
    is_good = all(len(values) in {1, 3} and all(map(math.isfinite, values)) for values in both)
    if not is_good or min(both[1]) <= 0.0:
        raise SettingError(
            f"The preprocessor_config.json of the model has image_mean {mean!r} and image_std "
            f"{std!r}; expected three numbers each, those of image_std above 0."
        )
    return both
