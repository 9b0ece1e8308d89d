"""Two hidden layers, for datasets of feature vectors."""

from torch import Tensor, nn

from cad_studio.models._base import BACKBONES, Backbone


@BACKBONES.register("mlp")
class Mlp(Backbone):
    """Two linear layers of 256 with BatchNorm and ReLU."""

    width = 256
    takes_features = True

    def __init__(self, size: int, argument: str = "", blueprint: str = "") -> None:
        """Draw fresh weights for vectors of this width."""
        super().__init__()
        layers: list[nn.Module] = []
        for width_in in (size, self.width):
            layers += [nn.Linear(width_in, self.width, bias=False)]
            layers += [nn.BatchNorm1d(self.width), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)

    def forward(self, inputs: Tensor) -> Tensor:
        """Float32 (B, D_in) -> float (B, F, 1, 1)."""
        return self.layers(inputs)[:, :, None, None]
