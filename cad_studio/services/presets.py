"""Settings that belong together, by name."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """A named choice of settings; what it does not name keeps its default.

    Attributes:
        name: For the user.
        help: What it is for, one sentence.
        method: A method, or None to keep the one chosen.
        backbone: A backbone, or None likewise.
        config: Fields of the training loop.
        settings: Fields of the method.
    """

    name: str
    help: str
    method: str | None = None
    backbone: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


PRESETS = (
    Preset(
        "Default",
        "What does best on small images within ten minutes on a CPU.",
    ),
    Preset(
        "Quick look on CPU",
        "A few epochs, to see whether the data can be learned from; about a minute on the sample.",
        config={"epochs": 6},
    ),
    Preset(
        "Paper settings",
        "CAD-CAM as its authors train it; for a GPU.",
        method="cad-cam",
        backbone="resnet18",
        config={"epochs": 500},
    ),
)
