"""What a partial-label method promises, and what it is given."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from cad_studio.algorithms._cad_paper import Departure
from cad_studio.algorithms._losses import restricted_softmax
from cad_studio.algorithms._set_model import SetModel
from cad_studio.core.registry import Registry
from cad_studio.models.network import Network


@dataclass(frozen=True)
class Batch:
    """One batch of B samples over C classes, all on the training device.

    Attributes:
        row: int64 (B,). Position in the training data, 0 to N - 1; no row twice.
        candidates: bool (B, C). At least one True per row.
        views: Name of a view to float32 (B, 3, H, W), normalised, or (B, D_in) for vectors.
        source: int64 (M,). Position in the batch, 0 to B - 1, of the image behind each class
            view; rising. None for methods without class views, as the next two.
        guide: int64 (M,). The candidate class each class view is aimed at.
        class_views: Name of a view to float32 (M, 3, H, W), normalised.
        truth: int64 (B,). For methods with `uses_truth` only, None for all others.
    """

    row: Tensor
    candidates: Tensor
    views: dict[str, Tensor]
    source: Tensor | None = None
    guide: Tensor | None = None
    class_views: dict[str, Tensor] | None = None
    truth: Tensor | None = None


@dataclass(frozen=True)
class StepResult:
    """What one step gives.

    Attributes:
        loss: float32 (). With gradient.
        parts: Name to float32 (), detached: the terms the loss is made of, unweighted.
    """

    loss: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)


Edits = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Stored edits: row int64 (M,), guide int64 (M,), on the CPU -> images uint8 (M, H, W, 1 or 3), and
bool (M,), where there is one, on the training device."""


@dataclass(frozen=True)
class Setup:
    """What every method is built from.

    Attributes:
        network: Learns; on the training device.
        n_samples: N, training samples.
        n_classes: C.
        candidates: bool (N, C), on the device. At least one True per row.
        start: float32 (N, C), on the device. First belief: zero outside the candidates, rows sum
            to 1.
        epochs: Passes planned.
        device: Where everything lives.
        generator: Chance, a CPU generator; its state belongs to the checkpoint of the trainer.
        batches: Gives all training images un-augmented and normalised, as (row int64 (B,),
            images float32 (B, 3, H, W)). Methods with class views need it.
        edits: Stored edits, for methods that can use them.
        edits_cover_all: Whether there is one for every class view worth making.
        start_epochs: Epochs for which the first belief, or one given to `adopt`, is held as it is
            before the method's own updates begin. 0 is each paper's way.
        set_model: Strength of the set model in the method's own updates; 0 does without.
        confidence_momentum: What stays of a sample's belief at each of the method's updates, 0
            to 1; 0 is each paper's way.
    """

    network: Network
    n_samples: int
    n_classes: int
    candidates: Tensor
    start: Tensor
    epochs: int
    device: torch.device
    generator: torch.Generator
    batches: Callable[[], Iterator[tuple[Tensor, Tensor]]] | None = None
    edits: Edits | None = None
    edits_cover_all: bool = True
    start_epochs: int = 0
    set_model: float = 0.0
    confidence_momentum: float = 0.0


class Algorithm(nn.Module, ABC):
    """A method that learns from candidates.

    All state that must survive a restart is a buffer or a module, so `state_dict()` is the
    checkpoint. A step is: `step(batch)`, backward, the optimiser over `trainable_parameters()`,
    `after_step()`. A slow copy of the network never has a gradient and stays in evaluation mode.
    After `load_state_dict` a run goes on in the middle of an epoch: `begin_epoch` is not called
    again for the epoch that was interrupted.

    Attributes:
        title: For the user.
        paper: Authors, title, venue, year, link.
        config_type: Frozen settings dataclass; its fields carry help, minimum, maximum, choices.
        view_names: Views of the batch that `step` reads, of `cls`, `weak`, `strong`.
        class_view_names: Views of the class views that `step` reads; empty for most methods. Read
            it from the instance: settings may empty it.
        needs_images: Whether feature vectors alone will not do.
        uses_truth: Whether `step` reads the true labels.
        departures: Where paper, its authors' code and this project differ, for the user.
        belief: float32 (N, C). Rows sum to 1, zero outside the candidates.
        sets: The set model, kept equal to the counts of the belief; None where it is not used.
        sureness: float32 (), on the device. Mean over the newest batch of the highest probability
            among the candidates, before set model and averaging; None before the first.
        epoch: The epoch under way, from 0.
    """

    title: str
    paper: str
    config_type: type[Any]  # any frozen settings dataclass
    view_names: tuple[str, ...] = ("cls",)
    class_view_names: tuple[str, ...] = ()
    needs_images: bool = False
    uses_truth: bool = False
    departures: tuple[Departure, ...] = ()

    network: Network
    candidates: Tensor
    belief: Tensor
    clock: Tensor

    def __init__(self, setup: Setup, config: Any) -> None:
        """Take the network and the first belief.

        Args:
            setup: What is learned from.
            config: An instance of `config_type`.
        """
        super().__init__()
        self.network = setup.network
        self.config = config
        self.n_samples, self.n_classes = setup.n_samples, setup.n_classes
        self.epochs, self.device, self.generator = setup.epochs, setup.device, setup.generator
        self.start_epochs = setup.start_epochs
        self.epoch, self.held_until = 0, setup.start_epochs
        # The candidates are data, not state: they are left out of the checkpoint.
        self.register_buffer("candidates", setup.candidates, persistent=False)
        self.register_buffer("belief", setup.start.clone())
        self.register_buffer("clock", torch.tensor([self.epoch, self.held_until]))
        self.register_load_state_dict_post_hook(_read_clock)  # type: ignore[no-untyped-call]
        self.confidence_momentum = setup.confidence_momentum
        self.set_strength = setup.set_model
        self.sets = SetModel(self.belief, self.candidates) if self.set_strength else None
        self.sureness: Tensor | None = None
        self._on_host: tuple[Tensor, Tensor] | None = None

    @abstractmethod
    def step(self, batch: Batch) -> StepResult:
        """The loss of a batch; updates what the method remembers, but no weight."""

    def forget_host(self) -> None:
        """The belief has changed: what `on_host` gave is read anew."""
        self._on_host = None

    @classmethod
    def reads_images(cls, config: Any) -> bool:
        """Whether feature vectors alone will not do, with these settings of the method."""
        return cls.needs_images

    def begin_epoch(self, epoch: int) -> None:
        """Called before the first step of an epoch, counted from 0."""
        self.epoch = epoch
        self._read_to_host()
        self._write_clock()
        if self.sets is not None:
            # Several processes each moved theirs by their own samples.
            self.sets.recount(self.belief, self.candidates)

    def end_epoch(self) -> None:
        """Called after the last step of an epoch."""
        return

    def after_step(self) -> None:
        """Called after the optimiser's step: slow copies move here."""
        return

    def choose_class_views(self, row: Tensor) -> tuple[Tensor, Tensor]:
        """Which class views of a batch to make: by default one per candidate.

        Chosen on the CPU, so that no step waits for a GPU to tell how many there are.

        Args:
            row: int64 (B,), on the CPU.

        Returns:
            source int64 (M,), rising, and guide int64 (M,), as in `Batch`, but on the CPU.
        """
        _, candidates = self.on_host()
        source, guide = candidates[row].nonzero(as_tuple=True)
        return source, guide

    def on_host(self) -> tuple[Tensor, Tensor]:
        """Belief float32 (N, C) and candidates bool (N, C) on the CPU.

        The belief is that of the beginning of the epoch, or of a later moment for samples whose
        turn is over: a sample's belief moves in its own step alone, which comes once an epoch.
        """
        if self._on_host is None:
            self._on_host = (self.belief.cpu(), self.candidates.cpu())
        return self._on_host

    def edit(self, images: Tensor, row: Tensor, source: Tensor, guide: Tensor) -> Tensor:
        """The images behind the class views, before the random transforms.

        Only for methods with class views.

        Args:
            images: float32 (B, 3, H, W), 0 to 1, un-augmented; on the training device.
            row: int64 (B,), on the CPU, as the next two.
            source: int64 (M,).
            guide: int64 (M,).

        Returns:
            float32 (M, 3, H, W), 0 to 1, on the training device.
        """
        raise NotImplementedError(f"{type(self).__name__} has no class views")

    def adopt(self, belief: Tensor) -> None:
        """Take a belief from outside, e.g. a refreshed propagation, and hold it for a while.

        Called between epochs, after `begin_epoch`.

        Args:
            belief: float32 (N, C). Zero outside the candidates, rows sum to 1.
        """
        self.belief.copy_(belief)
        self._read_to_host()
        if self.sets is not None:
            self.sets.recount(self.belief, self.candidates)
        self.held_until = self.epoch + self.start_epochs
        self._write_clock()

    @property
    def is_held(self) -> bool:
        """Whether the first belief, or one from outside, is still to be left as it is."""
        return self.epoch < self.held_until

    @torch.no_grad()
    def evidence(self, candidates: Tensor) -> Tensor:
        """What the sets alone say of the classes, to be added to logits.

        Args:
            candidates: bool (B, C).

        Returns:
            float32 (B, C): the set model's log-likelihood times its strength; 0 without one.
        """
        if self.sets is None:
            return torch.zeros_like(candidates, dtype=torch.float32)
        return self.set_strength * self.sets.log_likelihood(candidates)

    @torch.no_grad()
    def remember(self, row: Tensor, belief: Tensor, is_final: bool = False) -> None:
        """Move the belief of some samples, unless the first or one from outside is still held.

        The set model sharpens what is given, and the old belief is averaged in, as far as the
        run asks for them.

        Args:
            row: int64 (B,).
            belief: float32 (B, C). What the method finds now. Zero outside the candidates, rows
                sum to 1.
            is_final: Whether it holds old belief and evidence already, and is taken as it is.
        """
        belief = belief.detach().float()
        self.sureness = belief.amax(dim=1).mean()
        if self.is_held:
            return
        candidates, before = self.candidates[row], self.belief[row]
        if self.sets is not None and not is_final:
            belief = restricted_softmax(belief.log() + self.evidence(candidates), candidates)
        if self.confidence_momentum and not is_final:
            belief = belief.lerp(before, self.confidence_momentum)
        if self.sets is not None:
            self.sets.move(belief - before, candidates)
        self.belief[row] = belief

    def confidence(self) -> Tensor | None:
        """Current belief, float32 (N, C); None for methods that keep none."""
        return self.belief

    @property
    def inference_network(self) -> Network:
        """The network to evaluate and to keep."""
        return self.network

    def trainable_parameters(self) -> list[nn.Parameter]:
        """What the optimiser moves."""
        return [weight for weight in self.parameters() if weight.requires_grad]

    def _read_to_host(self) -> None:
        """Between steps, so that none has to wait for it."""
        self._on_host = None
        if self.class_view_names:
            self.on_host()

    def _write_clock(self) -> None:
        self.clock.copy_(torch.tensor([self.epoch, self.held_until]))


ALGORITHMS: Registry[type[Algorithm]] = Registry("cad_studio.algorithms", "method")


def make_algorithm(name: str, setup: Setup, config: Any = None) -> Algorithm:
    """Build a method on its device.

    Args:
        name: Registered name.
        setup: What is learned from.
        config: Its settings, an instance of its `config_type`; its defaults when None.

    Raises:
        SettingError: There is no such method.
    """
    member = ALGORITHMS.get(name)
    return member(setup, member.config_type() if config is None else config).to(setup.device)


def _read_clock(algorithm: nn.Module, _: object) -> None:
    assert isinstance(algorithm, Algorithm)
    # Kept as numbers too, so that a step does not wait for the device to tell them.
    algorithm.epoch, algorithm.held_until = algorithm.clock.tolist()
    algorithm.forget_host()
