"""The bundled samples: open them in a new project, or rebuild them from the published files.

Both hold the same images, ids, split and order. `sample` has the candidate sets of an annotator
that learned for 30 epochs; `sample-hard` those of one that was stopped after 5, in which most
classes have a distractor in nearly every set.
"""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.annotators.training import Ask
from cad_studio.core.errors import DatasetFormatError, ResourceError, SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Part, Progress
from cad_studio.datasets._arrays import as_mask, read_npz
from cad_studio.datasets._base import ReadOptions, read_source
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.access import Access
from cad_studio.services.datasets import DatasetService
from cad_studio.services.importing import ImportService
from cad_studio.services.loaded import LoadedDataset
from cad_studio.services.mining import MiningRequest, MiningService
from cad_studio.services.synthesis import Annotated, SynthesisConfig, annotate, drawn, labelled
from cad_studio.store.projects import Project

SAMPLE_NAME = "sample"
HARD_NAME = "sample-hard"
SAMPLES = {SAMPLE_NAME: "candidates", HARD_NAME: "candidates_hard"}
"""Name in the project -> array in the file."""

SAMPLE_FILE = Path(__file__).parent.parent.parent / "assets" / "sample.npz"
SAMPLE_QUANTILE = 1e-3
EPOCHS = 30
HARD_EPOCHS = 5
_PER_CLASS = {"train": 1000, "test": 200}


class SampleService:
    """The bundled samples in one project."""

    def __init__(
        self, importing: ImportService, datasets: DatasetService, mining: MiningService
    ) -> None:
        """Work through the other services of the same project."""
        self._importing = importing
        self._datasets = datasets
        self._mining = mining

    def is_wanted(self) -> bool:
        """Whether the samples, or their pairs, are still to be made ready in this project.

        A project with other datasets whose owner removed the samples is left alone, and so is one
        of an earlier version, whose only sample has what is now `sample-hard`.
        """
        names = self._datasets.names()
        held = [name for name in SAMPLES if name in names]
        return not names or any(not self._mining.minings(name) for name in held)

    def open(self, progress: Progress) -> dict[str, Any]:
        """See that a new project has both samples, their pixel features and their pairs.

        Does nothing that was done before.

        Raises:
            ResourceError: The file is missing from this copy of the studio.
        """
        names = self._datasets.names()
        cut_off = (
            SAMPLE_NAME in names
            and not self._mining.minings(SAMPLE_NAME)
            and self.bundled_sets(SAMPLE_NAME) == SAMPLE_NAME
        )
        wanted = [name for name in SAMPLES if name in names or not names or cut_off]
        self._make_ready(wanted, progress)
        return {"name": SAMPLE_NAME, "names": wanted}

    def bring(self, name: str, progress: Progress) -> None:
        """Make a sample ready where it is named in a project that does not hold it yet.

        A project without any dataset gets both.

        Raises:
            ResourceError: The file is missing from this copy of the studio.
        """
        names = self._datasets.names()
        if name in SAMPLES and name not in names:
            self._make_ready([name] if names else list(SAMPLES), progress)

    def bundled_sets(self, name: str) -> str | None:
        """Which sample's sets a dataset was imported with, by content; None for sets of its own."""
        if not SAMPLE_FILE.is_file():
            return None
        first = self._datasets.first_sets(name)
        held = read_npz(SAMPLE_FILE, set(SAMPLES.values()))
        for sample, array in SAMPLES.items():
            if array in held and PartialLabels.from_dense(as_mask(held[array], array)) == first:
                return sample
        return None

    def _make_ready(self, wanted: list[str], progress: Progress) -> None:
        missing = [name for name in wanted if name not in self._datasets.names()]
        if missing and not SAMPLE_FILE.is_file():
            raise ResourceError(
                f"{SAMPLE_FILE} is missing. Restore it from the repository, or rebuild it: "
                "python -m cad_studio build-sample FOLDER."
            )
        part = Part(progress, 0.0, 0.4)
        for at, name in enumerate(missing):
            step = Part(part, at / len(missing), (at + 1) / len(missing))
            found = read_source(str(SAMPLE_FILE), ReadOptions(format="npz"), step)
            sets = as_mask(read_npz(SAMPLE_FILE, {SAMPLES[name]})[SAMPLES[name]], name)
            found = replace(found, candidates=PartialLabels.from_dense(sets))
            self._importing.store(found, name, str(SAMPLE_FILE), False, step)
        part = Part(progress, 0.4, 1.0)
        for at, name in enumerate(wanted):
            if not self._mining.minings(name):
                request = MiningRequest("pixels", MiningConfig(quantile=SAMPLE_QUANTILE))
                step = Part(part, at / len(wanted), (at + 1) / len(wanted))
                self._mining.mine(name, request, step)


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
    kept = None if keep_hard is None else _kept(keep_hard)
    early: list[NDArray[np.float32]] = []
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder))
        datasets = DatasetService(project, Access())
        ImportService(project).import_source(
            source, "whole", ReadOptions(), False, Part(progress, 0.0, 0.1)
        )
        data = datasets.load("whole")
        truth, learned = labelled(data)
        rows = _balanced_rows(data, np.random.default_rng(seed))

        def remember(epoch: int, ask: Ask) -> bool:
            if epoch == HARD_EPOCHS:
                early.append(ask(np.arange(len(truth))))
            return False

        config = SynthesisConfig(rate=1.0, seed=seed, epochs=EPOCHS)
        made = annotate(data, truth, learned, config, Part(progress, 0.1, 0.95), remember)
        sets, notes = _sets(made, truth, rows, len(learned), seed)
        if kept is None:
            hard = _stopped(made, early[0], truth, learned)
            hard_sets, hard_notes = _sets(hard, truth, rows, len(learned), seed)
        else:
            hard_sets, hard_notes = kept.of(data, rows)
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
    made: Annotated, truth: NDArray[np.int32], rows: NDArray[np.int64], n_learned: int, seed: int
) -> tuple[PartialLabels, dict[str, Any]]:
    """Sets of the chosen rows, and how they were made."""
    candidates, details = drawn(made, truth, n_learned, seed)
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


class _Kept:
    """The sets of `sample-hard` in a file that was built before."""

    def __init__(self, path: Path) -> None:
        """Read the file and the note beside it.

        Raises:
            DatasetFormatError: One of them is missing or damaged.
        """
        array = SAMPLES[HARD_NAME]
        arrays = read_npz(path, {array, "ids"})
        note = path.with_suffix(".json")
        if len(arrays) < 2 or not note.is_file():
            raise DatasetFormatError(
                f"{path.name} is not a file that build-sample made: it needs the arrays {array} "
                f"and ids, and {note.name} beside it."
            )
        try:
            self._note = json.loads(note.read_text(encoding="utf-8"))["sets"][HARD_NAME]
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetFormatError(
                f"{note.name} does not say how {HARD_NAME} was made."
            ) from error
        self._path = path
        self._ids = [str(name) for name in arrays["ids"].tolist()]
        self._sets = PartialLabels.from_dense(as_mask(arrays[array], f"{path.name}, {array}"))

    def of(
        self, data: LoadedDataset, rows: NDArray[np.int64]
    ) -> tuple[PartialLabels, dict[str, Any]]:
        """The sets, and how they were made.

        Raises:
            DatasetFormatError: The file holds other images than `rows` of `data`.
        """
        if self._ids != [data.ids[row] for row in rows]:
            raise DatasetFormatError(
                f"{self._path.name} holds other images than this build chooses. Use the seed that "
                "it was built with."
            )
        return self._sets, self._note


def _kept(path: Path) -> _Kept:
    if not path.is_file():
        raise DatasetFormatError(f"{str(path)!r} does not exist.")
    return _Kept(path)


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
