"""Make instance-dependent candidate sets for a labelled dataset."""

import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.annotators._base import AnnotatorConfig, AnnotatorResult
from cad_studio.annotators.calibration import (
    MOST_EPOCHS,
    TOLERANCE,
    SizeWatch,
    expected_size,
    find_rate,
)
from cad_studio.annotators.flipping import synthesise_candidates
from cad_studio.annotators.training import Watch, epochs_made, train_annotator
from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.errors import SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Part, Progress
from cad_studio.core.settings import check_settings, settings_to_json
from cad_studio.services.datasets import set_figures
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.store.projects import Project

TRAIN_SPLIT = "train"
DEFAULT_RATE = 1.0


@dataclass(frozen=True)
class SynthesisConfig:
    """Settings of candidate synthesis (CAD, arXiv 2603.04825, with its [code] formula).

    With a `mean_size`, what is left out of `epochs` and `rate` is found: the epochs at the rate
    that is given, the rate for the epochs that are given, or the epochs at rate 1 and then the rate
    that meets the size.
    """

    rate: float | None = field(
        default=None,
        metadata={
            "help": "Factor on the probability of a wrong class; 0 leaves the label alone. "
            f"Left out: {DEFAULT_RATE:g}.",
            "minimum": 0.0,
            "maximum": 1000.0,
        },
    )
    seed: int = field(
        default=0, metadata={"help": "Random seed.", "minimum": 0, "maximum": 2**31 - 1}
    )
    annotator: str = field(
        default="auto", metadata={"help": "Network.", "choices": ("auto", "mlp", "cnn")}
    )
    epochs: int | None = field(
        default=None,
        metadata={
            "help": "Passes of the annotator; more give smaller, more varied sets. "
            f"Left out: {AnnotatorConfig().epochs}.",
            "minimum": 1,
            "maximum": 1000,
        },
    )
    mean_size: float | None = field(
        default=None,
        metadata={
            "help": "Mean number of candidates wanted, such as 3: finds the epochs and the rate, "
            "those of them that are left out.",
            "minimum": 1.0,
            "maximum": 1000.0,
        },
    )

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            SettingError: A field is out of range, or nothing is left to find.
        """
        check_settings(self)
        if None not in (self.mean_size, self.epochs, self.rate):
            raise SettingError(
                "mean_size, epochs and rate are all given, which leaves nothing to find. Leave "
                "out the epochs, the rate or both, and they are chosen for that size."
            )


@dataclass(frozen=True)
class Annotated:
    """An annotator's answers, and how they become sets.

    Attributes:
        result: Logits of all samples.
        settings: Of the annotator, its epochs as they were found.
        rate: Factor on the flip probabilities.
        calibration: What was found and how well it fits; None where all was given.
    """

    result: AnnotatorResult
    settings: AnnotatorConfig
    rate: float
    calibration: dict[str, Any] | None = None


class SynthesisService:
    """Candidate synthesis in one project."""

    def __init__(self, project: Project, datasets: DatasetService) -> None:
        """Store into `project`, read through `datasets`."""
        self._project = project
        self._datasets = datasets

    def synthesize(self, name: str, config: SynthesisConfig, progress: Progress) -> dict[str, Any]:
        """Train an annotator on the true labels and draw a new version of the candidate sets.

        It learns from the `train` split where there is one, else from all samples, and judges all.

        Returns:
            `name`, `rate`, `seed`, `annotator`, `annotator_accuracy` (on what it learned from),
            `mean_candidates`, `candidates_hash`, `version`, `version_number`, `seconds`,
            `worst_distractor` (as `describe` gives it) and
            `calibration` where a mean size was asked for: `mean_size`, `found` (names of the
            settings), `expected_size`, `tolerance`.

        Raises:
            SettingError: Some true labels are not known, a setting is out of range, or no setting
                gives the mean size that is asked for.
            DamageError: A file of the dataset is missing, or not what was written.
        """
        started = time.monotonic()
        data = self._datasets.load(name)
        data.require_whole()
        truth, rows = labelled(data)
        if config.mean_size is not None and config.mean_size > data.record.n_classes:
            raise SettingError(
                f"mean_size is {config.mean_size:g}, but {name} has {data.record.n_classes} "
                f"classes. Choose a size from 1 to {data.record.n_classes}."
            )
        made = annotate(data, truth, rows, config, Part(progress, 0.0, 0.95))
        progress.report(0.95, "Drawing candidate sets")
        candidates, details = drawn(made, truth, len(rows), config.seed)
        with self._project.saving():
            blob = self._project.blobs.save_array(candidates.packed)
            details["candidates_hash"] = blob.partition(".")[0]
            dataset = self._project.datasets.add_version(name, blob, "synthesize", details)
        return {
            "name": name,
            **details,
            "worst_distractor": set_figures.worst_distractor(self._datasets.load(name)),
            "version": dataset.version.hash,
            "version_number": dataset.version.number,
            "seconds": round(time.monotonic() - started, 2),
        }


def labelled(data: LoadedDataset) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """True labels of a dataset, int32 (N,), and the rows an annotator learns from, int64 (M,).

    Raises:
        SettingError: Some true labels are not known.
    """
    truth = data.truth
    unknown = np.flatnonzero(truth == UNKNOWN) if truth is not None else np.arange(len(data))
    if truth is None or len(unknown):
        raise SettingError(
            f"{len(unknown):,} of {len(data):,} samples of {data.record.name} have no true label "
            f"(first: row {unknown[0]}). Candidate sets are made from true labels; import "
            "a labelled dataset."
        )
    splits = data.record.split_names
    rows = np.arange(len(data))
    if TRAIN_SPLIT in splits:
        rows = np.flatnonzero(data.splits == splits.index(TRAIN_SPLIT))
    return truth, rows


def annotate(
    data: LoadedDataset,
    truth: NDArray[np.int32],
    rows: NDArray[np.int64],
    config: SynthesisConfig,
    progress: Progress,
    watch: Watch | None = None,
) -> Annotated:
    """Train an annotator, and find what of its settings is to be found.

    Args:
        data: A labelled dataset.
        truth: int32 (N,). 0 to C - 1.
        rows: int64 (M,). Rows it learns from.
        config: What is asked for.
        progress: Told how far it is.
        watch: Looks at the annotator after each epoch where no mean size is asked for.

    Raises:
        SettingError: The training fails, or no setting gives the mean size.
    """
    settings = AnnotatorConfig(name=config.annotator)
    if config.epochs is not None:
        settings = replace(settings, epochs=config.epochs)
    rate = DEFAULT_RATE if config.rate is None else config.rate
    sizes = None
    if config.mean_size is not None and config.epochs is None:
        least = epochs_made(replace(settings, epochs=1), len(rows))
        settings = replace(settings, epochs=max(MOST_EPOCHS, 3 * least))
        exactly = config.rate is not None
        watch = sizes = SizeWatch(truth, rate, config.mean_size, exactly, least)
    result = train_annotator(
        data.pixels, data.features, truth, rows, data.record.n_classes, settings, config.seed,
        progress, watch=watch,
    )  # fmt: skip
    if config.mean_size is None:
        return Annotated(result, settings, rate)
    found = []
    if sizes is not None:
        settings = replace(settings, epochs=result.epochs)
        found.append("epochs")
    if config.rate is None:
        rate, size = find_rate(result.logits, truth, config.mean_size)
        found.append("rate")
    else:
        assert sizes is not None
        size = expected_size(result.logits, truth, rate)
        if abs(size - config.mean_size) > TOLERANCE:
            raise SettingError(_out_of_reach(config.mean_size, rate, sizes.sizes))
    calibration = {
        "mean_size": config.mean_size,
        "found": found,
        "expected_size": round(size, 4),
        "tolerance": TOLERANCE,
    }
    return Annotated(result, settings, rate, calibration)


def drawn(
    made: Annotated, truth: NDArray[np.int32], n_learned_from: int, seed: int
) -> tuple[PartialLabels, dict[str, Any]]:
    """Candidate sets from an annotator's answers, and what is needed to make them again."""
    generator = np.random.default_rng(seed)
    candidates = synthesise_candidates(made.result.logits, truth, made.rate, generator)
    details: dict[str, Any] = {
        "rate": made.rate,
        "seed": seed,
        "annotator": made.result.name,
        "annotator_settings": settings_to_json(made.settings),
        "annotator_epochs": made.result.epochs,
        "annotator_accuracy": round(made.result.train_accuracy, 6),
        "annotator_learned_from": n_learned_from,
        "mean_candidates": round(float(candidates.sizes().mean()), 6),
    }
    if made.calibration is not None:
        details["calibration"] = made.calibration
    return candidates, details


def _out_of_reach(mean_size: float, rate: float, sizes: dict[int, float]) -> str:
    closest = min(sizes, key=lambda epoch: abs(sizes[epoch] - mean_size))
    tried = f"{min(sizes)} to {max(sizes)}" if len(sizes) > 1 else f"{max(sizes)}"
    return (
        f"At rate {rate:g} no number of epochs gives sets of mean size {mean_size:g} (tolerance "
        f"{TOLERANCE:g}): of {tried} epochs, {closest} come closest with {sizes[closest]:.2f}. "
        "Leave the rate out, and it is chosen for that size."
    )
