"""Edits by a text instruction: InstructPix2Pix through diffusers.

Brooks, Holynski and Efros, "InstructPix2Pix: Learning to Follow Image Editing Instructions",
CVPR 2023, https://arxiv.org/abs/2211.09800; used by CAD (CVPR 2026) with ten steps of DPM-Solver++,
guidance 5 and images of 256 px.
"""

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from cad_studio.augment._base import EDITORS, ClassText, Editor, editing, loading
from cad_studio.core.errors import ResourceError
from cad_studio.core.optional import is_installed, require
from cad_studio.core.settings import check_settings
from cad_studio.models.device import choose_device, has_mps

MEMORY = ("auto", "all", "slices", "offload")
_PACKAGES = ("diffusers", "transformers", "huggingface_hub")
_TOO_LARGE = "the model. Choose memory=offload or device=cpu, or close other programs"
_PURPOSE = "The instruct-pix2pix editor"


@dataclass(frozen=True)
class InstructPix2PixConfig:
    """Settings of the editor that follows a text."""

    model: str = field(
        default="timbrooks/instruct-pix2pix",
        metadata={"help": "Model id on the Hugging Face Hub, or a local folder; safetensors."},
    )
    steps: int = field(
        default=10, metadata={"help": "Steps of DPM-Solver++.", "minimum": 1, "maximum": 1000}
    )
    guidance: float = field(
        default=5.0, metadata={"help": "Pull towards the text.", "minimum": 1.0, "maximum": 50.0}
    )
    image_guidance: float = field(
        default=1.5,
        metadata={"help": "Pull towards the source image.", "minimum": 1.0, "maximum": 50.0},
    )
    size_px: int = field(
        default=256,
        metadata={
            "help": "Side images are edited at; a multiple of 8.",
            "minimum": 8,
            "maximum": 2048,
        },
    )
    memory: str = field(
        default="auto",
        metadata={
            "help": "What is kept on a GPU: all; slices computes attention in parts; offload "
            "moves each part there only while it works. auto takes all above 8 GB.",
            "choices": MEMORY,
        },
    )
    device: str = field(default="auto", metadata={"help": "auto, cpu, cuda, cuda:1, or mps."})

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_settings(self)


@EDITORS.register("instruct-pix2pix")
class InstructPix2Pix(Editor):
    """Follows a class's prompt, whatever the data show."""

    title = "InstructPix2Pix"
    config_type = InstructPix2PixConfig
    uses_text = True

    def __init__(self, config: InstructPix2PixConfig) -> None:
        """Take the settings."""
        self.config = config
        self._pipeline: Any = None  # diffusers is loaded where it is used
        self._prompts: list[str] = []
        self._content = ""

    def load(self, texts: list[ClassText]) -> None:
        """As `Editor.load`."""
        require("transformers", "transformers", _PURPOSE)
        diffusers = require("diffusers", "diffusers", _PURPOSE)
        model, is_local = self.config.model, Path(self.config.model).is_dir()
        device = str(choose_device(self.config.device))
        dtype = torch.float32
        if device.startswith("cuda"):
            dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        try:
            with loading(_TOO_LARGE):
                pipeline = diffusers.StableDiffusionInstructPix2PixPipeline.from_pretrained(
                    model,
                    dtype=dtype,
                    use_safetensors=True,
                    safety_checker=None,
                    requires_safety_checker=False,
                    local_files_only=is_local,
                )
            pipeline.scheduler = diffusers.DPMSolverMultistepScheduler.from_config(
                pipeline.scheduler.config
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
            raise ResourceError(_why_not(model, is_local, error)) from error
        channels = getattr(pipeline.unet.config, "in_channels", None)
        if channels != 2 * pipeline.vae.config.latent_channels:
            raise ResourceError(
                f"{model} is a pipeline of another kind: it is not made to edit images. Give "
                "timbrooks/instruct-pix2pix or one trained like it."
            )
        pipeline.set_progress_bar_config(disable=True)
        with loading(_TOO_LARGE):
            _place(pipeline, device, self.config.memory)
        self.batch_size = 16 if device.startswith("cuda") else 1
        self._pipeline = pipeline
        self._content = _content(model)
        self._prompts = [text.prompt for text in texts]

    def missing(self) -> str:
        """As `Editor.missing`: looks whether the weights and a GPU are here."""
        model, missing = self.config.model, []
        absent = [name for name in _PACKAGES if not is_installed(name)]
        if absent:
            missing.append(f"install its packages with `pip install {' '.join(absent)}`")
        if not Path(model).is_dir() and _cached(model) is None:
            missing.append(
                f"its weights ({model}, 4 GB) are not on this machine: they are downloaded "
                f"at the first use, or get them with hf download {model}, or give a folder"
            )
        if not torch.cuda.is_available() and not has_mps():
            missing.append("there is no GPU, so each edit takes minutes")
        return f"Before you use it: {'; and '.join(missing)}." if missing else ""

    def key(self) -> str:
        """As `Editor.key`: the model counts by its content, where it lies or computes does not."""
        kept, content = self.config, self._content or _content(self.config.model)
        return (
            f"instruct-pix2pix/2/{content}/{kept.steps}/{kept.guidance:g}/"
            f"{kept.image_guidance:g}/{kept.size_px}"
        )

    def edit(
        self, images: list[NDArray[np.uint8]], guide: NDArray[np.int64], seeds: NDArray[np.int64]
    ) -> list[NDArray[np.uint8] | None]:
        """As `Editor.edit`."""
        if self._pipeline is None:
            raise ValueError("load comes before edit")
        side = self.config.size_px // 8 * 8
        sources = [
            _picture(image).resize((side, side), Image.Resampling.BICUBIC) for image in images
        ]
        chances = [torch.Generator("cpu").manual_seed(int(seed)) for seed in seeds]
        with editing(), torch.inference_mode():
            made = self._pipeline(
                prompt=[self._prompts[label] for label in guide],
                image=sources,
                num_inference_steps=self.config.steps,
                guidance_scale=self.config.guidance,
                image_guidance_scale=self.config.image_guidance,
                generator=chances,
                output_type="np",
            ).images
        return [_as_asked(one, image.shape) for one, image in zip(made, images, strict=True)]


def _cached(model: str) -> Path | None:
    """Where a model of the Hub lies on this machine: a folder named by its commit."""
    if not is_installed("huggingface_hub"):
        return None
    hub = require("huggingface_hub", "huggingface_hub", _PURPOSE)
    try:
        found = hub.try_to_load_from_cache(model, "model_index.json")
    except ValueError:  # no name of a model
        return None
    return Path(found).parent if isinstance(found, str) else None


def _content(model: str) -> str:
    """What tells a model from one that took its place: its commit, or a hash of its files."""
    if not Path(model).is_dir():
        cached = _cached(model)
        return model if cached is None else f"{model}@{cached.name}"
    folder = Path(model)
    # What a download notes beside the model, in hidden folders, is no part of it.
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.is_file() and not str(file.relative_to(folder)).startswith(".")
    )
    about = tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    return _hash(folder, about)


@lru_cache(maxsize=4)
def _hash(folder: Path, files: tuple[tuple[Path, int, int], ...]) -> str:
    """Of the names and bytes of files; asked again only when a size or time has changed."""
    whole = hashlib.sha256()
    for file, _, _ in files:
        whole.update(str(file.relative_to(folder)).encode())
        with file.open("rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
    return whole.hexdigest()[:16]


def _place(pipeline: Any, device: str, memory: str) -> None:
    if not device.startswith("cuda"):
        return
    if memory == "auto":
        total = torch.cuda.get_device_properties(device).total_memory
        memory = "all" if total > 8 << 30 else "slices"
    if memory == "offload":
        pipeline.enable_model_cpu_offload(device=device)
        return
    if memory == "slices":
        pipeline.enable_attention_slicing()
    pipeline.to(device)


def _why_not(model: str, is_local: bool, error: Exception) -> str:
    said = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
    if is_local:
        return (
            f"The folder {model} holds no complete pipeline with safetensors weights ({said}). "
            "Copy the whole model folder, with model_index.json."
        )
    return (
        f"The model {model} is not here and could not be fetched ({said}). On a machine with "
        f"network run hf download {model}, copy the folder here and give its path; or use the "
        "in-domain editor, which needs no download."
    )


def _picture(image: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3))))


def _as_asked(made: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """What the pipeline gave at the size and in the colours asked for; None for broken numbers."""
    if not np.isfinite(made).all():
        return None
    pixels = (made.clip(0.0, 1.0) * 255).round().astype(np.uint8)
    picture = Image.fromarray(pixels).resize((shape[1], shape[0]), Image.Resampling.LANCZOS)
    if shape[2] == 1:
        return np.asarray(picture.convert("L"))[..., None]
    return np.asarray(picture)
