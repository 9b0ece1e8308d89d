"""Class activation maps of the candidates, and the images they reweight.

After Zhou, Khosla, Lapedriza, Oliva and Torralba, "Learning Deep Features for Discriminative
Localization", CVPR 2016, https://arxiv.org/abs/1512.04150.
"""

from typing import Any

import torch
from torch import Tensor, nn

from cad_studio.models.network import Network

CAMS = ("plain", "contrast")
FILLS = ("zero", "mean")
LARGE_PX = 96
"""From this side on, what does not speak for a class is dimmed further by default."""

_TINY = 1e-8


def class_activation(
    feature_map: Tensor, class_weights: Tensor, candidates: Tensor, cam: str
) -> Tensor:
    """How much each place speaks for each class, scaled to at most 1.

    Args:
        feature_map: float (B, F, h, w).
        class_weights: float (C, F). Of the linear classifier.
        candidates: bool (B, C).
        cam: `plain`, or `contrast`: less the mean over the candidates. The plain maps of classes
            that are easily confused nearly coincide.

    Returns:
        float32 (B, C, h, w), 0 to 1. 1 everywhere where no place speaks for a class, and where
        a sample has one candidate: there is nothing to tell apart.
    """
    maps = torch.einsum("bfhw,cf->bchw", feature_map.float(), class_weights.float())
    if cam == "contrast":
        share = candidates / candidates.sum(dim=1, keepdim=True)
        maps = maps - torch.einsum("bchw,bc->bhw", maps, share)[:, None]
    maps = maps.relu()
    highest = maps.amax(dim=(2, 3), keepdim=True)
    scaled = maps / (highest + _TINY)
    certain = (candidates.sum(dim=1) == 1)[:, None, None, None]
    return torch.where((highest <= 0) | certain, torch.ones_like(scaled), scaled)


def default_epsilon(side_px: int) -> float:
    """What is left where nothing speaks for a class, unless a setting says otherwise.

    Args:
        side_px: Of the images. Photographs are dimmed further.
    """
    return 0.5 if side_px < LARGE_PX else 0.3


def reweight(images: Tensor, activation: Tensor, epsilon: float, fill: str) -> Tensor:
    """Dim what does not speak for a class: a * x + epsilon * (1 - a) * x.

    Args:
        images: float32 (M, 3, H, W), 0 to 1.
        activation: float32 (M, 1, H, W), 0 to 1: a.
        epsilon: What is left of a place with activation 0.
        fill: `zero` dims towards black, `mean` towards the image's own mean colour.

    Returns:
        float32 (M, 3, H, W), 0 to 1.
    """
    gain = activation + epsilon * (1.0 - activation)
    if fill == "zero":
        return images * gain
    centre = images.mean(dim=(2, 3), keepdim=True)
    return centre + (images - centre) * gain


class CamMaps(nn.Module):
    """Activation maps of every sample and candidate, low in resolution, as bytes.

    Until the first refresh there are none, and every activation is 1.

    Attributes:
        maps: uint8 (T, h, w) with one map per sample and candidate, T in all; or empty.
    """

    maps: Tensor
    first: Tensor

    def __init__(self, candidates: Tensor) -> None:
        """Take the candidates, bool (N, C)."""
        super().__init__()
        sizes = candidates.sum(dim=1)
        self.register_buffer("first", sizes.cumsum(0) - sizes, persistent=False)
        self.n_maps = int(sizes.sum())
        self.register_buffer(
            "maps", torch.empty((0, 0, 0), dtype=torch.uint8, device=candidates.device)
        )

    @torch.no_grad()
    def refresh(
        self, network: Network, row: Tensor, images: Tensor, candidates: Tensor, cam: str
    ) -> None:
        """Compute the maps of some samples.

        Args:
            network: In evaluation mode.
            row: int64 (B,).
            images: float32 (B, 3, H, W), normalised, un-augmented.
            candidates: bool (B, C), of these samples.
            cam: As `class_activation`.
        """
        feature_map = network.feature_map(images)
        activation = class_activation(feature_map, network.fc.weight, candidates, cam)
        source, guide = candidates.nonzero(as_tuple=True)
        if self.maps.shape[1:] != activation.shape[2:]:
            shape = (self.n_maps, *activation.shape[2:])
            self.maps = torch.full(shape, 255, dtype=torch.uint8, device=activation.device)
        place = self._place(row, candidates, source, guide)
        self.maps[place] = (activation[source, guide] * 255).round().to(torch.uint8)

    def look_up(
        self, row: Tensor, candidates: Tensor, source: Tensor, guide: Tensor, size: tuple[int, int]
    ) -> Tensor:
        """Maps of class views, enlarged.

        Args:
            row: int64 (B,).
            candidates: bool (B, C), of these samples.
            source: int64 (M,).
            guide: int64 (M,). Candidates of their source.
            size: H and W.

        Returns:
            float32 (M, 1, H, W), 0 to 1.
        """
        if not self.maps.numel():
            return torch.ones((len(source), 1, *size), device=source.device)
        low = self.maps[self._place(row, candidates, source, guide)][:, None].float() / 255
        return nn.functional.interpolate(low, size, mode="bilinear", align_corners=False)

    def _place(self, row: Tensor, candidates: Tensor, source: Tensor, guide: Tensor) -> Tensor:
        rank = candidates.cumsum(dim=1)[source, guide] - 1
        return self.first[row][source] + rank

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *args: Any) -> None:
        # The maps take their shape from the network's map, which is known at the first refresh.
        stored = state.get(f"{prefix}maps")
        if stored is not None:
            self.maps = torch.empty_like(stored, device=self.maps.device)
        super()._load_from_state_dict(state, prefix, *args)
