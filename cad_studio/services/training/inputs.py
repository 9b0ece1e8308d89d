"""From a stored dataset to what the training loop is given."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.errors import SettingError, closest
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Progress
from cad_studio.mining.entangled import find_pairs
from cad_studio.mining.settings import MiningConfig
from cad_studio.mining.spreading import propagated, refreshing
from cad_studio.services.datasets.loaded import LoadedDataset

if TYPE_CHECKING:
    from cad_studio.training.data import TrainingData
    from cad_studio.training.opening import Outside

TRAIN_SPLITS = ("train", "trainval", "training")
TEST_SPLITS = ("test", "validation", "val", "valid")

ENTANGLED_QUANTILES = {"0.1": 1e-3, "0.01": 1e-4, "0.001": 1e-5}
"""Name of a list of entangled test pairs, in per cent, to its share of the cross-class pairs."""

_MOST_TEST_PAIRS = 10_000_000


@dataclass(frozen=True)
class RunInputs:
    """What a run learns from.

    Attributes:
        data: Rows, sets, images and truth.
        outside: Neighbour graph, and stored edits for the method that takes them.
        left_out: Training samples without candidates.
        words: What the user should know of the stored edits; mostly nothing.
    """

    data: "TrainingData"
    outside: "Outside"
    left_out: int
    words: str = ""


def split_rows(data: LoadedDataset) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to learn from and to be judged by, int64 each, ascending.

    The split `test`, or else the one called validation, is never learned from; of the rest the
    split `train` is, or all where none has such a name.
    """
    names = [name.casefold() for name in data.record.split_names]

    def of(name: str) -> NDArray[np.bool_]:
        return data.splits == names.index(name)

    test = next((of(name) for name in TEST_SPLITS if name in names), np.zeros(len(data), bool))
    train = next((of(name) for name in TRAIN_SPLITS if name in names), ~test)
    return np.flatnonzero(train), np.flatnonzero(test)


def rows_of_split(data: LoadedDataset, split: str) -> NDArray[np.int64]:
    """Rows of a split, int64, ascending.

    Raises:
        SettingError: There is no such split.
    """
    names = data.record.split_names
    if split not in names:
        raise SettingError(
            f"{split!r} is not a split of {data.record.name}. {closest(split, names)}".rstrip()
        )
    return np.flatnonzero(data.splits == names.index(split))


HEADS = ("features", "features-linear")
"""Backbones that read what an extractor gives; it is named after the colon."""


def extractor_of(backbone: str) -> str:
    """The extractor that a backbone reads from, or nothing where it reads the dataset itself."""
    name, _, spec = backbone.partition(":")
    return spec if name in HEADS else ""


def default_backbone(data: LoadedDataset) -> str:
    """The network offered first: an MLP for vectors, for images one that suits their size."""
    if data.pixels is None:
        return "mlp"
    shape = data.pixels.native_shape
    return "resnet8" if shape is not None and max(shape[:2]) < 96 else "resnet18"


def open_run(
    data: LoadedDataset,
    candidates: PartialLabels,
    features: NDArray[np.float32],
    vectors: NDArray[np.float32] | None,
    start_from: str,
    balance: float | None,
    progress: Progress,
    consensus: NDArray[np.float32] | None = None,
) -> RunInputs:
    """Put together what a run learns from.

    Args:
        data: The dataset.
        candidates: N sets, of the version the run is bound to.
        vectors: float32 (N, D), what the network reads in place of images; None where it reads the
            dataset itself.
        features: float32 (N, D). Unit length; for the neighbour graph and the entangled pairs.
        start_from: `propagation`, where belief comes from the neighbours, at first and when
            refreshed; `uniform`; or one where `consensus` is given.
        balance: How strongly propagation takes the classes to be of one size; see `propagate`.
        progress: Told how far it is.
        consensus: float32 (N, C). What annotators together say, for a start from it.

    Raises:
        SettingError: Nothing to learn from.
    """
    from cad_studio.training.opening import Outside

    train_rows, test_rows = split_rows(data)
    is_filled = candidates.take(train_rows).sizes() > 0
    progress.report(0.0, "Finding the entangled test pairs")
    made = training_data(data, candidates, vectors)
    made = replace(made, pairs=entangled_test_pairs(features, data.truth, test_rows, progress))

    def start(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return propagated(np.asarray(features[rows]), candidates.take(rows), balance)

    def graphed(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.asarray(features[rows])

    refresh = refreshing(graphed, candidates, balance)
    outside = Outside()
    if start_from == "propagation":
        outside = Outside(start, refresh)
    elif consensus is not None:
        outside = Outside(lambda rows: consensus[rows])
    return RunInputs(made, outside, int((~is_filled).sum()))


def training_data(
    data: LoadedDataset, candidates: PartialLabels, vectors: NDArray[np.float32] | None
) -> "TrainingData":
    """A dataset as training sees it; arguments as of `open_run`.

    Raises:
        SettingError: Nothing to learn from.
    """
    from cad_studio.training.data import TrainingData

    train_rows, test_rows = split_rows(data)
    own = data.features if vectors is None else vectors
    return TrainingData(
        candidates=candidates,
        train_rows=train_rows[candidates.take(train_rows).sizes() > 0],
        test_rows=test_rows,
        pixels=data.pixels if vectors is None else None,
        features=None if own is None else np.asarray(own),
        truth=data.truth,
        class_names=data.record.class_names,
    )


def entangled_test_pairs(
    features: NDArray[np.float32],
    truth: NDArray[np.int32] | None,
    test_rows: NDArray[np.int64],
    progress: Progress,
) -> dict[str, NDArray[np.int64]]:
    """The closest pairs of test samples of different true class, candidates or not.

    Args:
        features: float32 (N, D). Unit length.
        truth: int32 (N,), `UNKNOWN` where not known; or None.
        test_rows: int64 (T,).
        progress: Told how far it is.

    Returns:
        For each of `ENTANGLED_QUANTILES` its pairs, int64 (P, 2), rows of the dataset, the
        closest first; nothing without pairs of known truth.
    """
    if truth is None or not len(test_rows):
        return {}
    rows = test_rows[truth[test_rows] != UNKNOWN]
    pairs = closest_pairs(features, truth, rows, max(ENTANGLED_QUANTILES.values()), progress)
    if not len(pairs):
        return {}
    n_cross = n_cross_class(truth[rows])
    return {
        name: pairs[: int(np.ceil(share * n_cross))] for name, share in ENTANGLED_QUANTILES.items()
    }


def n_cross_class(labels: NDArray[np.integer]) -> int:
    """How many pairs of samples are of different classes; all labels are known."""
    _, sizes = np.unique(labels, return_counts=True)
    return (len(labels) ** 2 - int((sizes.astype(np.int64) ** 2).sum())) // 2


def closest_pairs(
    features: NDArray[np.float32],
    labels: NDArray[np.integer],
    rows: NDArray[np.int64],
    share: float,
    progress: Progress,
) -> NDArray[np.int32]:
    """The closest pairs of samples of different classes, whatever their candidates.

    Args:
        features: float32 (N, D). Unit length.
        labels: integers (N,). Samples below 0 are left out.
        rows: int64 (M,). Samples among which to look.
        share: Of the cross-class pairs, 0 to 1.
        progress: Told how far it is.

    Returns:
        int32 (P, 2), rows of the dataset, the closest first; at most 10,000,000.
    """
    rows = rows[labels[rows] >= 0]
    own = labels[rows].astype(np.int32)
    if len(np.unique(own)) < 2:
        return np.zeros((0, 2), np.int32)
    every = PartialLabels.from_dense(np.ones((len(rows), int(own.max()) + 1), bool))
    config = MiningConfig(quantile=share, limit=_MOST_TEST_PAIRS)
    found = find_pairs(np.asarray(features[rows]), every, own, config, progress)
    order = np.argsort(-found.similarity, kind="stable")
    return np.stack([rows[found.i[order]], rows[found.j[order]]], axis=1).astype(np.int32)
