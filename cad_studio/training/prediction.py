"""What a saved model says of the samples of a dataset."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cad_studio.core.errors import SettingError
from cad_studio.core.progress import Part, Progress
from cad_studio.models.device import choose_device
from cad_studio.training.batching import ask
from cad_studio.training.data import TrainingData
from cad_studio.training.inputs import open_inputs
from cad_studio.training.model_file import load_model

_AT_ONCE = 512


def predict(
    model: Path,
    data: TrainingData,
    rows: NDArray[np.int64],
    progress: Progress,
    device: str = "auto",
) -> NDArray[np.float32]:
    """Logits of a saved model.

    Args:
        model: As `model_file.save_model` wrote it.
        data: The dataset it was trained on, or one of the same classes and kind.
        rows: int64 (M,). Which samples.
        progress: Told how far it is.
        device: Where to compute: `auto`, `cpu`, `cuda`.

    Returns:
        float32 (M, C).

    Raises:
        SettingError: The model takes vectors and the dataset has images, or the other way round.
        DatasetFormatError: The file is not a model of this studio.
    """
    out = np.zeros((len(rows), data.n_classes), np.float32)
    at = 0
    for logits, _ in answers(model, data, rows, progress, device):
        out[at : at + len(logits)] = logits
        at += len(logits)
    return out


def answers(
    model: Path,
    data: TrainingData,
    rows: NDArray[np.int64],
    progress: Progress,
    device: str = "auto",
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Logits and features of a saved model, some hundred samples at a time; as `predict`.

    Yields:
        float32 (B, C) logits, and float32 (B, F) features before the last layer, unit length.
    """
    network, views = load_model(model)
    if (views is None) != (data.pixels is None):
        wanted = "feature vectors" if views is None else "images"
        raise SettingError(f"{model.name} was trained on {wanted}; the dataset holds none.")
    if network.n_classes != data.n_classes:
        raise SettingError(
            f"{model.name} knows {network.n_classes} classes, the dataset has {data.n_classes}. "
            "Train a new run on the dataset as it is now."
        )
    place = choose_device(device)
    network = network.to(place)
    inputs = open_inputs(data, place, 0, Part(progress, 0.0, 0.3))

    def read(values: Tensor) -> Tensor:
        features = network.features(values)
        unit = torch.nn.functional.normalize(features)
        return torch.cat([network.classify(features), unit], dim=1)

    if not len(rows):
        return
    parts = np.array_split(rows, -(-len(rows) // _AT_ONCE))
    found = ask(network, read, inputs.batches(parts), views, "float32")
    for done, answer in enumerate(found, 1):
        yield answer[:, : network.n_classes], answer[:, network.n_classes :]
        progress.report(0.3 + 0.7 * done / len(parts), "Asking the network")
