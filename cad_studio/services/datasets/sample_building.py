"""Rebuild the bundled samples from the published files."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.annotators.training import Ask
from cad_studio.core.errors import DatasetFormatError, SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Part, Progress
from cad_studio.datasets._arrays import NpzArchive, as_mask
from cad_studio.datasets._base import ReadOptions
from cad_studio.services.access import Access
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.datasets.importing import ImportService
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.services.datasets.sample import HARD_NAME, SAMPLE_NAME, SAMPLES
from cad_studio.services.datasets.synthesis import (
    Annotated,
    SynthesisConfig,
    annotate,
    drawn,
    labelled,
)
from cad_studio.store.projects import Project

EPOCHS = 30
HARD_EPOCHS = 5
_PER_CLASS = {"train": 1000, "test": 200}


def build_sample(
    source: str, out: Path, seed: int, progress: Progress, keep_hard: Path | None = None
) -> dict[str, Any]:
    """Rebuild both samples from the published Fashion-MNIST files.

    Imports all 70,000 images, trains one annotator for `EPOCHS` epochs, draws candidate sets at
    rate 1 from its answers after `HARD_EPOCHS` and at the end, and takes a random balanced subset:
    1,000 of each class for training and 200 for testing.

    Args:
        source: Folder with the four IDX files.
        out: The `.npz` to write; a `.json` beside it says how it was made.
        seed: Random seed.
        progress: Told how far it is.
        keep_hard: A file built before, whose sets of `sample-hard` are kept bit for bit: the
            annotator's answers repeat on the same kind of machine only.

    Raises:
        SettingError: A class has too few images.
        DatasetFormatError: `keep_hard` is not such a file, or holds other images.
    """
    early: list[NDArray[np.float32]] = []
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder))
        datasets = DatasetService(project, Access())
        ImportService(project, Access()).import_source(
            source, "whole", ReadOptions(), False, Part(progress, 0.0, 0.1)
        )
        data = datasets.load("whole")
        truth, learned = labelled(data)
        rows = _balanced_rows(data, np.random.default_rng(seed))
        # Looked at before the training, which takes minutes.
        kept = None if keep_hard is None else _kept(keep_hard, [data.ids[row] for row in rows])

        def remember(epoch: int, ask: Ask) -> bool:
            if epoch == HARD_EPOCHS:
                early.append(ask(np.arange(len(truth))))
            return False

        config = SynthesisConfig(rate=1.0, seed=seed, epochs=EPOCHS)
        made = annotate(data, truth, learned, config, Part(progress, 0.1, 0.95), remember)
        sets, notes = _sets(project, made, truth, rows, len(learned), seed)
        if kept is None:
            hard = _stopped(made, early[0], truth, learned)
            hard_sets, hard_notes = _sets(project, hard, truth, rows, len(learned), seed)
        else:
            hard_sets, hard_notes = kept
        _write(data, rows, sets, hard_sets, out)
        project.close()
    described = {
        "what": "A balanced subset of Fashion-MNIST with synthesised candidate sets, "
        "twice: as an annotator of 30 epochs doubts it, and one of 5",
        "licence": "Fashion-MNIST: MIT, Copyright 2017 Zalando SE",
        "command": f"python -m cad_studio build-sample FOLDER --seed {seed}",
        "per_class": _PER_CLASS,
        "sets": {SAMPLE_NAME: notes, HARD_NAME: hard_notes},
    }
    out.with_suffix(".json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    return {"out": str(out), "bytes": out.stat().st_size, "n": len(rows), **described}


def _sets(
    project: Project,
    made: Annotated,
    truth: NDArray[np.int32],
    rows: NDArray[np.int64],
    n_learned: int,
    seed: int,
) -> tuple[PartialLabels, dict[str, Any]]:
    """Sets of the chosen rows, and how they were made."""
    candidates, details = drawn(made, truth, n_learned, seed)
    # The mean of all 70,000 would be taken for that of the sample.
    del details["mean_candidates"]
    details["candidates_hash"] = project.blobs.save_array(candidates.packed).partition(".")[0]
    taken = candidates.take(rows)
    return taken, {"mean_candidates": round(float(taken.sizes().mean()), 4), "synthesis": details}


def _stopped(
    made: Annotated,
    logits: NDArray[np.float32],
    truth: NDArray[np.int32],
    learned: NDArray[np.int64],
) -> Annotated:
    """The annotator as it was when it was stopped early."""
    accuracy = float((logits[learned].argmax(axis=1) == truth[learned]).mean())
    result = replace(made.result, logits=logits, train_accuracy=accuracy, epochs=HARD_EPOCHS)
    return Annotated(result, replace(made.settings, epochs=HARD_EPOCHS), made.rate)


def _kept(path: Path, ids: list[str]) -> tuple[PartialLabels, dict[str, Any]]:
    """The sets of `sample-hard` in a file that was built before, and how they were made.

    Raises:
        DatasetFormatError: The file or the note beside it is missing or damaged, or it holds
            other images than `ids`.
    """
    array, note = SAMPLES[HARD_NAME], path.with_suffix(".json")
    if not path.is_file():
        raise DatasetFormatError(f"{str(path)!r} does not exist.")
    archive = NpzArchive(path, {array, "ids"})
    if len(archive.announced) < 2:
        raise DatasetFormatError(
            f"{path.name} was not made by build-sample: the arrays {array} and ids are needed."
        )
    if [str(name) for name in archive.read("ids").tolist()] != ids:
        raise DatasetFormatError(
            f"{path.name} holds other images than this build chooses. Use the seed that it was "
            "built with."
        )
    try:
        made = json.loads(note.read_text(encoding="utf-8"))["sets"][HARD_NAME]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetFormatError(
            f"{note.name} beside {path.name} does not say how {HARD_NAME} was made."
        ) from error
    return PartialLabels.from_dense(as_mask(archive.read(array), f"{path.name}, {array}")), made


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


def _write(
    data: LoadedDataset, rows: np.ndarray, sets: PartialLabels, hard: PartialLabels, out: Path
) -> None:
    assert data.pixels is not None
    assert data.truth is not None
    shape = data.pixels.native_shape
    assert shape is not None
    with out.open("wb") as file:
        np.savez_compressed(
            file,
            images=data.pixels.batch(rows, *shape)[..., 0],
            candidates=sets.dense(),
            candidates_hard=hard.dense(),
            labels=data.truth[rows].astype(np.int16),
            ids=np.array([data.ids[row] for row in rows]),
            split=np.array(data.record.split_names)[data.splits[rows]],
            class_names=np.array(data.record.class_names),
        )
