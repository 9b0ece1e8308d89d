"""All that changes while a run is under way, and how it goes into a checkpoint and comes back."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cad_studio.algorithms._base import Algorithm, StepResult
from cad_studio.models.ema import update_ema
from cad_studio.models.network import Network
from cad_studio.training.checkpoint import Checkpoint
from cad_studio.training.data import TrainingData
from cad_studio.training.inputs import Inputs
from cad_studio.training.model_file import ModelCard
from cad_studio.training.plan import Plan
from cad_studio.training.processes import ALONE, Processes
from cad_studio.training.report import EpochReport
from cad_studio.training.schedule import first_choosable_epoch
from cad_studio.training.settings import TrainConfig
from cad_studio.training.views import Views

OWN = "process."
"""Names what only one process of several knows, in a checkpoint."""

_OPTIMISER = "optimiser."
"""Names what the optimiser remembers of a weight: its place among the trained ones, and a name."""

_SURENESS = "sureness"
"""Name of the sum over `Algorithm.sureness` among those of the losses."""

EARLY_STEPS = 100
"""Steps after which no network can know yet which candidate is true."""


@dataclass
class Session:
    """A run under way.

    Attributes:
        algorithm: What is trained.
        optimiser: Moves it.
        inputs: Gives images or vectors by dataset row.
        views: Makes views; None for vectors.
        device: Where everything is.
        precision: `float32` or `bf16`.
        fit_rows: int64 (N,). Dataset rows learned from; a position among them is a method's row.
        held_rows: int64 (H,). Dataset rows held out.
        truth: int64 (N,) on the device, only for methods that use it.
        view_chance: Chance of the views.
        config: The loop.
        average: The network that is judged and kept, an average over the steps; None where that
            is the method's own.
        normalisation: Mean and deviation of the images; empty for vectors.
        fingerprint: Of the candidates and rows learned from.
        epoch: Under way, from 0.
        step: Steps of it that are done.
        is_epoch_trained: Whether all of them are, and only its figures are missing.
        is_out_of_time: Whether the time budget is spent.
        seconds: Since the run began, all sessions together.
        n_steps: Steps since the run began.
        epochs_in_force: Finished epochs in which the method's own belief was in force.
        early_sureness: Mean confidence after `EARLY_STEPS` steps; None before.
        last: Report of the newest finished epoch.
        best: Report of the epoch the model was taken from.
        processes: Those that train it.
    """

    algorithm: Algorithm
    optimiser: torch.optim.Optimizer
    inputs: Inputs
    views: Views | None
    device: torch.device
    precision: str
    fit_rows: NDArray[np.int64]
    held_rows: NDArray[np.int64]
    truth: Tensor | None
    view_chance: torch.Generator
    config: TrainConfig
    average: Network | None
    normalisation: tuple[list[float], list[float]]
    fingerprint: int
    epoch: int = 0
    step: int = 0
    is_epoch_trained: bool = False
    is_out_of_time: bool = False
    seconds: float = 0.0
    n_steps: int = 0
    epochs_in_force: int = 0
    early_sureness: float | None = None
    last: EpochReport | None = None
    best: EpochReport | None = None
    resumed: tuple[int, int] | None = None
    damaged: list[str] = field(default_factory=list)
    processes: Processes = ALONE
    _sums: dict[str, Tensor] = field(default_factory=dict)
    _timed: tuple[int, float] = (0, 0.0)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to train."""
        return self.epoch >= self.config.epochs or (
            self.is_out_of_time and not self.is_epoch_trained
        )

    @property
    def judged_network(self) -> Network:
        """The network to evaluate and to keep."""
        return self.algorithm.inference_network if self.average is None else self.average

    @property
    def chances(self) -> dict[str, torch.Generator]:
        """The generators a checkpoint keeps beside torch's own."""
        return {"views": self.view_chance, "method": self.algorithm.generator}

    @property
    def samples_per_second(self) -> float:
        """Over the steps of this epoch, in this session; 0 before the first."""
        samples, seconds = self._timed
        return samples / seconds if seconds > 0 else 0.0

    def set_learning_rate(self, learning_rate: float) -> None:
        """Take the step size for the next step."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate

    def count_step(self, result: StepResult, n_samples: int, seconds: float) -> None:
        """Add a finished step to the means; nothing waits for the device here."""
        self.step += 1
        for name, value in {"loss": result.loss, **result.parts}.items():
            value = value.detach().float()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._timed = (self._timed[0] + n_samples, self._timed[1] + seconds)
        sureness = self.algorithm.sureness
        if sureness is not None:
            self._sums[_SURENESS] = self._sums.get(_SURENESS, 0.0) + sureness
        if self.average is not None:
            # Faster at first, or a short run would be judged by the weights it began with.
            momentum = min(self.config.judged_average, (1 + self.n_steps) / (10 + self.n_steps))
            update_ema(self.average, self.algorithm.inference_network, momentum)
        self.n_steps += 1
        if sureness is not None and self.n_steps == EARLY_STEPS:
            self.early_sureness = float(sureness)

    def mean_losses(self) -> dict[str, float]:
        """The loss and its parts, each the mean over the steps of this epoch."""
        return {
            name: float(total) / max(self.step, 1)
            for name, total in self._sums.items()
            if name != _SURENESS
        }

    def mean_confidence(self) -> float | None:
        """`Algorithm.sureness`, its mean over the steps of this epoch; None where there is none."""
        total = self._sums.get(_SURENESS)
        return None if total is None else float(total) / max(self.step, 1)

    def is_best(self, report: EpochReport) -> bool:
        """Whether a report's model is to be kept.

        It is the newest one, and in the last fifth of the run the one that explains the sets held
        out best.
        """
        first = first_choosable_epoch(self.config.epochs)
        if self.best is None or report.epoch < first or self.best.epoch < first:
            return True
        new, best = (each.held_out["set_likelihood"] for each in (report, self.best))
        if new is None or best is None:
            return True
        return new >= best

    def next_epoch(self, report: EpochReport) -> None:
        """Close the epoch under way."""
        if self.is_best(report):
            self.best = report
        self.last = report
        self.epochs_in_force = report.epochs_in_force
        self.epoch += 1
        self.step, self.is_epoch_trained = 0, False
        self._sums, self._timed = {}, (0, 0.0)

    def card(self, plan: Plan, data: TrainingData) -> ModelCard:
        """How to build and feed the network again."""
        mean, std = self.normalisation
        vectors = data.features
        return ModelCard(
            backbone=plan.backbone,
            n_classes=data.n_classes,
            projection_width=plan.projection_width,
            class_names=list(data.class_names),
            image_px=None if self.views is None else self.views.image_px,
            n_inputs=vectors.shape[1] if self.views is None and vectors is not None else None,
            kind=None if self.views is None else self.views.kind,
            mean=mean,
            std=std,
            epoch=self.epoch,
            blueprint=self.algorithm.network.backbone.blueprint,
        )

    def dump(self, plan: Plan) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and plain values for a checkpoint."""
        tensors = {f"method.{key}": value for key, value in self.algorithm.state_dict().items()}
        for place, weight in enumerate(self.algorithm.trainable_parameters()):
            for name, value in self.optimiser.state.get(weight, {}).items():
                if value is not None:
                    tensors[f"{_OPTIMISER}{place}.{name}"] = value
        tensors.update({f"sums.{name}": value for name, value in self._sums.items()})
        if self.average is not None:
            average = self.average.state_dict()
            tensors.update({f"average.{name}": value for name, value in average.items()})
        for name, chance in self.chances.items():
            tensors[f"chance.{name}"] = chance.get_state()
        tensors["chance.torch"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["chance.cuda"] = torch.cuda.get_rng_state(self.device)
        if self.device.type == "mps":
            tensors["chance.mps"] = torch.mps.get_rng_state()
        state = {
            "plan": plan.identity(),
            "blueprint": self.algorithm.network.backbone.blueprint,
            "fingerprint": self.fingerprint,
            "precision": self.precision,
            "processes": self.processes.count,
            "epoch": self.epoch,
            "step": self.step,
            "is_epoch_trained": self.is_epoch_trained,
            "is_out_of_time": self.is_out_of_time,
            "seconds": self.seconds,
            "n_steps": self.n_steps,
            "epochs_in_force": self.epochs_in_force,
            "early_sureness": self.early_sureness,
            "last": None if self.last is None else self.last.plain(),
            "best": None if self.best is None else self.best.plain(),
        }
        return tensors, state

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take up a run where a checkpoint left it.

        Written by as many processes as there are now, it gives each what was its own; by more or
        fewer, all go on with what was the main one's.
        """
        tensors, state = dict(checkpoint.tensors), checkpoint.state
        if state["processes"] == self.processes.count:
            tensors.update(_below(f"{OWN}{self.processes.rank}.", tensors))
        self.algorithm.load_state_dict(_below("method.", tensors))
        for place, weight in enumerate(self.algorithm.trainable_parameters()):
            for name, value in _below(f"{_OPTIMISER}{place}.", tensors).items():
                # Laid out in memory as the weight: the fused step goes through both in one run.
                kept = weight if value.shape == weight.shape else value
                kept = torch.empty_like(kept, device=weight.device, requires_grad=False)
                self.optimiser.state[weight][name] = kept.copy_(value)
        self._sums = {
            name: value.to(self.device) for name, value in _below("sums.", tensors).items()
        }
        if self.average is not None:
            self.average.load_state_dict(_below("average.", tensors))
        for name, chance in self.chances.items():
            chance.set_state(tensors[f"chance.{name}"])
        torch.set_rng_state(tensors["chance.torch"])
        if self.device.type == "cuda" and "chance.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["chance.cuda"], self.device)
        if self.device.type == "mps" and "chance.mps" in tensors:
            torch.mps.set_rng_state(tensors["chance.mps"])
        self.epoch, self.step = state["epoch"], state["step"]
        self.is_epoch_trained = state["is_epoch_trained"]
        self.is_out_of_time = state["is_out_of_time"]
        self.seconds, self.n_steps = state["seconds"], state["n_steps"]
        self.epochs_in_force = state["epochs_in_force"]
        self.early_sureness = state["early_sureness"]
        self.last, self.best = _report(state["last"]), _report(state["best"])
        self.resumed, self.damaged = (self.epoch, self.step), checkpoint.damaged


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _report(values: dict[str, Any] | None) -> EpochReport | None:
    return None if values is None else EpochReport.from_plain(values)
