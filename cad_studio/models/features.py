"""Heads on what an extractor gives: nothing below them is trained.

The vectors of every sample are computed once and kept, so that a run takes seconds. What stands
after the colon names the extractor; what runs the head finds the vectors by it.
"""

from torch import Tensor, nn

from cad_studio.models._base import BACKBONES, Backbone

_DROPOUT = 0.2


@BACKBONES.register("features")
class FeaturesHead(Backbone):
    """One hidden layer of 512 with BatchNorm and ReLU, a fifth of the features dropped."""

    width = 512
    takes_features = True
    argument_hint = "EXTRACTOR"

    def __init__(self, size: int, argument: str = "", blueprint: str = "") -> None:
        """Draw fresh weights for vectors of this width."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(_DROPOUT),
            nn.Linear(size, self.width, bias=False),
            nn.BatchNorm1d(self.width),
            nn.ReLU(inplace=True),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Float32 (B, D_in) -> float (B, F, 1, 1)."""
        return self.layers(inputs)[:, :, None, None]


@BACKBONES.register("features-linear")
class LinearHead(Backbone):
    """The features themselves, a fifth of them dropped: the classifier is all that is trained."""

    takes_features = True
    argument_hint = "EXTRACTOR"

    def __init__(self, size: int, argument: str = "", blueprint: str = "") -> None:
        """For vectors of this width."""
        super().__init__()
        self.width = size
        self.dropout = nn.Dropout(_DROPOUT)

    def forward(self, inputs: Tensor) -> Tensor:
        """Float32 (B, D_in) -> float (B, D_in, 1, 1)."""
        return self.dropout(inputs)[:, :, None, None]
