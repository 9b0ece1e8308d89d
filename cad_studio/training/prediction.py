"""What a saved model says of the samples of a dataset."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cad_studio.core.errors import SettingError
from cad_studio.core.progress import Part, Progress
from cad_studio.training.batching import ask
from cad_studio.training.data import TrainingData
from cad_studio.training.inputs import open_inputs
from cad_studio.training.model_file import load_model
from cad_studio.training.precision import choose_device

_AT_ONCE = 512


def predict(
    model: Path,
    data: TrainingData,
    rows: NDArray[np.int64],
    progress: Progress,
    device: str = "auto",
    wants_features: bool = False,
) -> NDArray[np.float32]:
    """Logits of a saved model, or its features before the last layer.

    Args:
        model: As `model_file.save_model` wrote it.
        data: The dataset it was trained on, or one of the same classes and kind.
        rows: int64 (M,). Which samples.
        progress: Told how far it is.
        device: Where to compute: `auto`, `cpu`, `cuda`.
        wants_features: Whether features, of unit length, are wanted instead of logits.

    Returns:
        float32 (M, C) logits or (M, F) features.

    Raises:
        SettingError: The model takes vectors and the dataset has images, or the other way round.
        DatasetFormatError: The file is not a model of this studio.
    """
    network, views = load_model(model)
    if (views is None) != (data.pixels is None):
        wanted = "feature vectors" if views is None else "images"
        raise SettingError(f"{model.name} was trained on {wanted}; the dataset holds none.")
    place = choose_device(device)
    network = network.to(place)
    inputs = open_inputs(data, place, 0, Part(progress, 0.0, 0.3))

    def read(values: Tensor) -> Tensor:
        if not wants_features:
            logits: Tensor = network(values)
            return logits
        return torch.nn.functional.normalize(network.features(values))

    if not len(rows):
        width = network.backbone.width if wants_features else data.n_classes
        return np.zeros((0, width), np.float32)
    parts = np.array_split(rows, -(-len(rows) // _AT_ONCE))
    found = []
    for answer in ask(network, read, inputs.batches(parts), views, "float32"):
        found.append(answer)
        progress.report(0.3 + 0.7 * len(found) / len(parts), "Asking the network")
    return np.concatenate(found)
