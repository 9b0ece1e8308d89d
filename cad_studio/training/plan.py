"""What is trained and how."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from cad_studio.algorithms._base import ALGORITHMS
from cad_studio.models.network import PROJECTION_WIDTH
from cad_studio.training.settings import TrainConfig

MAY_CHANGE = {
    "device",
    "threads",
    "loader_workers",
    "checkpoint_epochs",
    "checkpoint_steps",
    "max_seconds",
    "compile",
    "tensorboard",
}
"""Fields of the loop that another session, or another machine, may decide anew."""


@dataclass(frozen=True)
class Plan:
    """What is trained and how: everything that, with the data, determines a run.

    Attributes:
        method: Registered name of the method.
        settings: Instance of the method's `config_type`, or None for its defaults.
        backbone: Spec of the backbone.
        config: The loop.
        projection_width: D of the projection head.
    """

    method: str
    backbone: str
    config: TrainConfig = field(default_factory=TrainConfig)
    settings: Any = None  # each method has a dataclass of its own
    projection_width: int = PROJECTION_WIDTH

    def __post_init__(self) -> None:
        """Fill in the method's defaults.

        Raises:
            SettingError: There is no such method.
        """
        if self.settings is None:
            object.__setattr__(self, "settings", ALGORITHMS.get(self.method).config_type())

    def identity(self) -> dict[str, Any]:
        """What a checkpoint must agree on, as JSON gives it back.

        Where the work is done and how often it is saved may change when a run is resumed.
        """
        loop = {
            name: value for name, value in asdict(self.config).items() if name not in MAY_CHANGE
        }
        whole = {
            "method": self.method,
            "backbone": self.backbone,
            "projection_width": self.projection_width,
            "settings": asdict(self.settings),
            "config": loop,
        }
        return json.loads(json.dumps(whole))
