"""Features of a vision model of the Hugging Face transformers library."""

import hashlib
import json
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import PixelSource
from cad_studio.core.hub import from_hub, is_folder
from cad_studio.core.optional import require
from cad_studio.core.progress import Progress
from cad_studio.core.shards import Shard
from cad_studio.core.workers import ALONE, Task, Workers
from cad_studio.extractors._base import EXTRACTORS, best_device, need_pixels, to_unit_length
from cad_studio.extractors._chunked import in_parts
from cad_studio.extractors._engines import require_engine
from cad_studio.extractors._looking import looking
from cad_studio.extractors._networks import Packed, images_at_once
from cad_studio.extractors._options import HINT, Options, split_options
from cad_studio.extractors._words import Words

_USUAL_PX = 224


@EXTRACTORS.register("hf")
class HuggingFace:
    """The pooled output of a vision model, as its own image processor feeds it.

    In this order: `image_embeds` or the result of `get_image_features` for a model with an image
    and a text side, `pooler_output`, else the mean of `last_hidden_state` over its tokens or
    positions. A pooler that was not among the saved weights would be random and is passed over.
    Weights are read from safetensors files only, and no code of the model's author is run.
    """

    argument_hint = f"ID-or-path, e.g. hf:facebook/dinov2-small{HINT}"

    def __init__(self, argument: str) -> None:
        """Take a hub id or a folder, and options."""
        self._source, self._options = split_options(argument)
        self.fetches = True

    def offline(self) -> "HuggingFace":
        """As `LooksAtPictures.offline`."""
        other = copy(self)
        other.fetches = False
        return other

    def describe(self) -> str:
        """One line for the user."""
        config = self._load("AutoConfig")
        inner = getattr(config, "vision_config", None) or config
        width = getattr(config, "projection_dim", None) or getattr(inner, "hidden_size", None)
        if width is None and getattr(inner, "hidden_sizes", None):
            width = inner.hidden_sizes[-1]
        size = f"{width} features, " if width else ""
        return f"transformers {self._source} ({size}{config.model_type}{self._options.words()})"

    def key(self) -> str:
        """The commit of a hub model, or the content of a folder's files."""
        folder = Path(self._source)
        if is_folder(self._source):
            digest = hashlib.sha256()
            for file in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")]):
                with file.open("rb") as stream:
                    content = hashlib.file_digest(stream, "sha256").hexdigest()
                digest.update(f"{file.name} {content}\n".encode())
            return f"hf/1/{digest.hexdigest()}{self._options_key()}"
        commit = getattr(self._load("AutoConfig"), "_commit_hash", None)
        return f"hf/1/{self._source}/{commit}{self._options_key()}"

    def _options_key(self) -> str:
        size = self._options.size
        return (f"/size={size}" if size else "") + self._options.key()

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
            ResourceError: The model is not here and cannot be fetched, or it is no vision model.
        """
        pixels = need_pixels(pixels, f"hf:{self._source}")
        progress.report(0.0, f"Loading {self._source}")
        features = in_parts(self._task(), pixels, partial, self.key(), progress, workers)
        return to_unit_length(features, f"features of {self._source}")

    def look(self) -> Callable[[PixelSource], NDArray[np.float32]]:
        """As `LooksAtPictures.look`."""
        seen = self._task().prepare()
        return lambda pixels: to_unit_length(seen(pixels), f"features of {self._source}")

    def reads_words(self) -> bool:
        """As `ReadsWords.reads_words`: told by the configuration, which is on this machine.

        Features of several layers are no longer those that texts are compared with.
        """
        if self._options.layers > 1:
            return False
        file = Path(self._source) / "config.json"
        if not file.parent.is_dir():
            found = require("huggingface_hub", "huggingface_hub", f"hf:{self._source}")
            try:
                kept = found.try_to_load_from_cache(self._source, "config.json")
            except ValueError:  # no name of a model
                return False
            if not isinstance(kept, str):
                return False
            file = Path(kept)
        try:
            return "text_config" in json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False

    def words(self) -> Words:
        """As `ReadsWords.words`."""
        model = self._load("AutoModel", use_safetensors=True).eval()
        return Words(model, self._load("AutoTokenizer"), self._source)

    def _task(self) -> "_Look":
        require("transformers", "transformers", f"hf:{self._source}")
        import torch

        require_engine(self._options)
        processor = self._load("AutoImageProcessor")
        with torch.random.fork_rng(devices=[]):  # layers absent from the file draw numbers
            model, report = self._load("AutoModel", use_safetensors=True, output_loading_info=True)
        has_pooler = not any("pooler" in name for name in report["missing_keys"])
        network = Packed("transformers", model.eval(), processor)
        return _Look(network, has_pooler, self._options)

    def _load(self, kind: str, **options: Any) -> Any:  # whatever transformers makes of the id
        return from_hub(kind, self._source, self.fetches, **options)


@dataclass(frozen=True)
class _Look(Task[Shard, NDArray[np.float32]]):
    """Looks at images with a vision model, which travels with its weights.

    Attributes:
        network: The model and its image processor.
        has_pooler: Whether its pooler was among the saved weights.
        options: How the images are looked at.
    """

    network: Packed
    has_pooler: bool
    options: Options
    in_order: ClassVar[bool] = True
    on_device: ClassVar[bool] = True

    def prepare(self) -> Callable[[PixelSource], NDArray[np.float32]]:
        import torch

        device = torch.device(best_device())
        model, processor = self.network.model.to(device), self.network.before
        sized = _sized(processor, self.options.size)
        at_once = images_at_once(self.options.size or _USUAL_PX, device)

        def stages(values: torch.Tensor) -> list[torch.Tensor]:
            return _stages(model, values, self.has_pooler, self.options)

        def prepared(images: list[NDArray[np.uint8]]) -> torch.Tensor:
            # Said outright: a picture of 3 rows would pass for one with channels first.
            inputs = processor(
                images=images, return_tensors="pt", input_data_format="channels_last", **sized
            )
            values: torch.Tensor = inputs["pixel_values"]
            return values

        return looking(model, stages, prepared, self.options, device, at_once)


def _sized(processor: Any, size: int | None) -> dict[str, Any]:
    """What makes an image processor give images of another side, in its own way of cutting."""
    if size is None:
        return {}
    square = {"height": size, "width": size}
    usual = dict(getattr(processor, "size", None) or {})
    crop = dict(getattr(processor, "crop_size", None) or {})
    if "shortest_edge" not in usual:
        return {"size": square}
    around = round(size * usual["shortest_edge"] / crop.get("height", usual["shortest_edge"]))
    return {"size": {"shortest_edge": around}, "do_center_crop": True, "crop_size": square}


def _stages(model: Any, values: Any, has_pooler: bool, options: Options) -> list[Any]:
    """The pooled output, then the means of the layers before the last; torch tensors (B, D)."""
    body = getattr(model, "vision_model", model)
    wanted: dict[str, Any] = {}
    if options.size and "interpolate_pos_encoding" in signature(body.forward).parameters:
        wanted["interpolate_pos_encoding"] = True
    found = [_pooled(model, values, has_pooler, wanted)]
    if options.layers > 1:
        hidden = body(pixel_values=values, output_hidden_states=True, **wanted).hidden_states
        found += [_mean(each) for each in reversed(hidden[:-1])]
    return found


def _pooled(model: Any, values: Any, has_pooler: bool, wanted: dict[str, Any]) -> Any:
    if hasattr(model, "get_image_features"):
        output = model.get_image_features(pixel_values=values, **wanted)
        if not hasattr(output, "pooler_output"):
            return output.flatten(1)
        return output.pooler_output.flatten(1)
    output = model(pixel_values=values, **wanted)
    if getattr(output, "image_embeds", None) is not None:
        return output.image_embeds.flatten(1)
    if has_pooler and getattr(output, "pooler_output", None) is not None:
        return output.pooler_output.flatten(1)
    return _mean(output.last_hidden_state)


def _mean(hidden: Any) -> Any:
    return hidden.mean(dim=1) if hidden.ndim == 3 else hidden.flatten(2).mean(dim=2)
