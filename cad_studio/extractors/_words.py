"""The text side of an image-text model: words to vectors that images are compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import ResourceError
from cad_studio.extractors._base import to_unit_length

_TO_FULL_LENGTH = ("siglip", "siglip2")
"""Models that were trained on texts filled up to the full length, without a mask."""

_READING = Lock()  # a tokenizer keeps how it was last asked to cut texts


@dataclass(frozen=True)
class Words:
    """Reads texts with an image-text model of transformers.

    Attributes:
        model: In evaluation mode.
        tokenizer: That belongs to it.
        source: Its name, for messages.
    """

    model: Any  # whatever transformers makes of the id
    tokenizer: Any
    source: str

    def __post_init__(self) -> None:
        """Check that the model has a text side.

        Raises:
            ResourceError: It has none.
        """
        if not hasattr(self.model, "get_text_features"):
            raise ResourceError(
                f"The model {self.source!r} gives no vectors of texts. Search by words needs an "
                "image-text model such as CLIP or SigLIP."
            )

    @property
    def scale(self) -> float:
        """What cosines are multiplied by before a softmax, as the model was trained."""
        scale = getattr(self.model, "logit_scale", None)
        return 100.0 if scale is None else float(scale.detach().exp().mean())

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Of each text a vector, float32 (T, D), rows of unit length."""
        import torch

        is_full = self.model.config.model_type in _TO_FULL_LENGTH
        with _READING:
            tokens = self.tokenizer(
                list(texts), padding="max_length" if is_full else True, truncation=True,
                max_length=self._longest(), return_tensors="pt",
            )  # fmt: skip
        given = {"input_ids": tokens["input_ids"]}
        if not is_full:
            given["attention_mask"] = tokens["attention_mask"]
        with torch.inference_mode():
            found = self.model.get_text_features(**given)
        found = getattr(found, "pooler_output", found).flatten(1).float().numpy()
        return to_unit_length(np.array(found), f"texts read by {self.source}")

    def is_cut(self, texts: Sequence[str]) -> list[bool]:
        """Which texts are longer than the model reads; it reads their beginning."""
        with _READING:
            read = self.tokenizer(list(texts))["input_ids"]
        return [len(each) > self._longest() for each in read]

    def _longest(self) -> int:
        inner = getattr(self.model.config, "text_config", self.model.config)
        return int(getattr(inner, "max_position_embeddings", 64))
