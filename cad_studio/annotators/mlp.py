"""The annotator for small grey images and for feature vectors: a batch-normalised MLP.

The widths for images are those of the Fashion-MNIST annotator that instance-dependent candidate
sets are usually drawn from (784-300-301-302-303-C), and so are the first weights: Xavier's, and no
last bias. They matter: with torch's own a doubtful class is doubted by every image of it alike.
"""

from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING

from cad_studio.annotators._base import ANNOTATORS, Annotator, InputShape

if TYPE_CHECKING:
    from torch import nn

IMAGE_WIDTHS = (300, 301, 302, 303)
FEATURE_WIDTHS = (256, 256)
LARGEST_PX = 32


def is_small_grey(native_shape: tuple[int, int, int] | None) -> bool:
    """Whether all images are grey and of one size, at most 32 by 32."""
    return native_shape is not None and native_shape[2] == 1 and max(native_shape) <= LARGEST_PX


@ANNOTATORS.register("mlp")
class Mlp(Annotator):
    """Linear layers, each but the last followed by BatchNorm and ReLU."""

    takes_features = True

    def image_shape(self, native_shape: tuple[int, int, int] | None) -> tuple[int, int, int]:
        """Small grey images as they are; others at 32 px, in colour unless all are grey."""
        if is_small_grey(native_shape):
            assert native_shape is not None
            return native_shape
        return LARGEST_PX, LARGEST_PX, 3 if native_shape is None else native_shape[2]

    def build(self, shape: InputShape, n_classes: int) -> "nn.Module":
        """A fresh network, float32 (B, *shape) -> logits float32 (B, C)."""
        from torch import nn

        widths = FEATURE_WIDTHS if len(shape) == 1 else IMAGE_WIDTHS
        layers: list[nn.Module] = [nn.Flatten()]
        for width_in, width_out in pairwise((prod(shape), *widths)):
            # BatchNorm takes any bias away again.
            linear = nn.Linear(width_in, width_out, bias=False)
            nn.init.xavier_uniform_(linear.weight)
            layers += [linear, nn.BatchNorm1d(width_out), nn.ReLU()]
        last = nn.Linear(widths[-1], n_classes)
        nn.init.xavier_uniform_(last.weight)
        nn.init.zeros_(last.bias)
        return nn.Sequential(*layers, last)
