"""CAD: class views are edits of the image towards each candidate, made beforehand.

Zhao, Shi, Sun and Dong, "Mitigating Instance Entanglement in Instance-Dependent Partial Label
Learning", CVPR 2026, https://arxiv.org/abs/2603.04825. Departure: edits are looked up by sample and
class, not by position; where one is missing, an activation map takes its place as in CAD-CAM.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from cad_studio.algorithms._base import ALGORITHMS, Algorithm, Batch, Setup, StepResult
from cad_studio.algorithms._cad_settings import CadSettings
from cad_studio.algorithms._cad_training import (
    CLASS_VIEW_NAMES,
    VIEW_NAMES,
    CadTraining,
    choose_class_views,
    class_view_names,
)
from cad_studio.algorithms._cam_views import CamViews
from cad_studio.models.network import Network


@dataclass(frozen=True)
class CadConfig(CadSettings):
    """Settings of CAD; those of the maps hold where an edit is missing."""

    warm_up_epochs: int = field(
        default=1,
        metadata={
            "help": "Epochs with contrast by instance before that by class; the paper's 1.",
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
class Cad(Algorithm):
    """Confidence adjustment, and contrast among stored edits."""

    title = "CAD"
    paper = (
        "Zhao et al., Mitigating Instance Entanglement in Instance-Dependent Partial Label "
        "Learning, CVPR 2026, https://arxiv.org/abs/2603.04825"
    )
    config_type = CadConfig
    view_names = VIEW_NAMES
    class_view_names = CLASS_VIEW_NAMES
    needs_images = True

    def __init__(self, setup: Setup, config: CadConfig) -> None:
        """Start with an exact copy, an empty queue and no maps."""
        super().__init__(setup, config)
        self.cad = CadTraining(setup, config)
        self.cam = CamViews(setup, config)
        self.edits = setup.edits
        self.edits_cover_all = setup.edits is not None and setup.edits_cover_all
        self.class_view_names = class_view_names(config)

    def begin_epoch(self, epoch: int) -> None:
        """As `Algorithm.begin_epoch`; refreshes the maps when it is time."""
        super().begin_epoch(epoch)
        if self.class_view_names:
            self.cam.begin_epoch(epoch, self.cad.teacher)

    def step(self, batch: Batch) -> StepResult:
        """As `Algorithm.step`."""
        # Before the first maps a class view without an edit is the plain image, whichever class
        # it is aimed at: those must not be told apart by class.
        first = self.config.warm_up_epochs if self.edits_cover_all else self.cam.first_epoch
        return self.cad.step(self, batch, is_class_aware=self.epoch >= first)

    def adopt(self, belief: Tensor) -> None:
        """As `Algorithm.adopt`; it becomes the anchor too."""
        super().adopt(belief)
        self.cad.adopt(belief)

    def after_step(self) -> None:
        """Move the slow copy."""
        self.cad.after_step(self)

    @property
    def inference_network(self) -> Network:
        """As `Algorithm.inference_network`: which one is a setting."""
        return self.network if self.config.inference == "network" else self.cad.teacher

    def choose_class_views(self, row: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
        """As `Algorithm.choose_class_views`, up to the limit that is set."""
        limit, share = self.config.max_class_views, self.config.class_view_share
        return choose_class_views(candidates, self.belief[row], limit, share, self.generator)

    def edit(self, images: Tensor, row: Tensor, source: Tensor, guide: Tensor) -> Tensor:
        """As `Algorithm.edit`: the stored edit, or the reweighted image where there is none."""
        made = self.cam.edit(images, row, source, guide, self.epoch)
        if self.edits is None:
            return made
        stored, found = self.edits(row[source], guide)
        pixels = stored.permute(0, 3, 1, 2).to(images.device, torch.float32) / 255
        if pixels.shape[2:] != images.shape[2:]:
            pixels = nn.functional.interpolate(pixels, images.shape[2:], mode="area")
        return torch.where(found.to(images.device)[:, None, None, None], pixels, made)
