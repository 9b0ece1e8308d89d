"""Any vision model of the Hugging Face transformers library up to its last map, trained further."""

import json
from inspect import signature
from math import isqrt
from typing import Any

import torch
from torch import Tensor, nn

from cad_studio.core.errors import SettingError
from cad_studio.core.hub import from_hub
from cad_studio.core.optional import require
from cad_studio.models._base import BACKBONES
from cad_studio.models._tuned import TunedBackbone, token_grid

_TOP = "top"


@BACKBONES.register("hf")
class HuggingFace(TunedBackbone):
    """A vision model, or the vision side of one, from where its image tokens or maps leave it.

    It starts from its saved weights, read from safetensors files only, and no code of the model's
    author is run. All layers go on learning, or, as `top`, the last quarter of them.
    """

    argument_hint = f"ID-or-folder or ID-or-folder:{_TOP}, e.g. hf:facebook/dinov2-small:{_TOP}"
    reaches_out = True
    examples = ("facebook/dinov2-small", f"facebook/dinov2-small:{_TOP}")

    def __init__(self, size: int, argument: str = "", blueprint: str = "") -> None:
        """Take a hub id or a folder, and whether the last layers alone are trained.

        Raises:
            SettingError: It is no vision model, or does not fit images of this side.
            ResourceError: It is not here and cannot be fetched.
            MissingPackageError: transformers is not installed.
        """
        super().__init__()
        self.has_learned = True
        source = argument.removesuffix(f":{_TOP}")
        if blueprint:
            transformers = require("transformers", "transformers", f"hf:{source}")
            about, self.normalisation = json.loads(blueprint)
            config = transformers.AutoConfig.for_model(about.pop("model_type"), **about)
            model = transformers.AutoModel.from_config(config)
        else:
            processor = from_hub("AutoImageProcessor", source)
            if getattr(processor, "do_normalize", True) and getattr(processor, "image_mean", None):
                self.normalisation = list(processor.image_mean), list(processor.image_std)
            model = from_hub("AutoModel", source, use_safetensors=True)
        self.blueprint = json.dumps([model.config.to_dict(), self.normalisation])
        self.model: nn.Module = getattr(model, "vision_model", model)
        self._options: dict[str, Any] = {}  # whatever this model's forward calls for
        if "interpolate_pos_encoding" in signature(self.model.forward).parameters:
            self._options["interpolate_pos_encoding"] = True
        patch = getattr(self.model.config, "patch_size", None)
        self._patch_px = patch[0] if isinstance(patch, list | tuple) else patch
        try:
            with torch.no_grad():
                found = self.eval()(torch.zeros(1, 3, size, size))
        except (TypeError, ValueError, RuntimeError, AttributeError, AssertionError) as error:
            raise SettingError(
                f"hf:{source} cannot be trained on images of {size} px: "
                f"{str(error).strip().partition(chr(10))[0].rstrip('.')}. "
                "Take another vision model, or one that was trained with images of this size."
            ) from error
        self.width = found.shape[1]
        self._leave_unused(size)
        if argument.endswith(f":{_TOP}"):
            self._keep_lower(size)
        self.train()

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
        return token_grid(found, side)
