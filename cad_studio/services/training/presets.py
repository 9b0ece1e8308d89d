"""Settings that belong together, by name."""

from dataclasses import dataclass, field
from typing import Any

from cad_studio.algorithms._cad_paper import PAPER, PAPER_LOOP

FROZEN = "Frozen features"
HEAD_LOOP: dict[str, Any] = {
    "epochs": 20, "optimiser": "adamw", "learning_rate": 1e-3, "weight_decay": 1e-2,
}  # fmt: skip
"""The loop for heads on frozen features; tuned on other images than the bundled samples."""

_MANY, _BATCH_OF_MANY = 5000, 256

HEAD_CAD: dict[str, Any] = {"without_rl": True, "momentum": 0.9}
"""CAD on frozen features: contrast in feature space gained nothing, and the slow copy lags less."""


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


def head_loop(n_samples: int) -> dict[str, Any]:
    """`HEAD_LOOP` for a dataset; many samples in larger batches, which takes half the time."""
    return {**HEAD_LOOP, **({"batch_size": _BATCH_OF_MANY} if n_samples >= _MANY else {})}


def head_settings(config_type: type) -> dict[str, Any]:
    """What of `HEAD_CAD` a method has."""
    return {k: v for k, v in HEAD_CAD.items() if k in config_type.__dataclass_fields__}


PRESETS = (
    Preset(
        "Default",
        "For small images within ten minutes on a CPU: a propagated start, repeated in the run's "
        "own features.",
    ),
    Preset(
        "Quick look on CPU",
        "CAD-CAM without its contrast for a few epochs, to see whether the data can be learned "
        "from; about a minute on the sample.",
        method="cad-cam",
        config={"epochs": 12},
        settings={"without_rl": True},
    ),
    Preset(
        FROZEN,
        "A small head on features that are computed once: seconds a run. Takes the best features "
        "there are; with those of a pretrained network it is the way for photographs.",
        method="cad-cam",
        backbone="features",
        config=HEAD_LOOP,
        settings=HEAD_CAD,
    ),
    Preset(
        "Fine-tuning",
        "New heads on a pre-trained network, at first alone, then with its last layers; for "
        "photographs, best on a GPU. Its ImageNet weights are fetched where they are not here.",
        backbone="torchvision:resnet18:pretrained-top",
        config={"epochs": 10, "learning_rate": 0.01, "head_epochs": "20%"},
    ),
    Preset(
        "Paper settings",
        "CAD-CAM as its authors train it, from a uniform start; for a GPU.",
        method="cad-cam",
        backbone="resnet18",
        config=PAPER_LOOP,
        settings=PAPER,
    ),
)
