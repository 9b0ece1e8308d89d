"""Train a denoiser on a dataset's own images, told classes by belief over the candidates only."""

import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cad_studio.core.errors import JobCancelled, SettingError
from cad_studio.core.progress import Progress
from cad_studio.models.denoiser import N_TIMES, Denoiser, DenoiserCard, denoise, make_denoiser
from cad_studio.models.device import choose_device
from cad_studio.training.checkpoint import Checkpoints
from cad_studio.training.data import TrainingData
from cad_studio.training.denoiser_settings import EDITOR_FILE, DenoiserConfig
from cad_studio.training.inputs import Inputs, open_inputs
from cad_studio.training.schedule import learning_rate_at
from cad_studio.training.torch_state import torch_state

SAMPLES_FOLDER = "samples"
_SAMPLES_PER_CLASS = 8
_MOST_SAMPLED_CLASSES = 20
_SAMPLING_STEPS, _SAMPLING_GUIDANCE = 20, 3.0
_CHANCE = 6
_ORDER_STREAM = 7
_AT_ONCE, _MOST_LOOKED_AT = 256, 8192
_BYTES_AT_ONCE = 64 << 20


@dataclass(frozen=True)
class DenoisingReport:
    """The figures of one epoch.

    Attributes:
        epoch: From 0.
        loss: Mean squared error of the velocity over its steps.
        learning_rate: Step size of its last step.
    """

    epoch: int
    loss: float
    learning_rate: float


class DenoiserTrainer:
    """One denoiser in one folder: starts it, or goes on with what the folder holds.

    The class a sample is shown under is drawn anew each time, from the belief over its
    candidates. True labels are never looked at.
    """

    def __init__(
        self,
        data: TrainingData,
        belief: NDArray[np.float32],
        config: DenoiserConfig,
        folder: Path,
        source: str = "",
    ) -> None:
        """Prepare; nothing is read or written before `fit`.

        Args:
            data: Images, and the rows to learn from.
            belief: float32 (N, C), for `data.train_rows`: zero outside the candidates, rows sum
                to 1.
            config: How long, and how large.
            folder: Its checkpoints, sample grids and weights; made when needed.
            source: What it is trained on, in words, kept with the weights.

        Raises:
            SettingError: There are no images, or the belief is not one over the candidates.
        """
        if data.pixels is None:
            raise SettingError(
                "An in-domain editor learns from images; the dataset has feature vectors only."
            )
        candidates = data.candidates.dense(data.train_rows)
        if belief.shape != candidates.shape or (belief[~candidates] != 0).any():
            raise SettingError("The belief is not one over the candidates of the training samples.")
        self._data = data
        sharper = belief.astype(np.float64) ** config.sharpness * candidates
        self._belief = (sharper / sharper.sum(axis=1, keepdims=True)).astype(np.float32)
        self._config = config
        self._folder = folder
        self._source = source
        self._checkpoints = Checkpoints(folder / "checkpoints")

    def fit(
        self,
        progress: Progress,
        on_epoch: Callable[[DenoisingReport], None] = lambda report: None,
    ) -> Path:
        """Train to the end.

        Args:
            progress: Asked before every step whether to stop.
            on_epoch: Given the report of every finished epoch.

        Returns:
            File of the weights.

        Raises:
            JobCancelled: The user asked to stop; a checkpoint of this very step was saved.
            SettingError: The loss diverged, or the checkpoint is of another plan.
            StorageError: The disk is full, or no checkpoint can be read.
        """
        with torch_state(self._config.threads, self._config.seed):
            session = self._open(progress)
            while session.epoch < self._config.epochs:
                try:
                    self._train_epoch(session, progress)
                except JobCancelled:
                    self._save(session)
                    raise
                report = self._finish_epoch(session)
                on_epoch(report)
                session.epoch, session.step, session.loss = session.epoch + 1, 0, 0.0
                self._save(session)
        return self._folder / EDITOR_FILE

    def _open(self, progress: Progress) -> "_Session":
        config, data = self._config, self._data
        device = choose_device(config.device)
        side = data.side_px if data.side_px < config.image_px else config.image_px
        card = DenoiserCard(
            class_names=list(data.class_names),
            side_px=side,
            channels=data.channels,
            widths=config.widths(len(data.train_rows), data.channels * side**2),
            source=self._source,
            network=config.network,
        )
        smaller = TrainingData(
            candidates=data.candidates,
            train_rows=data.train_rows,
            test_rows=data.test_rows,
            pixels=data.pixels,
            image_px=side,
            class_names=data.class_names,
        )
        inputs = open_inputs(smaller, device, 0, progress)
        denoiser = make_denoiser(card).to(device, memory_format=torch.channels_last)
        checkpoint = self._checkpoints.load()
        if checkpoint is None:
            order = np.random.default_rng((config.seed, _ORDER_STREAM)).permutation(data.train_rows)
            looked_at = order[:_MOST_LOOKED_AT]
            at_once = max(1, min(_AT_ONCE, _BYTES_AT_ONCE // (4 * card.channels * side**2)))
            few = inputs.batches(np.array_split(looked_at, -(-len(looked_at) // at_once)))
            denoiser.prepare(_unit(images) for images in few)
        average = make_denoiser(card).to(device, memory_format=torch.channels_last)
        average.load_state_dict(denoiser.state_dict())
        session = _Session(
            denoiser=denoiser.train(),
            average=average.eval().requires_grad_(False),
            optimiser=torch.optim.AdamW(denoiser.parameters(), lr=config.learning_rate, fused=True),
            inputs=inputs,
            chance=torch.Generator().manual_seed(config.seed * 16 + _CHANCE),
            device=device,
        )
        if checkpoint is not None:
            if checkpoint.state["config"] != self._identity():
                raise SettingError(
                    "The checkpoint was made with other settings, samples or beliefs. "
                    "Start a new editor."
                )
            session.restore(checkpoint.tensors, checkpoint.state)
        return session

    def _train_epoch(self, session: "_Session", progress: Progress) -> None:
        config, rows = self._config, self._data.train_rows
        size = min(config.batch_size, len(rows))
        order = np.random.default_rng((config.seed, _ORDER_STREAM, session.epoch))
        places = order.permutation(len(rows))[: len(rows) // size * size].reshape(-1, size)
        left = places[session.step :]
        images = session.inputs.batches([rows[part] for part in left])
        for part, values in zip(left, images, strict=True):
            done = session.epoch + session.step / len(places)
            progress.report(
                done / config.epochs,
                f"Epoch {session.epoch + 1} of {config.epochs}, loss {session.mean_loss:.4f}",
            )
            rate = learning_rate_at(session.epoch / config.epochs, config.learning_rate)
            for group in session.optimiser.param_groups:
                group["lr"] = rate
            loss = self._loss(session, torch.from_numpy(self._belief[part]), values)
            session.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(session.denoiser.parameters(), 1.0)
            session.optimiser.step()
            session.move_average(config.momentum)
            session.step += 1
            session.loss += float(loss.detach())
            if not np.isfinite(session.loss):
                raise SettingError(
                    f"The loss is no number in step {session.step} of epoch {session.epoch + 1}, "
                    f"at learning rate {rate:g}. Start again with a lower one."
                )

    def _loss(self, session: "_Session", belief: Tensor, values: Tensor) -> Tensor:
        """Error of the velocity of a batch, each image noised and turned by a chance of its own."""
        chance, size, device = session.chance, len(values), session.device
        pixels = _unit(values)
        is_turned = (torch.rand(size, generator=chance) < 0.5).to(device)
        pixels = torch.where(is_turned[:, None, None, None], pixels.flip(3), pixels)
        label = torch.multinomial(belief, 1, generator=chance)[:, 0]
        is_bare = torch.rand(size, generator=chance) < self._config.without_class
        label = label.masked_fill(is_bare, session.denoiser.no_class).to(device)
        time = torch.randint(N_TIMES, (size,), generator=chance).to(device)
        folded = session.denoiser.fold(pixels)
        noise = torch.randn(folded.shape, generator=chance).to(device)
        noised, velocity = session.denoiser.noised(folded, noise, time)
        return torch.nn.functional.mse_loss(session.denoiser(noised, time, label).float(), velocity)

    def _finish_epoch(self, session: "_Session") -> DenoisingReport:
        average, epoch = session.average, session.epoch
        average.card = DenoiserCard(**{**asdict(average.card), "epoch": epoch})
        average.save(self._folder / EDITOR_FILE)
        file = samples_file(self._folder, epoch)
        file.parent.mkdir(parents=True, exist_ok=True)
        grid = sample_grid(average, self._config.seed)
        Image.fromarray(grid.squeeze(-1) if grid.shape[-1] == 1 else grid).save(file)
        rate = session.optimiser.param_groups[0]["lr"]
        return DenoisingReport(epoch, session.mean_loss, rate)

    def _save(self, session: "_Session") -> None:
        tensors, state = session.dump()
        self._checkpoints.save(tensors, {**state, "config": self._identity()})

    def _identity(self) -> dict[str, Any]:
        """What a checkpoint must agree with: settings, and what it learns from."""
        kept = asdict(self._config)
        for where in ("device", "threads"):
            del kept[where]
        seen = zlib.crc32(np.ascontiguousarray(self._belief).tobytes())
        seen = zlib.crc32(np.ascontiguousarray(self._data.train_rows, np.int64).tobytes(), seen)
        return {**kept, "seen": seen}


def _unit(images: Tensor) -> Tensor:
    """Pixels uint8 (B, H, W, channels) as float32 (B, channels, H, W), 0 to 1."""
    return images.permute(0, 3, 1, 2).float() / 255.0


def samples_file(folder: Path, epoch: int) -> Path:
    """Where the trainer in a folder puts the sample grid of an epoch, counted from 0."""
    return folder / SAMPLES_FOLDER / f"epoch-{epoch:06d}.png"


def sample_grid(denoiser: Denoiser, seed: int) -> NDArray[np.uint8]:
    """Images out of nothing but noise, a row for each of the first 20 classes.

    Args:
        denoiser: In evaluation mode.
        seed: Of the noise, the same in each row.

    Returns:
        uint8 (classes * side, 8 * side, channels).
    """
    card = denoiser.card
    n_classes = min(len(card.class_names), _MOST_SAMPLED_CLASSES)
    device = denoiser.alphas.device
    empty = torch.full((_SAMPLES_PER_CLASS, card.channels, card.side_px, card.side_px), 0.5)
    folded = denoiser.fold(empty.to(device))
    noise = torch.randn(folded.shape, generator=torch.Generator().manual_seed(seed)).to(device)
    rows = []
    for label in range(n_classes):
        aimed = torch.full((_SAMPLES_PER_CLASS,), label, device=device)
        made = denoiser.unfold(
            denoise(denoiser, folded, aimed, noise, 1.0, _SAMPLING_GUIDANCE, _SAMPLING_STEPS)
        )
        pixels = (made * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        rows.append(np.concatenate(list(pixels), axis=1))
    return np.concatenate(rows, axis=0)


@dataclass
class _Session:
    """All that changes while a denoiser is trained."""

    denoiser: Denoiser
    average: Denoiser
    optimiser: torch.optim.AdamW
    inputs: Inputs
    chance: torch.Generator
    device: torch.device
    epoch: int = 0
    step: int = 0
    loss: float = 0.0

    @property
    def mean_loss(self) -> float:
        """Over the steps of this epoch."""
        return self.loss / max(self.step, 1)

    @torch.no_grad()
    def move_average(self, momentum: float) -> None:
        """Move the average, faster at first, when there is little to remember."""
        n_done = self.optimiser.state[next(self.denoiser.parameters())]["step"].item()
        weight = max(1.0 - momentum, 1.0 / (n_done + 1.0))
        torch._foreach_lerp_(
            list(self.average.parameters()), list(self.denoiser.parameters()), weight
        )

    def dump(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and plain values for a checkpoint."""
        tensors = {f"now.{name}": value for name, value in self.denoiser.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        for place, weight in enumerate(self.denoiser.parameters()):
            for name, value in self.optimiser.state[weight].items():
                tensors[f"adam.{place}.{name}"] = value
        tensors["chance"] = self.chance.get_state()
        return tensors, {"epoch": self.epoch, "step": self.step, "loss": self.loss}

    def restore(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Take up where a checkpoint left it."""

        def below(prefix: str) -> dict[str, Tensor]:
            return {
                name.removeprefix(prefix): value
                for name, value in tensors.items()
                if name.startswith(prefix)
            }

        self.denoiser.load_state_dict(below("now."))
        self.average.load_state_dict(below("average."))
        for place, weight in enumerate(self.denoiser.parameters()):
            kept = below(f"adam.{place}.")
            self.optimiser.state[weight] = {
                # Laid out as the weight: the fused step goes through both in one run.
                name: torch.empty_like(weight, requires_grad=False).copy_(value)
                if value.shape == weight.shape and name != "step"
                else value.to(self.device)
                for name, value in kept.items()
            }
        self.chance.set_state(tensors["chance"])
        self.epoch, self.step, self.loss = state["epoch"], state["step"], state["loss"]
