"""What the GPU benchmark learns from: published files in a folder, and sets made from them."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cad_studio.annotators._base import AnnotatorConfig
from cad_studio.annotators.flipping import synthesise_candidates
from cad_studio.annotators.training import train_annotator
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Progress
from cad_studio.datasets.idx import read_idx
from cad_studio.training.data import TrainingData
from tests.array_pixels import ArrayPixels

SETS_FILE = "candidates.npz"


def read_images(
    folder: Path, n_train: int | None, n_test: int | None
) -> tuple[NDArray[np.uint8], NDArray[np.int32], int]:
    """Images uint8 (N, H, W, 1 or 3), labels int32 (N,), and how many are for training, at first.

    Args:
        folder: With the four IDX files of Fashion-MNIST, packed or not, or with `train.parquet`
            and `test.parquet` as the Hugging Face Hub has CIFAR-10.
        n_train: Only so many for training; None takes all.
        n_test: Only so many for testing.
    """
    read = _read_parquet if (folder / "train.parquet").is_file() else _read_idx_files
    train, test = read(folder, "train", n_train), read(folder, "test", n_test)
    images, labels = (np.concatenate(both) for both in zip(train, test, strict=True))
    return images, labels.astype(np.int32), len(train[1])


def make_data(
    images: NDArray[np.uint8],
    labels: NDArray[np.int32],
    n_train: int,
    candidates: PartialLabels,
) -> TrainingData:
    """The data as training sees it; test samples come last."""
    rows = np.arange(len(labels))
    return TrainingData(
        candidates=candidates,
        train_rows=rows[:n_train],
        test_rows=rows[n_train:],
        pixels=ArrayPixels(images),
        truth=labels,
    )


def find_sets(
    folder: Path,
    images: NDArray[np.uint8],
    labels: NDArray[np.int32],
    n_train: int,
    epochs: int,
    seed: int,
    device: str,
    progress: Progress,
) -> tuple[PartialLabels, dict[str, Any]]:
    """Candidate sets by the studio's own annotator: those beside the images, or new ones.

    Args:
        folder: Where they are kept.
        images: uint8 (N, H, W, 1 or 3).
        labels: int32 (N,).
        n_train: The first so many are learned from.
        epochs: Passes of the annotator.
        seed: Random seed.
        device: Where the annotator is trained.
        progress: Told how far it is.

    Returns:
        N sets, and what is known of them.
    """
    file, made = folder / SETS_FILE, {"epochs": epochs, "seed": seed, "n": len(labels)}
    n_classes = int(labels.max()) + 1
    if file.is_file():
        with np.load(file, allow_pickle=False) as kept:
            found = dict(zip(made, kept["made"].tolist(), strict=True))
            if found == made:
                return _told(PartialLabels(kept["packed"], n_classes), labels, n_train, made)
    config = AnnotatorConfig(epochs=epochs)
    rows = np.arange(n_train)
    result = train_annotator(
        ArrayPixels(images), None, labels, rows, n_classes, config, seed, progress, device
    )
    chance = np.random.default_rng(seed)
    candidates = synthesise_candidates(result.logits, labels, 1.0, chance)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, packed=candidates.packed, made=np.array(list(made.values())))
    made = {**made, "annotator_accuracy": round(result.train_accuracy, 4)}
    return _told(candidates, labels, n_train, {**made, "seconds": round(result.seconds, 1)})


def _told(
    candidates: PartialLabels, labels: NDArray[np.int32], n_train: int, made: dict[str, Any]
) -> tuple[PartialLabels, dict[str, Any]]:
    """The sets, with their mean size and how often the worst distractor of a class is there."""
    dense, truth = candidates.dense(np.arange(n_train)), labels[:n_train]
    together = np.stack(
        [
            dense[truth == label].mean(axis=0)
            if (truth == label).any()
            else np.zeros(dense.shape[1])
            for label in range(dense.shape[1])
        ]
    )
    np.fill_diagonal(together, 0.0)
    known = {
        "mean_size": round(float(dense.sum(axis=1).mean()), 3),
        "worst_distractor": [round(float(share), 3) for share in together.max(axis=1)],
    }
    return candidates, {**made, **known}


def _read_idx_files(
    folder: Path, split: str, most: int | None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    name = "train" if split == "train" else "t10k"

    def file(kind: str) -> Path:
        plain = folder / f"{name}-{kind}-ubyte"
        return plain if plain.is_file() else plain.with_name(f"{plain.name}.gz")

    images, labels = read_idx(file("images-idx3"), 3), read_idx(file("labels-idx1"), 1)
    return images[:most, :, :, None], labels[:most]


def _read_parquet(
    folder: Path, split: str, most: int | None
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    from pyarrow import parquet

    table = parquet.read_table(folder / f"{split}.parquet")[:most]
    names = table.column_names
    pictures = table[next(name for name in ("img", "image") if name in names)].to_pylist()
    images = np.stack(
        [np.asarray(Image.open(io.BytesIO(each["bytes"])).convert("RGB")) for each in pictures]
    )
    return images, np.asarray(table[next(n for n in ("label", "labels") if n in names)])
