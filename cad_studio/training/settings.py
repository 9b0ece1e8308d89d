"""Settings of the training loop; loads no torch, so that a form can be built from them."""

from dataclasses import dataclass, field

from cad_studio.core.errors import SettingError
from cad_studio.core.settings import check_settings

STARTS = ("uniform", "propagation")
PRECISIONS = ("auto", "float32", "bf16")
VIEWS = ("gentle", "paper")
COMPILES = ("auto", "off", "on")


@dataclass(frozen=True)
class TrainConfig:
    """How long, how fast and from where to learn, whatever the method."""

    epochs: int = field(
        default=40,
        metadata={"help": "Passes over the training samples.", "minimum": 1, "maximum": 100_000},
    )
    max_seconds: float = field(
        default=0.0,
        metadata={
            "help": "Time budget in seconds; the learning rate then falls with time rather than "
            "with epochs, and the run cannot be repeated exactly. 0 is no budget.",
            "minimum": 0.0,
        },
    )
    batch_size: int = field(
        default=64, metadata={"help": "Samples per step.", "minimum": 2, "maximum": 65_536}
    )
    learning_rate: float = field(
        default=0.05,
        metadata={"help": "First step size of SGD; it falls along a cosine.", "minimum": 1e-8},
    )
    momentum: float = field(
        default=0.9, metadata={"help": "Momentum of SGD.", "minimum": 0.0, "maximum": 0.9999}
    )
    weight_decay: float = field(
        default=1e-3, metadata={"help": "Pull of the weights towards zero.", "minimum": 0.0}
    )
    seed: int = field(
        default=0, metadata={"help": "Where chance comes from.", "minimum": 0, "maximum": 2**31 - 1}
    )
    start: str = field(
        default="propagation",
        metadata={
            "help": "First belief over the candidates: uniform, or spread by label propagation "
            "among neighbours.",
            "choices": STARTS,
        },
    )
    start_epochs: int = field(
        default=2,
        metadata={
            "help": "Epochs for which a propagated belief is held before the method changes it.",
            "minimum": 0,
        },
    )
    refresh_epochs: str = field(
        default="13%, 27%, 40%, 53%, 67%, 80%",
        metadata={
            "help": "Epochs before which the propagation is repeated in the run's own features, "
            "counted from 0, e.g. 6, 14, 24; or shares of the run, e.g. 25%, 50%. Empty, or with a "
            "uniform start: never."
        },
    )
    class_balance: float | None = field(
        default=None,
        metadata={
            "help": "How strongly propagation takes the classes to be of one size. Neighbours "
            "alone cannot tell a class from one that always comes with it. Empty: 0 where the "
            "candidates show that a class is rare, else 1. Give 1 or 0 where the sizes are known.",
            "minimum": 0.0,
            "maximum": 1.0,
        },
    )
    views: str = field(
        default="gentle",
        metadata={
            "help": "How images are varied for the classification: gentle shifts and mirrors "
            "them, which small networks and short runs learn most from; paper also cuts out and "
            "recolours, for hundreds of epochs.",
            "choices": VIEWS,
        },
    )
    hold_out: float = field(
        default=0.05,
        metadata={
            "help": "Share of the training samples kept aside to select the model by their "
            "candidates.",
            "minimum": 0.0,
            "maximum": 0.5,
        },
    )
    snapshots: int = field(
        default=20,
        metadata={
            "help": "How many times the belief over the candidates is kept for later.",
            "minimum": 1,
            "maximum": 1000,
        },
    )
    checkpoint_epochs: int = field(
        default=1, metadata={"help": "Epochs between two checkpoints.", "minimum": 1}
    )
    checkpoint_steps: int = field(
        default=0,
        metadata={"help": "Steps between checkpoints within an epoch; 0: none.", "minimum": 0},
    )
    device: str = field(
        default="auto", metadata={"help": "auto, cpu, cuda, or one such as cuda:1."}
    )
    precision: str = field(
        default="auto",
        metadata={
            "help": "auto takes bf16 where the device has it and it is clearly faster, which "
            "is tried once; otherwise float32.",
            "choices": PRECISIONS,
        },
    )
    threads: int = field(
        default=0,
        metadata={"help": "CPU threads; 0 leaves the choice to torch.", "minimum": 0},
    )
    loader_workers: int = field(
        default=2,
        metadata={
            "help": "Processes that decode images of a dataset too large for memory.",
            "minimum": 0,
            "maximum": 64,
        },
    )

    compile: str = field(
        default="auto",
        metadata={
            "help": "Compile the network, which takes about a minute: auto does so on a GPU when "
            "the run is long enough to win it back, and never on a CPU.",
            "choices": COMPILES,
            "advanced": True,
        },
    )
    tensorboard: bool = field(
        default=False,
        metadata={
            "help": "Also write the figures of every epoch for TensorBoard, into the folder "
            "tensorboard of the run; needs the package tensorboard.",
            "advanced": True,
        },
    )

    start_share: float = field(
        default=0.0,
        metadata={
            "help": "The same as a share of the run, for runs of any length; the longer counts.",
            "minimum": 0.0,
            "maximum": 1.0,
        },
    )

    def __post_init__(self) -> None:
        """Hold every field against its range."""
        check_settings(self)
        self.refreshes()

    def refreshes(self) -> list[int]:
        """The epochs of `refresh_epochs`, ascending; shares are of `epochs`.

        Raises:
            SettingError: They are neither whole numbers nor shares.
        """
        epochs = set()
        for word in self.refresh_epochs.replace(",", " ").split():
            number = word.removesuffix("%")
            if not number.isdecimal():
                raise SettingError(
                    f"refresh_epochs has {word!r}; expected whole numbers such as 6, 14, 24, or "
                    "shares of the run such as 25%, 50%."
                )
            if number == word:
                epochs.add(int(word))
            elif share := round(int(number) / 100 * self.epochs):
                # Before the first epoch a run has no features of its own.
                epochs.add(share)
        return sorted(epochs)

    def held_epochs(self) -> int:
        """Epochs for which a propagated belief is held: `start_epochs`, or the share if longer."""
        return max(self.start_epochs, round(self.start_share * self.epochs))
