"""Settings of the training of a denoiser; loads no torch, so that a form can be built from them."""

from dataclasses import dataclass, field

from cad_studio.core.settings import check_settings


@dataclass(frozen=True)
class DenoiserConfig:
    """How long and how large a class-conditional denoiser is trained."""

    epochs: int = field(
        default=20,
        metadata={"help": "Passes over the training samples.", "minimum": 1, "maximum": 100_000},
    )
    batch_size: int = field(
        default=128, metadata={"help": "Samples per step.", "minimum": 2, "maximum": 65_536}
    )
    learning_rate: float = field(
        default=2e-3,
        metadata={"help": "First step size of AdamW; it falls along a cosine.", "minimum": 1e-8},
    )
    width: int = field(
        default=64,
        metadata={
            "help": "Channels of the finest level; a multiple of 8.",
            "minimum": 8,
            "maximum": 1024,
        },
    )
    image_px: int = field(
        default=64,
        metadata={
            "help": "Side that larger images are edited at; the change is enlarged and added.",
            "minimum": 8,
            "maximum": 512,
        },
    )
    without_class: float = field(
        default=0.12,
        metadata={
            "help": "Share of the samples shown without a class, which guidance needs.",
            "minimum": 0.0,
            "maximum": 0.9,
        },
    )
    momentum: float = field(
        default=0.995,
        metadata={
            "help": "Momentum of the average of the weights that edits are made with.",
            "minimum": 0.0,
            "maximum": 0.99999,
        },
    )
    seed: int = field(
        default=0, metadata={"help": "Where chance comes from.", "minimum": 0, "maximum": 2**31 - 1}
    )
    device: str = field(
        default="auto", metadata={"help": "auto, cpu, cuda, or one such as cuda:1."}
    )
    threads: int = field(
        default=0, metadata={"help": "CPU threads; 0 leaves the choice to torch.", "minimum": 0}
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_settings(self)
