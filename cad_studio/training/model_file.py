"""A trained network as one file that says how to use itself.

network, views = load_model(Path("model.safetensors"))
logits = network(views.plain(views.unit(images)))     # images: uint8 (B, H, W, 1 or 3)
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from cad_studio.core.errors import CadStudioError, DatasetFormatError
from cad_studio.core.replacing import RESUME, replacing
from cad_studio.models.network import Network, make_network
from cad_studio.training.views import Views

_KEY = "cad-studio"


@dataclass(frozen=True)
class ModelCard:
    """What is needed to build the network again and to feed it.

    Attributes:
        backbone: Its spec.
        n_classes: C.
        projection_width: D.
        class_names: C names, or none.
        image_px: Side of the images; None for vectors.
        n_inputs: Width of the vectors; None for images.
        kind: Kind of the views, for images.
        mean: Subtracted from images, 1 or 3 values.
        std: Images are divided by, 1 or 3 values.
        epoch: When the weights were taken, from 0.
        blueprint: That of the backbone.
    """

    backbone: str
    n_classes: int
    projection_width: int
    class_names: list[str]
    image_px: int | None
    n_inputs: int | None
    kind: str | None
    mean: list[float]
    std: list[float]
    epoch: int
    blueprint: str = ""


def save_model(path: Path, network: Network, card: ModelCard) -> None:
    """Write a network; a file of that name is replaced at once or not at all.

    Raises:
        StorageError: The disk is full.
    """
    weights = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    with replacing(path, RESUME) as unfinished:
        save_file(weights, unfinished, metadata={_KEY: json.dumps(asdict(card))})


def load_model(path: Path | str) -> tuple[Network, Views | None]:
    """A network in evaluation mode, on the CPU, and what makes its inputs (None for vectors).

    Raises:
        DatasetFormatError: The file is not a model of this studio.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="pt") as file:
            card = ModelCard(**json.loads((file.metadata() or {})[_KEY]))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        network = make_network(
            card.backbone,
            card.n_classes,
            image_px=card.image_px,
            n_inputs=card.n_inputs,
            projection_width=card.projection_width,
            blueprint=card.blueprint,
        )
        network.load_state_dict(weights)
    except CadStudioError:
        raise
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DatasetFormatError(
            f"{path.name} is not a model of this studio, or it is damaged."
        ) from error
    views = None
    if card.kind is not None and card.image_px is not None:
        views = Views(card.kind, card.image_px, card.mean, card.std)
    return network.to(memory_format=torch.channels_last).eval(), views
