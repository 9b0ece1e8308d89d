"""What a saved model sees in single images, whatever their size: classes, features, activation."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from cad_studio.algorithms._cam import class_activation, reweight
from cad_studio.core.errors import SettingError
from cad_studio.training.batching import plain_inputs
from cad_studio.training.inputs import LARGE_MARGIN
from cad_studio.training.model_file import load_model
from cad_studio.training.views import LARGE_PX

_AT_ONCE = 256


@dataclass(frozen=True)
class Sight:
    """What a model sees in M images.

    Attributes:
        probability: float32 (M, C). Rows sum to 1.
        features: float32 (M, F). Of unit length.
    """

    probability: NDArray[np.float32]
    features: NDArray[np.float32]


class Judge:
    """A model with what makes its inputs, on the CPU.

    Attributes:
        key: Hash of the model's content, 16 hexadecimal digits.
        n_classes: C.
    """

    def __init__(self, file: Path) -> None:
        """Load it.

        Raises:
            DatasetFormatError: The file is not a model of this studio.
            SettingError: It reads feature vectors.
        """
        self.key = key_of(file)
        self._network, views = load_model(file)
        if views is None:
            raise SettingError("This run reads feature vectors; choose one trained on images.")
        self._views = views
        self.n_classes = self._network.n_classes

    @torch.inference_mode()
    def look(self, images: Sequence[NDArray[np.uint8]]) -> Sight:
        """Ask it about images, each uint8 (H, W, 1 or 3)."""
        probability, features = [], []
        for start in range(0, len(images), _AT_ONCE):
            pooled = self._network.features(self._inputs(images[start : start + _AT_ONCE]))
            probability.append(self._network.classify(pooled).softmax(dim=1).numpy())
            features.append(nn.functional.normalize(pooled, dim=1).numpy())
        if not probability:
            return Sight(
                np.zeros((0, self.n_classes), np.float32),
                np.zeros((0, self._network.width), np.float32),
            )
        return Sight(np.concatenate(probability), np.concatenate(features))

    @torch.inference_mode()
    def activation(
        self, image: NDArray[np.uint8], candidates: NDArray[np.bool_], cam: str
    ) -> NDArray[np.float32]:
        """Activation maps of the candidates over an image, float32 (S, H, W), 0 to 1.

        Args:
            image: uint8 (H, W, 1 or 3).
            candidates: bool (C,), S of them True.
            cam: As `class_activation`.
        """
        views = self._views
        # The whole image: a map of its middle would lie in the wrong place.
        seen = views.whole(views.unit(self._batch([image])))
        feature_map = self._network.feature_map(seen)
        members = torch.from_numpy(candidates)[None]
        maps = class_activation(feature_map, self._network.fc.weight, members, cam)
        low = maps[0, members[0]][:, None]
        size = image.shape[:2]
        return nn.functional.interpolate(low, size, mode="bilinear", align_corners=False)[
            :, 0
        ].numpy()

    def _inputs(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        return plain_inputs(self._batch(images), self._views)

    def _batch(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        side = self._views.image_px
        if side >= LARGE_PX:
            side = round(side * LARGE_MARGIN)
        channels = 1 if self._views.kind == "grey" else 3
        return torch.from_numpy(np.stack([fitted(image, side, channels) for image in images]))


def key_of(file: Path) -> str:
    """What names the judge that a file holds: `Judge.key`."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def fitted(image: NDArray[np.uint8], side_px: int, channels: int) -> NDArray[np.uint8]:
    """An image as a square of a side, uint8 (side_px, side_px, channels); as datasets are read.

    Args:
        image: uint8 (H, W, 1 or 3).
        side_px: Wanted.
        channels: 1 or 3.
    """
    if image.shape == (side_px, side_px, channels):
        return image
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    picture = picture.convert("L" if channels == 1 else "RGB")
    if picture.size != (side_px, side_px):
        size = (side_px, side_px)
        picture = picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(picture).reshape(side_px, side_px, channels)


def dimmed(
    image: NDArray[np.uint8], activation: NDArray[np.float32], epsilon: float, fill: str
) -> NDArray[np.uint8]:
    """An image reweighted by each of S maps, as CAD-CAM trains on it, uint8 (S, H, W, 1 or 3).

    Args:
        image: uint8 (H, W, 1 or 3).
        activation: float32 (S, H, W), 0 to 1.
        epsilon: What is left where nothing speaks for a class, 0 to 1.
        fill: `zero` or `mean`.
    """
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    maps = torch.from_numpy(activation)[:, None]
    made = reweight(pixels.expand(len(maps), -1, -1, -1), maps, epsilon, fill)
    whole = (made.clamp(0.0, 1.0) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(whole.permute(0, 2, 3, 1).numpy())
