"""Settings that CAD and CAD-CAM share."""

from dataclasses import dataclass, field

from cad_studio.algorithms._cam import CAMS, FILLS
from cad_studio.core.settings import check_settings

REDUCTIONS = ("per_augmentation", "per_instance")
SCORES = ("cls", "key")
INFERENCES = ("network", "slow")


@dataclass(frozen=True)
class CadSettings:
    """Settings that CAD and CAD-CAM share.

    The defaults are for short runs of small networks on a CPU; `_cad_paper` has the authors'.
    """

    beta: float = field(
        default=0.1, metadata={"help": "Weight of the contrastive loss.", "minimum": 0.0}
    )
    tau: float = field(
        default=0.2, metadata={"help": "Temperature of the contrast.", "minimum": 1e-3}
    )
    tau_d: float = field(
        default=0.1, metadata={"help": "Temperature among the positives.", "minimum": 1e-3}
    )
    momentum: float = field(
        default=0.99,
        metadata={"help": "Momentum of the slow copy.", "minimum": 0.0, "maximum": 1.0},
    )
    queue_size: int = field(
        default=1024, metadata={"help": "Keys kept from earlier batches.", "minimum": 1}
    )
    anchor: float = field(
        default=1.0,
        metadata={
            "help": "How much a propagated belief still counts once the slow copy's own takes "
            "over: its power in their product. 0 forgets it, as the paper; a uniform start never "
            "counts.",
            "minimum": 0.0,
            "maximum": 10.0,
        },
    )
    inference: str = field(
        default="slow",
        metadata={
            "help": "What is judged and kept: the network that learns, as the paper, or its slow "
            "copy, which varies less from epoch to epoch.",
            "choices": INFERENCES,
        },
    )
    without_ca: bool = field(
        default=False,
        metadata={"help": "Ablation: the weights of the classes stay as they start."},
    )
    without_rl: bool = field(
        default=False, metadata={"help": "Ablation: no contrast, so no class views either."}
    )
    con_reduction: str = field(
        default="per_augmentation",
        metadata={
            "help": "per_augmentation weighs class views equally, as the authors' code; "
            "per_instance weighs samples equally, as the paper.",
            "choices": REDUCTIONS,
        },
    )
    scores_from: str = field(
        default="key",
        metadata={
            "help": "What the slow copy takes a class view for, which weighs the positives: from "
            "a view of its own (cls), as the authors' code, or from the one its key is made of "
            "(key), which saves a pass.",
            "choices": SCORES,
        },
    )
    max_class_views: int = field(
        default=1,
        metadata={
            "help": "Class views per sample: the most believed candidates and one at random "
            "beyond them. 0 takes all candidates, as the paper.",
            "minimum": 0,
        },
    )
    class_view_share: float = field(
        default=0.25,
        metadata={
            "help": "Share of a batch that gets class views: the samples whose two most believed "
            "candidates lie closest. 1 takes all, as the paper.",
            "minimum": 0.0,
            "maximum": 1.0,
        },
    )
    cam: str = field(
        default="contrast",
        metadata={
            "help": "contrast takes the mean map of the candidates away; the plain maps of "
            "entangled classes nearly coincide.",
            "choices": CAMS,
        },
    )
    fill: str = field(
        default="zero",
        metadata={
            "help": "What does not speak for a class fades to black (zero), as the paper, or to "
            "the image's mean colour.",
            "choices": FILLS,
        },
    )
    epsilon: float | None = field(
        default=None,
        metadata={
            "help": "What is left where nothing speaks for a class. Empty: 0.5 below 96 px, 0.3 "
            "from there on; the paper does not say.",
            "minimum": 0.0,
            "maximum": 1.0,
        },
    )
    warm_up_epochs: int = field(
        default=5,
        metadata={
            "help": "Epochs with the plain images and contrast by instance before the first "
            "maps; at least 2 % of a run. Not in the paper.",
            "minimum": 0,
        },
    )
    ramp_epochs: int = field(
        default=5,
        metadata={"help": "Epochs over which the maps take effect.", "minimum": 1},
    )
    refresh_epochs: int = field(
        default=5, metadata={"help": "Epochs between two computations of the maps.", "minimum": 1}
    )

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            SettingError: A value is out of range.
        """
        check_settings(self)
