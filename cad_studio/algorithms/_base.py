"""What a partial-label method promises, and what it is given."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

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
"""Stored edits: row int64 (M,), guide int64 (M,) -> images uint8 (M, H, W, 1 or 3), and bool
(M,), where there is one."""


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
        start_epochs: Epochs for which a belief from outside (the start, or one given to `adopt`)
            is held as it is before the method's own updates begin. 0 is each paper's way and
            right for a uniform start.
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
        belief: float32 (N, C). Rows sum to 1, zero outside the candidates.
        epoch: The epoch under way, from 0.
    """

    title: str
    paper: str
    config_type: type[Any]  # any frozen settings dataclass
    view_names: tuple[str, ...] = ("cls",)
    class_view_names: tuple[str, ...] = ()
    needs_images: bool = False
    uses_truth: bool = False

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
        self.register_load_state_dict_post_hook(_read_clock)

    @abstractmethod
    def step(self, batch: Batch) -> StepResult:
        """The loss of a batch; updates what the method remembers, but no weight."""

    def begin_epoch(self, epoch: int) -> None:
        """Called before the first step of an epoch, counted from 0."""
        self.epoch = epoch
        self._write_clock()

    def end_epoch(self) -> None:
        """Called after the last step of an epoch."""
        return

    def after_step(self) -> None:
        """Called after the optimiser's step: slow copies move here."""
        return

    def choose_class_views(self, row: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
        """Which class views of a batch to make: by default one per candidate.

        Args:
            row: int64 (B,).
            candidates: bool (B, C).

        Returns:
            source int64 (M,), rising, and guide int64 (M,), as in `Batch`.
        """
        source, guide = candidates.nonzero(as_tuple=True)
        return source, guide

    def edit(self, images: Tensor, row: Tensor, source: Tensor, guide: Tensor) -> Tensor:
        """The images behind the class views, before the random transforms.

        Only for methods with class views.

        Args:
            images: float32 (B, 3, H, W), 0 to 1, un-augmented.
            row: int64 (B,).
            source: int64 (M,).
            guide: int64 (M,).

        Returns:
            float32 (M, 3, H, W), 0 to 1.
        """
        raise NotImplementedError(f"{type(self).__name__} has no class views")

    def adopt(self, belief: Tensor) -> None:
        """Take a belief from outside, e.g. a refreshed propagation, and hold it for a while.

        Called between epochs, after `begin_epoch`.

        Args:
            belief: float32 (N, C). Zero outside the candidates, rows sum to 1.
        """
        self.belief.copy_(belief)
        self.held_until = self.epoch + self.start_epochs
        self._write_clock()

    @property
    def is_held(self) -> bool:
        """Whether the belief from outside is still to be left as it is."""
        return self.epoch < self.held_until

    @torch.no_grad()
    def remember(self, row: Tensor, belief: Tensor) -> None:
        """Replace the belief of some samples, unless one from outside is still held.

        Args:
            row: int64 (B,).
            belief: float32 (B, C). Zero outside the candidates, rows sum to 1.
        """
        if not self.is_held:
            self.belief[row] = belief.detach()

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
