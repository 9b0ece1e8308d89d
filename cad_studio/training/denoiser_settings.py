"""Settings of the training of a denoiser; loads no torch, so that a form can be built from them."""

from dataclasses import dataclass, field

from cad_studio.core.errors import SettingError
from cad_studio.core.settings import check_settings

EDITOR_FILE = "editor.safetensors"
"""In the folder of an editor: its weights."""


@dataclass(frozen=True)
class DenoiserConfig:
    """How long and how large a class-conditional denoiser is trained."""

    epochs: int = field(
        default=20,
        metadata={"help": "Passes over the training samples.", "minimum": 1, "maximum": 100_000},
    )
    batch_size: int = field(
        default=256, metadata={"help": "Samples per step.", "minimum": 2, "maximum": 65_536}
    )
    learning_rate: float = field(
        default=1e-3,
        metadata={"help": "First step size of AdamW; it falls along a cosine.", "minimum": 1e-8},
    )
    network: str = field(
        default="components",
        metadata={
            "help": "components works on principal components of the images: fast on a CPU, fine "
            "texture is left as it is. unet works on pixels: for a GPU.",
            "choices": ("components", "unet"),
        },
    )
    width: int | None = field(
        default=None,
        metadata={
            "help": "Width of the layers, or channels of the finest level of a unet; a multiple "
            "of 8. Empty: 896, or 64 for a unet.",
            "minimum": 8,
            "maximum": 4096,
        },
    )
    components: int = field(
        default=160,
        metadata={
            "help": "Principal components of the images.",
            "minimum": 2,
            "maximum": 4096,
        },
    )
    sharpness: float = field(
        default=2.0,
        metadata={
            "help": "Power the belief over the candidates is raised to before classes are drawn "
            "from it: above 1 trusts it more.",
            "minimum": 0.0,
            "maximum": 100.0,
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
        default=0, metadata={"help": "Random seed.", "minimum": 0, "maximum": 2**31 - 1}
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
        if self.network == "unet" and self.width is not None and self.width % 8:
            raise SettingError(
                f"width is {self.width}; that of a unet must be a multiple of 8, such as "
                f"{round(self.width / 8) * 8}."
            )

    def widths(self, n_images: int, n_pixels: int) -> list[int]:
        """As `DenoiserCard.widths`, for so many images of so many values."""
        if self.network == "unet":
            width = self.width or 64
            return [width, 2 * width]
        return [self.width or 896, 2, min(self.components, 2 * n_images, n_pixels)]
