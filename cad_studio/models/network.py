"""A backbone with the two heads that the methods share: classes and projection."""

import torch
from torch import Tensor, nn

from cad_studio.core.errors import SettingError
from cad_studio.models._base import BACKBONES, Backbone, make_backbone

PROJECTION_WIDTH = 128


class Network(nn.Module):
    """A classifier whose feature map, features and projection can be had one by one.

    Attributes:
        backbone: Inputs to a map of F channels.
        fc: Linear, F to C; its weights are those of class activation maps.
        projection: F to F, ReLU, F to D.
        n_classes: C.
        frozen: Whether this is a slow copy, which is never in training mode.
        only_heads: Whether the heads alone learn for now; the backbone then takes no gradient and
            stays in evaluation mode.
        is_compiled: Whether the backbone is compiled.
    """

    def __init__(
        self, backbone: Backbone, n_classes: int, projection_width: int = PROJECTION_WIDTH
    ) -> None:
        """Put the heads on a backbone; their weights are drawn from torch's own generator."""
        super().__init__()
        width = backbone.width
        self.backbone = backbone
        self.fc = nn.Linear(width, n_classes)
        self.projection = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, projection_width)
        )
        self.n_classes = n_classes
        self.projection_width = projection_width
        self.frozen = False
        self.only_heads = False
        self.is_compiled = False

    @property
    def width(self) -> int:
        """F, the width of the features."""
        return self.backbone.width

    def compile_backbone(self) -> None:
        """Compile the backbone at its next call; weights and their names stay as they are."""
        self.backbone.compile()
        self.is_compiled = True

    def train(self, mode: bool = True) -> "Network":
        """As `nn.Module.train`; a frozen network stays in evaluation mode."""
        super().train(mode and not self.frozen)
        if self.only_heads:
            self.backbone.eval()
        return self

    def feature_map(self, inputs: Tensor) -> Tensor:
        """The backbone's map, float (B, F, h, w)."""
        if self.is_compiled:
            # The number of class views differs from batch to batch.
            torch._dynamo.maybe_mark_dynamic(inputs, 0)  # noqa: SLF001
        if self.only_heads:
            with torch.no_grad():
                return self.backbone(inputs)
        return self.backbone(inputs)

    def features(self, inputs: Tensor) -> Tensor:
        """The map's mean over its places, float (B, F)."""
        return self.feature_map(inputs).mean(dim=(2, 3))

    def classify(self, features: Tensor) -> Tensor:
        """Logits, float (B, F) -> float (B, C)."""
        return self.fc(features)

    def project(self, features: Tensor) -> Tensor:
        """Projections of unit length, float (B, F) -> float32 (B, D)."""
        # In float32: under autocast the squares of a norm lose too many digits.
        return nn.functional.normalize(self.projection(features).float(), dim=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits, float (B, C)."""
        return self.classify(self.features(inputs))


def make_network(
    backbone: str,
    n_classes: int,
    *,
    image_px: int | None = None,
    n_inputs: int | None = None,
    projection_width: int = PROJECTION_WIDTH,
    seed: int = 0,
    blueprint: str = "",
) -> Network:
    """Build a network on the CPU; equal arguments give equal weights.

    torch's own generator is left as it was.

    Args:
        backbone: Its spec, e.g. `resnet8` or `torchvision:resnet50`.
        n_classes: C.
        image_px: Side of the images; exactly one of this and `n_inputs` is given.
        n_inputs: Width of the feature vectors of a dataset without images.
        projection_width: D.
        seed: Random seed of the weights that are drawn.
        blueprint: That of the backbone, for a network whose weights will be set afterwards.

    Raises:
        SettingError: No such backbone, or one that reads images is to read vectors or the other
            way round.
    """
    if (image_px is None) == (n_inputs is None):
        raise ValueError("exactly one of image_px and n_inputs is given")
    name = backbone.partition(":")[0]
    if BACKBONES.get(name).takes_features != (image_px is None):
        given = "feature vectors" if image_px is None else "images"
        fitting = [
            other
            for other in BACKBONES.names()
            if BACKBONES.get(other).takes_features == (image_px is None)
        ]
        raise SettingError(
            f"The backbone {name} does not read {given}. Allowed: {', '.join(fitting)}."
        )
    size = image_px if image_px is not None else n_inputs
    assert size is not None
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Network(make_backbone(backbone, size, blueprint), n_classes, projection_width)
