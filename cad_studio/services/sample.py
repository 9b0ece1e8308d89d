"""The bundled sample: open it in a new project, or rebuild it from the published files."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from cad_studio.core.errors import ResourceError, SettingError
from cad_studio.core.progress import Part, Progress
from cad_studio.datasets._base import ReadOptions
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.access import Access
from cad_studio.services.datasets import DatasetService
from cad_studio.services.importing import ImportService
from cad_studio.services.loaded import LoadedDataset
from cad_studio.services.mining import MiningRequest, MiningService
from cad_studio.services.synthesis import SynthesisConfig, SynthesisService
from cad_studio.store.projects import Project

SAMPLE_NAME = "sample"
SAMPLE_FILE = Path(__file__).parent.parent.parent / "assets" / "sample.npz"
SAMPLE_QUANTILE = 1e-3
_PER_CLASS = {"train": 1000, "test": 200}


class SampleService:
    """The bundled sample in one project."""

    def __init__(
        self, importing: ImportService, datasets: DatasetService, mining: MiningService
    ) -> None:
        """Work through the other services of the same project."""
        self._importing = importing
        self._datasets = datasets
        self._mining = mining

    def is_wanted(self) -> bool:
        """Whether the sample, or its pairs, are still to be made ready in this project.

        A project with other datasets whose owner removed the sample is left alone.
        """
        names = self._datasets.names()
        if SAMPLE_NAME in names:
            return not self._mining.minings(SAMPLE_NAME)
        return not names

    def open(self, progress: Progress) -> dict[str, Any]:
        """See that the project has the sample, its pixel features and its pairs.

        Does nothing that was done before.

        Raises:
            ResourceError: The file is missing from this copy of the studio.
        """
        if SAMPLE_NAME not in self._datasets.names():
            if not SAMPLE_FILE.is_file():
                raise ResourceError(
                    f"{SAMPLE_FILE} is missing. Restore it from the repository, or rebuild it: "
                    "python -m cad_studio build-sample FOLDER."
                )
            options = ReadOptions(format="npz")
            self._importing.import_source(
                str(SAMPLE_FILE), SAMPLE_NAME, options, False, Part(progress, 0.0, 0.4)
            )
        if not self._mining.minings(SAMPLE_NAME):
            request = MiningRequest("pixels", MiningConfig(quantile=SAMPLE_QUANTILE))
            self._mining.mine(SAMPLE_NAME, request, Part(progress, 0.4, 1.0))
        return {"name": SAMPLE_NAME}


def build_sample(source: str, out: Path, seed: int, progress: Progress) -> dict[str, Any]:
    """Rebuild the sample from the published Fashion-MNIST files.

    Imports all 70,000 images, makes candidate sets at rate 1.0, and takes a random balanced
    subset: 1,000 of each class for training and 200 for testing.

    Args:
        source: Folder with the four IDX files.
        out: The `.npz` to write; a `.json` beside it says how it was made.
        seed: Where chance comes from.
        progress: Told how far it is.

    Raises:
        SettingError: A class has too few images.
    """
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder))
        datasets = DatasetService(project, Access())
        ImportService(project, Access()).import_source(
            source, "whole", ReadOptions(), False, Part(progress, 0.0, 0.3)
        )
        made = SynthesisService(project, datasets).synthesize(
            "whole", SynthesisConfig(rate=1.0, seed=seed), Part(progress, 0.3, 0.95)
        )
        data = datasets.load("whole")
        rows = _balanced_rows(data, np.random.default_rng(seed))
        _write(data, rows, out)
        project.close()
    described = {
        "what": "A balanced subset of Fashion-MNIST with synthesised candidate sets",
        "licence": "Fashion-MNIST: MIT, Copyright 2017 Zalando SE",
        "command": f"python -m cad_studio build-sample FOLDER --seed {seed}",
        "per_class": _PER_CLASS,
        "mean_candidates": round(float(data.candidates.take(rows).sizes().mean()), 4),
        "synthesis": {key: made[key] for key in (
            "rate", "seed", "annotator", "annotator_settings", "annotator_accuracy",
            "annotator_learned_from", "candidates_hash",
        )},
    }  # fmt: skip
    out.with_suffix(".json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    return {"out": str(out), "bytes": out.stat().st_size, "n": len(rows), **described}


def _balanced_rows(data: LoadedDataset, generator: np.random.Generator) -> np.ndarray:
    assert data.truth is not None
    chosen = []
    for split, per_class in _PER_CLASS.items():
        if split not in data.record.split_names:
            raise SettingError(
                f"The source has no {split!r} split; both published parts are needed."
            )
        code = data.record.split_names.index(split)
        for label in range(data.record.n_classes):
            rows = np.flatnonzero((data.splits == code) & (data.truth == label))
            if len(rows) < per_class:
                raise SettingError(
                    f"Class {data.record.class_names[label]!r} has {len(rows)} {split} images; "
                    f"{per_class} are needed."
                )
            chosen.append(np.sort(generator.choice(rows, per_class, replace=False)))
    train = np.sort(np.concatenate(chosen[: data.record.n_classes]))
    test = np.sort(np.concatenate(chosen[data.record.n_classes :]))
    return np.concatenate([train, test])


def _write(data: LoadedDataset, rows: np.ndarray, out: Path) -> None:
    assert data.pixels is not None
    assert data.truth is not None
    shape = data.pixels.native_shape
    assert shape is not None
    with out.open("wb") as file:
        np.savez_compressed(
            file,
            images=data.pixels.batch(rows, *shape)[..., 0],
            candidates=data.candidates.dense(rows),
            labels=data.truth[rows].astype(np.int16),
            ids=np.array([data.ids[row] for row in rows]),
            split=np.array(data.record.split_names)[data.splits[rows]],
            class_names=np.array(data.record.class_names),
        )
