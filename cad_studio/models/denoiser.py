"""Small class-conditional diffusion networks over images of any size, grey or colour."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.optional import require
from cad_studio.core.registry import Registry
from cad_studio.core.replacing import RESUME, replacing

N_TIMES = 1000
"""Noise levels, 0 the least."""

_KEY = "cad-studio-editor"
NETWORKS = ("components", "unet")


@dataclass(frozen=True)
class DenoiserCard:
    """What is needed to build a denoiser again and to feed it.

    Attributes:
        class_names: C names.
        side_px: Side of the square it works on.
        channels: 1 or 3.
        widths: Channels of the levels of a U-Net, finest first; or width and depth of a network
            over components, and how many components.
        epoch: When the weights were taken, from 0.
        source: What it was trained on, in words.
        network: One of `NETWORKS`.
    """

    class_names: list[str]
    side_px: int
    channels: int
    widths: list[int]
    epoch: int = 0
    source: str = ""
    network: str = "unet"


class Denoiser(nn.Module, ABC):
    """Predicts the velocity of a noised image, given a class or none.

    A member says in which space it works (`fold`, `unfold`, `redraw`) and with which network.
    Noise follows the squared cosine of Nichol and Dhariwal, "Improved Denoising Diffusion
    Probabilistic Models", ICML 2021, https://arxiv.org/abs/2102.09672; velocity is that of
    Salimans and Ho, "Progressive Distillation for Fast Sampling of Diffusion Models", ICLR 2022,
    https://arxiv.org/abs/2202.00512.

    Attributes:
        card: What it was built from.
        is_bounded: Whether the space it works in ends at -1 and 1.
        alphas: float32 (N_TIMES,). Share of signal, squared, at each noise level.
    """

    alphas: Tensor
    is_bounded: bool

    def __init__(self, card: DenoiserCard) -> None:
        """Prepare the noise levels.

        Raises:
            MissingPackageError: diffusers is not installed.
        """
        super().__init__()
        require("torchvision", "torchvision", "The in-domain editor")
        diffusers = require("diffusers", "diffusers", "The in-domain editor")
        self.card = card
        schedule = diffusers.DDPMScheduler(N_TIMES, beta_schedule="squaredcos_cap_v2")
        self.register_buffer("alphas", schedule.alphas_cumprod.float(), persistent=False)

    @property
    def no_class(self) -> int:
        """The number that stands for no class."""
        return len(self.card.class_names)

    def prepare(self, images: Iterable[Tensor]) -> None:
        """Learn from the images, before training, what the space needs to know of them.

        Args:
            images: Batches of float32 (B, channels, side, side), 0 to 1.
        """

    @abstractmethod
    def fold(self, images: Tensor) -> Tensor:
        """Images to what the network works on.

        Args:
            images: float32 (B, channels, side, side), 0 to 1.

        Returns:
            float32 (B, ...), of about unit size.
        """

    @abstractmethod
    def unfold(self, folded: Tensor) -> Tensor:
        """Back to images, float32 (B, channels, side, side), 0 to 1."""

    def redraw(self, images: Tensor, _folded: Tensor, drawn: Tensor) -> Tensor:
        """Images as they were drawn again, float32 (B, channels, side, side), 0 to 1.

        Args:
            images: float32 (B, channels, side, side), 0 to 1.
            _folded: What `fold` made of them.
            drawn: Like that, after `denoise`.
        """
        return self.unfold(drawn)

    @abstractmethod
    def forward(self, noised: Tensor, time: Tensor, label: Tensor) -> Tensor:
        """The velocity.

        Args:
            noised: float32, as `fold` gives it.
            time: int64 (B,).
            label: int64 (B,). A class, or `no_class`.

        Returns:
            float, like `noised`.
        """

    def noised(self, folded: Tensor, noise: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """A noised image, and its velocity.

        Args:
            folded: float32 (B, ...).
            noise: Likewise, standard normal.
            time: int64 (B,). Noise level.

        Returns:
            Two tensors of that shape.
        """
        share = self.alphas[time].view(-1, *[1] * (folded.dim() - 1))
        signal, rest = share.sqrt(), (1 - share).sqrt()
        return signal * folded + rest * noise, signal * noise - rest * folded

    def save(self, path: Path) -> None:
        """Write it as one file of half-precision weights that says how to build itself.

        Raises:
            StorageError: The disk is full.
        """
        weights = {
            name: value.detach().to("cpu", torch.float16).contiguous()
            for name, value in self.state_dict().items()
        }
        with replacing(path, RESUME) as unfinished:
            save_file(weights, unfinished, metadata={_KEY: json.dumps(asdict(self.card))})


NETWORKS: Registry[type[Denoiser]] = Registry("cad_studio.models", "network of an editor")


@torch.no_grad()
def denoise(
    denoiser: Denoiser,
    folded: Tensor,
    label: Tensor,
    noise: Tensor,
    strength: float,
    guidance: float,
    n_steps: int,
) -> Tensor:
    """Noise images part of the way and take the noise away again, towards a class.

    After Meng et al., "SDEdit", ICLR 2022, https://arxiv.org/abs/2108.01073, with the guidance of
    Ho and Salimans, "Classifier-Free Diffusion Guidance", https://arxiv.org/abs/2207.12598, and
    the deterministic steps of Song, Meng and Ermon, "Denoising Diffusion Implicit Models",
    ICLR 2021, https://arxiv.org/abs/2010.02502, by diffusers' scheduler.

    Args:
        denoiser: In evaluation mode.
        folded: float32 (B, ...). As `Denoiser.fold` gives them.
        label: int64 (B,). Classes aimed at.
        noise: Like `folded`, standard normal.
        strength: 0 changes nothing, 1 keeps nothing of the source.
        guidance: 1 follows the class alone, more goes beyond it.
        n_steps: Of a whole way; a part takes its share.

    Returns:
        float32, like `folded`.
    """
    diffusers = require("diffusers", "diffusers", "The in-domain editor")
    scheduler = diffusers.DDIMScheduler(
        N_TIMES,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=denoiser.is_bounded,
    )
    scheduler.set_timesteps(n_steps)
    times = scheduler.timesteps[n_steps - round(n_steps * strength) :]
    if not len(times):
        return folded
    device = folded.device
    none = torch.full_like(label, denoiser.no_class)
    current, _ = denoiser.noised(folded, noise, times[:1].expand(len(folded)).to(device))
    for time in times:
        level = time.expand(2 * len(folded)).to(device)
        both = denoiser(torch.cat([current, current]), level, torch.cat([label, none])).float()
        towards, anywhere = both.chunk(2)
        velocity = anywhere + guidance * (towards - anywhere)
        current = scheduler.step(velocity, int(time), current).prev_sample
    return current


def make_denoiser(card: DenoiserCard) -> Denoiser:
    """One with fresh weights from torch's own generator.

    Raises:
        MissingPackageError: diffusers is not installed.
    """
    return NETWORKS.get(card.network)(card)


def read_card(path: Path) -> DenoiserCard:
    """What an editor file says of itself; its weights are not read.

    Raises:
        DatasetFormatError: The file is not an editor of this studio.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return DenoiserCard(**json.loads((file.metadata() or {})[_KEY]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise _not_an_editor(path) from error


def _not_an_editor(path: Path) -> DatasetFormatError:
    return DatasetFormatError(
        f"{path.name} is not an in-domain editor of this studio, or it is damaged. "
        "Train one: python -m cad_studio edit-model DATASET."
    )


def load_denoiser(path: Path) -> Denoiser:
    """A denoiser in evaluation mode, on the CPU, float32.

    Raises:
        DatasetFormatError: The file is not an editor of this studio.
    """
    try:
        with safe_open(path, framework="pt") as file:
            card = DenoiserCard(**json.loads((file.metadata() or {})[_KEY]))
            names: Iterable[str] = file.keys()
            weights: dict[str, Any] = {name: file.get_tensor(name).float() for name in names}
        with torch.random.fork_rng(devices=[]):
            denoiser = make_denoiser(card)
        denoiser.load_state_dict(weights)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise _not_an_editor(path) from error
    return denoiser.to(memory_format=torch.channels_last).eval()
