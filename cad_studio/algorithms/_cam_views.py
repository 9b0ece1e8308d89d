"""When class activation maps are computed, and how much of them takes effect."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from cad_studio.algorithms._base import Setup
from cad_studio.algorithms._cam import CamMaps, default_epsilon, reweight
from cad_studio.models.network import Network

if TYPE_CHECKING:
    from cad_studio.algorithms.cad_cam import CadCamConfig


class CamViews(nn.Module):
    """Class views made by the network's own activation maps.

    Before the warm-up ends a class view is the plain image. Then the maps take effect step by
    step, and are computed anew every few epochs.
    """

    def __init__(self, setup: Setup, first_epoch: int, config: "CadCamConfig") -> None:
        """Start without maps.

        Args:
            setup: What is learned from.
            first_epoch: The first with maps.
            config: Which maps, how often and how dark.
        """
        super().__init__()
        self.config = config
        self.batches, self.candidates = setup.batches, setup.candidates
        self.first_epoch = first_epoch
        self.cache = CamMaps(setup.candidates)

    def begin_epoch(self, epoch: int, teacher: Network) -> None:
        """Compute the maps when it is time.

        Args:
            epoch: The epoch that begins.
            teacher: The slow copy, which saw candidates only; in evaluation mode.
        """
        age = epoch - self.first_epoch
        if age < 0 or age % self.config.refresh_epochs:
            return
        if self.batches is None:
            raise ValueError("class activation maps need Setup.batches")
        for row, images in self.batches():
            self.cache.refresh(teacher, row, images, self.candidates[row], self.config.cam)

    @torch.no_grad()
    def edit(
        self, images: Tensor, row: Tensor, source: Tensor, guide: Tensor, epoch: int
    ) -> Tensor:
        """Images with what does not speak for the guide class dimmed; as `Algorithm.edit`.

        Args:
            images: float32 (B, 3, H, W), 0 to 1.
            row: int64 (B,), on the CPU, as the next two.
            source: int64 (M,).
            guide: int64 (M,).
            epoch: The epoch under way.
        """
        device = images.device
        row, source, guide = (each.to(device, non_blocking=True) for each in (row, source, guide))
        behind = images[source]
        age = epoch - self.first_epoch
        if age < 0:
            return behind
        height, width = images.shape[2:]
        activation = self.cache.look_up(row, self.candidates[row], source, guide, (height, width))
        ramp = min(1.0, (age + 1) / self.config.ramp_epochs)
        activation = 1.0 - ramp * (1.0 - activation)
        epsilon = self.config.epsilon
        if epsilon is None:
            epsilon = default_epsilon(max(height, width))
        return reweight(behind, activation, epsilon, self.config.fill)
