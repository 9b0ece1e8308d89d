"""CAD: class views are edits of the image towards each candidate, made beforehand.

Zhao, Shi, Sun and Dong, "Mitigating Instance Entanglement in Instance-Dependent Partial Label
Learning", CVPR 2026, https://arxiv.org/abs/2603.04825. Departure: edits are looked up by sample and
class, not by position; where one is missing, an activation map takes its place as in CAD-CAM.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from cad_studio.algorithms._base import ALGORITHMS, Setup
from cad_studio.algorithms.cad_cam import CadCam, CadCamConfig


@dataclass(frozen=True)
class CadConfig(CadCamConfig):
    """Settings of CAD; those of the maps hold where an edit is missing."""

    instance_epochs: int = field(
        default=1,
        metadata={
            "help": "Epochs with contrast by instance before that by class, where there is an edit "
            "for every class view; the paper's 1. Elsewhere the maps' warm-up counts.",
            "minimum": 0,
        },
    )
    edits: int | None = field(
        default=None,
        metadata={
            "help": "Number of the set of stored edits. Empty: the newest set of the dataset; "
            "without any, maps everywhere.",
            "minimum": 1,
        },
    )
    least_probability: float = field(
        default=0.0,
        metadata={
            "help": "Edits whose class the judging run gives less than this are left out, and "
            "maps take their place. 0 takes all.",
            "minimum": 0.0,
            "maximum": 1.0,
        },
    )


@ALGORITHMS.register("cad")
class Cad(CadCam):
    """Confidence adjustment, and contrast among stored edits."""

    title = "CAD"
    config_type = CadConfig

    def __init__(self, setup: Setup, config: CadConfig) -> None:
        """As `CadCam`, with the edits that are stored."""
        super().__init__(setup, config)
        self.edits = setup.edits
        self.edits_cover_all = setup.edits is not None and setup.edits_cover_all

    @property
    def first_class_epoch(self) -> int:
        """As `CadCam.first_class_epoch`; where nothing is left to the maps, without them."""
        return self.config.instance_epochs if self.edits_cover_all else self.cam.first_epoch

    def edit(self, images: Tensor, row: Tensor, source: Tensor, guide: Tensor) -> Tensor:
        """As `Algorithm.edit`: the stored edit, or the reweighted image where there is none."""
        made = super().edit(images, row, source, guide)
        if self.edits is None:
            return made
        stored, found = self.edits(row[source], guide)
        pixels = stored.permute(0, 3, 1, 2).to(images.device, torch.float32) / 255
        if pixels.shape[2:] != images.shape[2:]:
            pixels = nn.functional.interpolate(pixels, images.shape[2:], mode="area")
        return torch.where(found.to(images.device)[:, None, None, None], pixels, made)
