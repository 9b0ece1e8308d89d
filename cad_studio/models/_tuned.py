"""Networks with weights from elsewhere, of which all layers learn or the last ones alone."""

import torch
from torch import Tensor, nn

from cad_studio.models._base import Backbone

_TRAINED_SHARE = 0.25
"""Of the layers with weights, those that are trained where the rest is kept, from the end."""


class TunedBackbone(Backbone):
    """A backbone whose lower layers may be kept: weights and statistics as they came."""

    _kept: frozenset[str] = frozenset()

    def _keep_lower(self, size: int) -> None:
        """Train the last quarter of the layers alone, of those that the map depends on.

        Args:
            size: Side of the images.
        """
        own = self._used_layers(size)
        self._kept = frozenset(own[: len(own) - max(1, round(_TRAINED_SHARE * len(own)))])
        for layer in self._kept_layers():
            for weight in layer.parameters(recurse=False):
                weight.requires_grad_(False)

    def _leave_unused(self, size: int) -> None:
        """Take no gradient for what the map does not depend on, such as a pooler."""
        used = self._used(size)
        for weight in self.parameters():
            if weight not in used:
                weight.requires_grad_(False)

    def _used_layers(self, size: int) -> list[str]:
        """Names of the layers with weights of their own, in order."""
        used = self._used(size)
        return [
            name
            for name, each in self.named_modules()
            if any(weight in used for weight in each.parameters(recurse=False))
        ]

    def _used(self, size: int) -> set[nn.Parameter]:
        weights = [each for each in self.parameters() if each.requires_grad]
        was_training = self.training
        self.eval()  # so that statistics stay as they are
        with torch.enable_grad():
            found = self(torch.zeros(1, 3, size, size)).float().sum()
        self.train(was_training)
        # Zero is a gradient too; None is said of what the sum does not depend on.
        slopes = torch.autograd.grad(found, weights, allow_unused=True)
        return {weight for weight, each in zip(weights, slopes, strict=True) if each is not None}

    def train(self, mode: bool = True) -> "TunedBackbone":
        """As `nn.Module.train`; layers that are kept stay in evaluation mode."""
        super().train(mode)
        for layer in self._kept_layers():
            layer.training = False  # its own statistics; layers within it may be trained
        return self

    def _kept_layers(self) -> list[nn.Module]:
        # By name, as a copy of the network has layers of its own.
        return [each for name, each in self.named_modules() if name in self._kept]


def token_grid(tokens: Tensor, side: int) -> Tensor:
    """A row of tokens, float (B, T, F), as the map of its last side * side, (B, F, side, side)."""
    return tokens[:, -side * side :].transpose(1, 2).unflatten(2, (side, side))
