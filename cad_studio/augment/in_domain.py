"""Edits by a small diffusion model trained on the dataset itself: no text, no hub, no GPU."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cad_studio.augment._base import EDITORS, ClassText, Editor, editing, loading
from cad_studio.core.errors import ResourceError, SettingError
from cad_studio.core.settings import check_settings
from cad_studio.models.denoiser import Denoiser, denoise, load_denoiser
from cad_studio.models.device import choose_device


@dataclass(frozen=True)
class InDomainConfig:
    """Settings of the in-domain editor."""

    model: str = field(
        default="", metadata={"help": "File of the editor, as its training wrote it."}
    )
    strength: float = field(
        default=0.8,
        metadata={
            "help": "How far an image is dissolved before it is drawn again: 0 changes nothing, "
            "1 keeps nothing of it.",
            "minimum": 0.0,
            "maximum": 1.0,
        },
    )
    guidance: float = field(
        default=6.0,
        metadata={"help": "Pull towards the class.", "minimum": 0.0, "maximum": 30.0},
    )
    steps: int = field(
        default=12,
        metadata={"help": "Steps of a whole way.", "minimum": 1, "maximum": 1000},
    )
    device: str = field(default="auto", metadata={"help": "auto, cpu, cuda, cuda:1, or mps."})

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_settings(self)


@EDITORS.register("in-domain")
class InDomainEditor(Editor):
    """Dissolves an image part of the way and draws it again as the class.

    Images larger than the model works on are made smaller; the change is enlarged and added to
    the original, so that its detail stays.
    """

    title = "In-domain diffusion"
    config_type = InDomainConfig
    is_trained_here = True

    def __init__(self, config: InDomainConfig) -> None:
        """Take the settings."""
        self.config = config
        self._denoiser: Denoiser | None = None

    def load(self, texts: list[ClassText]) -> None:
        """As `Editor.load`."""
        file = Path(self.config.model)
        if not self.config.model or not file.is_file():
            raise ResourceError(
                "There is no in-domain editor for this dataset yet. Train one on the "
                "Augmentations page, or with: python -m cad_studio edit-model DATASET."
            )
        denoiser = load_denoiser(file)
        names = [text.name for text in texts]
        if denoiser.card.class_names != names:
            missing = sorted(set(names) - set(denoiser.card.class_names))
            raise SettingError(
                f"The editor {file.name} was trained on other classes"
                + (f" (it does not know {missing[0]!r})" if missing else "")
                + ". Train it anew: python -m cad_studio edit-model DATASET."
            )
        device = choose_device(self.config.device)
        with loading("the editor. Choose device=cpu, or close other programs"):
            self._denoiser = denoiser.to(device)

    def key(self) -> str:
        """As `Editor.key`; the model counts by its content, the device does not."""
        content = hashlib.sha256(Path(self.config.model).read_bytes()).hexdigest()[:16]
        settings = self.config
        return f"in-domain/1/{content}/{settings.strength:g}/{settings.guidance:g}/{settings.steps}"

    def edit(
        self, images: list[NDArray[np.uint8]], guide: NDArray[np.int64], seeds: NDArray[np.int64]
    ) -> list[NDArray[np.uint8] | None]:
        """As `Editor.edit`."""
        if self._denoiser is None:
            raise ValueError("load comes before edit")
        with editing():
            return self._edit(self._denoiser, images, guide, seeds)

    @torch.inference_mode()
    def _edit(
        self,
        denoiser: Denoiser,
        images: list[NDArray[np.uint8]],
        guide: NDArray[np.int64],
        seeds: NDArray[np.int64],
    ) -> list[NDArray[np.uint8] | None]:
        card, device = denoiser.card, denoiser.alphas.device
        sources = (_as_tensor(image, card.channels) for image in images)
        small = torch.cat([_resized(source, card.side_px) for source in sources]).to(device)
        folded = denoiser.fold(small)
        # Noise by image, so that an edit does not depend on what else is in its batch.
        noise = torch.stack(
            [
                torch.randn(folded.shape[1:], generator=torch.Generator().manual_seed(int(seed)))
                for seed in seeds
            ]
        ).to(device)
        label = torch.from_numpy(np.asarray(guide, np.int64)).to(device)
        settings = self.config
        drawn = denoise(
            denoiser, folded, label, noise, settings.strength, settings.guidance, settings.steps
        )
        redrawn = denoiser.redraw(small, folded, drawn)
        return [
            _finished(image, before, after) if after.isfinite().all() else None
            for image, before, after in zip(images, small.cpu(), redrawn.cpu(), strict=True)
        ]


def _as_tensor(image: NDArray[np.uint8], channels: int) -> Tensor:
    """An image as float32 (1, channels, H, W), 0 to 1."""
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    if channels == 1 and pixels.shape[1] == 3:
        weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
        return (pixels * weights).sum(dim=1, keepdim=True)
    return pixels.expand(-1, channels, -1, -1)


def _resized(pixels: Tensor, side_px: int) -> Tensor:
    if pixels.shape[2:] == (side_px, side_px):
        return pixels
    size = (side_px, side_px)
    return torch.nn.functional.interpolate(
        pixels, size, mode="bilinear", align_corners=False, antialias=True
    )


def _finished(image: NDArray[np.uint8], before: Tensor, after: Tensor) -> NDArray[np.uint8]:
    """An image with the change of its copy, uint8 of the same shape.

    Args:
        image: uint8 (H, W, 1 or 3).
        before: float32 (channels, side, side), 0 to 1. The copy the model worked on.
        after: Likewise, edited.
    """
    height, width, channels = image.shape
    if after.shape == (channels, height, width):
        whole = after
    else:
        change = torch.nn.functional.interpolate(
            (after - before)[None], (height, width), mode="bilinear", align_corners=False
        )[0]
        if channels == 1:
            change = change.mean(dim=0, keepdim=True)
        # A grey change leaves the colours of a coloured image alone.
        whole = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255 + change
    pixels = (whole.clamp(0.0, 1.0) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())
