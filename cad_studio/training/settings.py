"""Settings of the training loop; loads no torch, so that a form can be built from them."""

from dataclasses import dataclass, field

from cad_studio.core.errors import SettingError
from cad_studio.core.settings import check_settings

STARTS = ("uniform", "propagation", "consensus", "crowdlab")
PRECISIONS = ("auto", "float32", "bf16")
VIEWS = ("gentle", "paper")
OPTIMISERS = ("sgd", "adamw")
COMPILES = ("auto", "off", "on")
MOST_REFRESHES = 2


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
        default=64,
        metadata={
            "help": "Samples per step. Heads on the features of 5,000 samples or more take 256 "
            "where it is not set.",
            "minimum": 2,
            "maximum": 65_536,
        },
    )
    optimiser: str = field(
        default="sgd",
        metadata={
            "help": "sgd with momentum for networks that read images, adamw for heads on features.",
            "choices": OPTIMISERS,
        },
    )
    learning_rate: float = field(
        default=0.05,
        metadata={"help": "First step size; it falls along a cosine.", "minimum": 1e-8},
    )
    momentum: float = field(
        default=0.9, metadata={"help": "Momentum of SGD.", "minimum": 0.0, "maximum": 0.9999}
    )
    weight_decay: float = field(
        default=1e-3, metadata={"help": "Pull of the weights towards zero.", "minimum": 0.0}
    )
    seed: int = field(
        default=0, metadata={"help": "Random seed.", "minimum": 0, "maximum": 2**31 - 1}
    )
    start: str = field(
        default="propagation",
        metadata={
            "help": "First confidence over the candidates: uniform; spread by label propagation "
            "among neighbours; or the consensus of the annotators' votes, uniform where nobody "
            "voted: from the votes alone (consensus: Dawid-Skene), or from votes and a classifier "
            "over the run's features (crowdlab).",
            "choices": STARTS,
        },
    )
    uniform_epochs: str = field(
        default="10%",
        metadata={
            "help": "How long a uniform start is held before the method may prefer one candidate: "
            "a share of the run, at least one epoch, or a number of epochs. A network that "
            "follows itself from the first step confirms whatever it happens to say.",
        },
    )
    start_epochs: str = field(
        default="10%",
        metadata={
            "help": "How long a start that is not uniform, or a refresh, is held before the method "
            "changes it: a share of the run or a number of epochs, at most a tenth of the run."
        },
    )
    head_epochs: str = field(
        default="0",
        metadata={
            "help": "Of a network with weights from elsewhere: how long only its new heads learn, "
            "so that they do not pull good features apart while they know nothing; a share of the "
            "run, such as 20%, or a number of epochs. 0: all learn from the first step.",
        },
    )
    refresh_epochs: str = field(
        default="25%, 50%",
        metadata={
            "help": "Epochs before which the propagation is repeated in the run's own features, "
            "from its own confidence, counted from 0, e.g. 6, 14; or shares of the run, e.g. 25%, "
            "50%. At most two, none in the second half. Empty, or with another start: never."
        },
    )
    set_model: float = field(
        default=1.0,
        metadata={
            "help": "Strength of what the candidate sets alone say of the classes: which classes "
            "come along with which is learned from the sets and the confidence while it trains. "
            "It tells look-alikes apart by what is missing from sets. 0 is each paper's way.",
            "minimum": 0.0,
            "maximum": 10.0,
        },
    )
    confidence_momentum: float = field(
        default=0.9,
        metadata={
            "help": "What stays of a sample's confidence at each visit, so that one epoch cannot "
            "decide. 0 is each paper's way.",
            "minimum": 0.0,
            "maximum": 0.999,
        },
    )
    judged_average: float = field(
        default=0.99,
        metadata={
            "help": "The network that is judged and kept is an average of the weights over the "
            "steps, with this momentum; it teaches nobody. 0 judges the network itself.",
            "minimum": 0.0,
            "maximum": 0.9999,
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
            "help": "How many times the confidence over the candidates is kept for later.",
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

    def __post_init__(self) -> None:
        """Hold every field against its range.

        Raises:
            SettingError: A field is out of range, or does not fit the length of the run.
        """
        check_settings(self)
        self.held_epochs()
        self.epochs_of_heads()
        late = [epoch for epoch in self.refreshes() if 2 * epoch > self.epochs]
        if late or len(self.refreshes()) > MOST_REFRESHES:
            raise SettingError(
                f"refresh_epochs is {self.refresh_epochs!r}; at most {MOST_REFRESHES} refreshes, "
                f"none after half of the {self.epochs} epochs, or the method itself is hardly in "
                "force."
            )

    def refreshes(self) -> list[int]:
        """The epochs of `refresh_epochs`, ascending; shares are of `epochs`.

        Raises:
            SettingError: They are neither whole numbers nor shares.
        """
        words = self.refresh_epochs.replace(",", " ").split()
        counted = [(word, self._count("refresh_epochs", word)) for word in words]
        # Before it was in force a method has no confidence of its own to start from.
        first = self.held_epochs() + 1
        return sorted({epoch for word, epoch in counted if epoch >= first or word.isdecimal()})

    def held_epochs(self) -> int:
        """Epochs for which the first confidence, and a refreshed one, is held.

        Raises:
            SettingError: It is neither epochs nor a share, or is longer than allowed.
        """
        is_uniform = self.start == "uniform"
        name = "uniform_epochs" if is_uniform else "start_epochs"
        word = getattr(self, name).strip()
        held = self._count(name, word)
        if not word.isdecimal() and self._share(name, word):
            held = max(held, 1)
            if is_uniform or held == 1:
                # A share never takes a whole run, however short.
                held = min(held, self.epochs - 1)
        most = self.epochs if is_uniform else max(1, self.epochs // 10)
        if held > most:
            limit = "the run has" if is_uniform else "a tenth of the run is"
            raise SettingError(
                f"{name} is {word!r}, {held} epochs; {limit} {most}. Give fewer, or a share such "
                "as 10%."
            )
        return held

    def epochs_of_heads(self) -> int:
        """Epochs at first in which only the heads learn.

        Raises:
            SettingError: It is neither epochs nor a share, or is longer than the run.
        """
        word = self.head_epochs.strip()
        found = self._count("head_epochs", word)
        if not word.isdecimal() and self._share("head_epochs", word):
            found = max(found, 1)
        if found > self.epochs:
            raise SettingError(
                f"head_epochs is {word!r}, {found} epochs; the run has {self.epochs}. Give fewer, "
                "or a share such as 20%."
            )
        return found

    def check_heads(self, backbone: str, has_learned: bool) -> None:
        """Refuse to train the heads alone on a network whose weights are drawn.

        Args:
            backbone: Its spec.
            has_learned: Whether its first weights were learned elsewhere.

        Raises:
            SettingError: That is asked for.
        """
        if self.epochs_of_heads() and not has_learned:
            raise SettingError(
                f"head_epochs is {self.head_epochs!r}, but the weights of {backbone} are drawn: "
                "heads alone would learn on noise. Set it to 0, or choose a network with weights "
                "from elsewhere, such as torchvision:resnet18:pretrained."
            )

    def epochs_in_force(self) -> int:
        """Epochs in which the method's own confidence is in force rather than a held one."""
        held = self.held_epochs()
        begins = [0, *(self.refreshes() if self.start == "propagation" else [])]
        taken = {epoch for begin in begins for epoch in range(begin, begin + held)}
        return self.epochs - len(taken & set(range(self.epochs)))

    def _count(self, name: str, word: str) -> int:
        """Epochs: a whole number, or a share of the run, rounded down."""
        if word.isdecimal():
            return int(word)
        # A share such as 0.3 of 10 comes out a little below 3.
        return int(self._share(name, word) * self.epochs + 1e-9)

    def _share(self, name: str, word: str) -> float:
        """A share of the run, 0 to 1, written `25%` or `0.25`."""
        number, factor = (word[:-1], 0.01) if word.endswith("%") else (word, 1.0)
        try:
            share = float(number) * factor
        except ValueError:
            share = -1.0
        if not 0.0 <= share <= 1.0:
            raise SettingError(
                f"{name} has {word!r}; expected whole numbers of epochs such as 6, 14, or shares "
                "of the run from 0% to 100%, such as 25%."
            )
        return share
