"""Make instance-dependent candidate sets for a labelled dataset."""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cad_studio.annotators._base import AnnotatorConfig
from cad_studio.annotators.flipping import synthesise_candidates
from cad_studio.annotators.training import train_annotator
from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.errors import SettingError
from cad_studio.core.progress import Part, Progress
from cad_studio.core.settings import check_settings, settings_to_json
from cad_studio.services.datasets import DatasetService
from cad_studio.store.projects import Project

TRAIN_SPLIT = "train"


@dataclass(frozen=True)
class SynthesisConfig:
    """Settings of candidate synthesis (CAD, arXiv 2603.04825, with its [code] formula)."""

    rate: float = field(
        default=1.0,
        metadata={
            "help": "Factor on the probability of a wrong class; 0 leaves the label alone.",
            "minimum": 0.0,
            "maximum": 1000.0,
        },
    )
    seed: int = field(
        default=0, metadata={"help": "Where chance comes from.", "minimum": 0, "maximum": 2**31 - 1}
    )
    annotator: str = field(
        default="auto", metadata={"help": "Network.", "choices": ("auto", "mlp", "cnn")}
    )
    epochs: int | None = field(
        default=None,
        metadata={"help": "Passes of the annotator; more give smaller sets.", "minimum": 1},
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_settings(self)


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
            `mean_candidates`, `candidates_hash`, `version`, `version_number`, `seconds`.

        Raises:
            SettingError: Some true labels are not known, or a setting is out of range.
            DamageError: A file of the dataset is missing, or not what was written.
        """
        started = time.monotonic()
        data = self._datasets.load(name)
        data.require_whole()
        truth = data.truth
        unknown = np.flatnonzero(truth == UNKNOWN) if truth is not None else np.arange(len(data))
        if truth is None or len(unknown):
            raise SettingError(
                f"{len(unknown):,} of {len(data):,} samples of {name} have no true label "
                f"(first: row {unknown[0]}). Candidate sets are made from true labels; import "
                "a labelled dataset."
            )
        splits = data.record.split_names
        rows = np.arange(len(data))
        if TRAIN_SPLIT in splits:
            rows = np.flatnonzero(data.splits == splits.index(TRAIN_SPLIT))
        options: dict[str, Any] = {"name": config.annotator}
        if config.epochs is not None:
            options["epochs"] = config.epochs
        settings = AnnotatorConfig(**options)
        result = train_annotator(
            data.pixels,
            data.features,
            truth,
            rows,
            data.record.n_classes,
            settings,
            config.seed,
            Part(progress, 0.0, 0.95),
        )
        progress.report(0.95, "Drawing candidate sets")
        generator = np.random.default_rng(config.seed)
        candidates = synthesise_candidates(result.logits, truth, config.rate, generator)
        details: dict[str, Any] = {
            "rate": config.rate,
            "seed": config.seed,
            "annotator": result.name,
            "annotator_settings": settings_to_json(settings),
            "annotator_accuracy": round(result.train_accuracy, 6),
            "annotator_learned_from": len(rows),
            "mean_candidates": round(float(candidates.sizes().mean()), 6),
        }
        with self._project.saving():
            blob = self._project.blobs.save_array(candidates.packed)
            details["candidates_hash"] = blob.partition(".")[0]
            dataset = self._project.datasets.add_version(name, blob, "synthesize", details)
        return {
            "name": name,
            **details,
            "version": dataset.version.hash,
            "version_number": dataset.version.number,
            "seconds": round(time.monotonic() - started, 2),
        }
