"""The method that CAD and CAD-CAM are: they differ in where the class views come from."""

from torch import Tensor

from cad_studio.algorithms._base import Algorithm, Batch, Setup, StepResult
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


class CadMethod(Algorithm):
    """Confidence adjustment, and contrast among class views made by activation maps."""

    paper = (
        "Zhao et al., Mitigating Instance Entanglement in Instance-Dependent Partial Label "
        "Learning, CVPR 2026, https://arxiv.org/abs/2603.04825"
    )
    view_names = VIEW_NAMES
    class_view_names = CLASS_VIEW_NAMES
    needs_images = True

    def __init__(self, setup: Setup, config: CadSettings) -> None:
        """Start with an exact copy, an empty queue and no maps."""
        super().__init__(setup, config)
        self.cad = CadTraining(setup, config)
        self.cam = CamViews(setup, config)
        self.class_view_names = class_view_names(config)

    @property
    def first_class_epoch(self) -> int:
        """From when on class views of one class attract each other.

        Without maps all class views of an image are alike: as labels they would push equal pixels
        apart.
        """
        return self.cam.first_epoch

    def begin_epoch(self, epoch: int) -> None:
        """As `Algorithm.begin_epoch`; refreshes the maps when it is time."""
        super().begin_epoch(epoch)
        if self.class_view_names:
            self.cam.begin_epoch(epoch, self.cad.teacher)

    def step(self, batch: Batch) -> StepResult:
        """As `Algorithm.step`."""
        return self.cad.step(self, batch, is_class_aware=self.epoch >= self.first_class_epoch)

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
        """As `Algorithm.edit`: reweighted by the maps."""
        return self.cam.edit(images, row, source, guide, self.epoch)
