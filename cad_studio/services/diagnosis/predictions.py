"""What a run's model says of every sample, computed once and kept beside the run.

A folder `diagnosis` in the run's folder, replaced at once or not at all: `logits.npy`,
`features.npy` (the run's own, unit length), `pairs-train.npy` and `pairs-test.npy` (the closest
cross-class pairs in the features the run names), `apart-train.npy` and `apart-test.npy` (their
cosines in the run's own), `similarity.npy` (each sample's nearest sample of
another class in those), and `card.json`, which says of which model and classes they are.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.errors import (
    DamageError,
    RecordNotFoundError,
    SettingError,
    StorageError,
    is_disk_full,
)
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Part, Progress
from cad_studio.core.records import Run
from cad_studio.diagnosis.beliefs import read_beliefs
from cad_studio.diagnosis.entanglement import (
    cosines_of,
    cross_class_threshold,
    nearest_other_class,
)
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.services.diagnosis.answers import Predictions
from cad_studio.services.pairs.mining import MiningService
from cad_studio.services.training.inputs import (
    ENTANGLED_QUANTILES,
    closest_pairs,
    split_rows,
    training_data,
)
from cad_studio.services.training.runs import RunService, name_of
from cad_studio.store.projects import Project

if TYPE_CHECKING:
    from cad_studio.training.snapshots import Snapshots

_FOLDER = "diagnosis"
_FORMAT = 2
_HELD = 24  # a comparison takes 20
_AGAIN = "Ask its network again: press Diagnose, or python -m cad_studio evaluate RUN."


@dataclass(frozen=True)
class _Key:
    """What the answers of a run depend on."""

    model: str
    n_samples: int
    content: str
    features: str
    candidates: str

    def text(self) -> str:
        whole = json.dumps([_FORMAT, self.__dict__], sort_keys=True)
        return hashlib.sha256(whole.encode()).hexdigest()[:24]


class PredictionService:
    """The answers of the runs of one project."""

    def __init__(
        self, project: Project, datasets: DatasetService, mining: MiningService, runs: RunService
    ) -> None:
        """Keep answers in the run folders of `project`."""
        self._project = project
        self._datasets = datasets
        self._mining = mining
        self._runs = runs
        self._held: LRUCache[int, tuple[str, str, Predictions]] = LRUCache(_HELD)
        self._lock = Lock()

    def is_ready(self, run_id: int) -> bool:
        """Whether the answers of a run's present model are there."""
        try:
            run = self._project.runs.get(run_id)
            return self._known(run_id) == self._key(run, self._data(run)).text()
        except RecordNotFoundError:
            return False

    def load(self, run_id: int) -> Predictions:
        """The answers of a run.

        Raises:
            RecordNotFoundError: There is no model, or it was not asked yet.
            NotAllowedError: It learned from answers that are hidden from the one who asks.
        """
        run = self._project.runs.get(run_id)
        data = self._data(run)
        if run.version_hash in self._datasets.annotated_versions(data.record.name):
            self._datasets.require_nothing_hidden(data.record.name, name_of(run))
        key = self._key(run, data).text()
        with self._lock:
            held = self._held.get(run_id)
            if held is None or held[:2] != (key, data.view):
                if self._known(run_id) != key:
                    raise RecordNotFoundError(
                        f"The network of {name_of(run)} was not asked about the samples of "
                        f"{data.record.name} yet. {_AGAIN.replace('RUN', str(run_id))}"
                    )
                made = self._open(run, data)
                held = self._held[run_id] = (key, data.view, made)
        return held[2]

    def prepare(self, run_id: int, progress: Progress) -> Predictions:
        """Ask a run's model about every sample of its dataset, unless that was done.

        Raises:
            RecordNotFoundError: There is no model, or the sets it learned from are gone.
            SettingError: The dataset has other classes now.
            DamageError: A file of the dataset is missing, or not what was written.
            StorageError: The disk is full.
        """
        run = self._project.runs.get(run_id)
        data = self._data(run)
        key = self._key(run, data).text()
        data.require_whole()
        if self._known(run_id) != key:
            from filelock import FileLock

            folder = self._project.run_folder(run_id)
            # A run's own job and somebody who waited for it may ask at the same time.
            with FileLock(folder / f"{_FOLDER}.lock"):
                if self._known(run_id) != key:
                    fill = partial(self._fill, run, data, progress=progress)
                    self._make(key, data.record.class_names, folder, fill)
        return self.load(run_id)

    def adopt(
        self, run_id: int, answers: Mapping[str, NDArray[Any]], card: dict[str, Any], time_ns: int
    ) -> bool:
        """Keep answers that this very model gave in another project.

        Args:
            run_id: The run, with its model.
            answers: The arrays of the folder by name, of any precision.
            card: Of the folder there.
            time_ns: When the model was written there; from now on here too, as the key names it.

        Returns:
            Whether they are of this model, these samples and these sets; else nothing is kept.

        Raises:
            StorageError: The disk is full.
        """
        run, file = self._project.runs.get(run_id), self._runs.model_path(run_id)
        os.utime(file, ns=(time_ns, time_ns))
        if self._key(run, self._data(run)).text() != card["key"]:
            return False

        def fill(made: Path) -> dict[str, float]:
            for name, array in answers.items():
                kind = np.int32 if array.dtype.kind in "iu" else np.float32
                exact = array.astype(kind)
                if name == "features":
                    exact /= np.maximum(np.linalg.norm(exact, axis=1, keepdims=True), 1e-12)
                np.save(made / f"{name}.npy", exact)
            return dict(card["thresholds"])

        self._make(card["key"], card["classes"], self._project.run_folder(run_id), fill)
        return True

    def _make(
        self,
        key: str,
        classes: list[str],
        folder: Path,
        fill: Callable[[Path], dict[str, float]],
    ) -> None:
        """Put what `fill` writes, and a card, in the place of what was there."""
        made = folder / f"{_FOLDER}.unfinished"
        shutil.rmtree(made, ignore_errors=True)
        try:
            made.mkdir(parents=True)
            thresholds = fill(made)
            card = {"key": key, "classes": classes, "thresholds": thresholds}
            (made / "card.json").write_text(json.dumps(card), encoding="utf-8")
            shutil.rmtree(folder / _FOLDER, ignore_errors=True)
            os.replace(made, folder / _FOLDER)
        except OSError as error:
            if is_disk_full(error):
                raise StorageError(
                    f"No space is left in {folder}. Free some and start again."
                ) from error
            raise
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def key_for_features(self, name: str, run_id: int) -> str:
        """What the features of a run depend on, once they may teach another run on a dataset.

        Raises:
            SettingError: It is on another dataset, or saw true labels.
            RecordNotFoundError: There is no such run, or it has no model yet.
        """
        from cad_studio.algorithms._base import ALGORITHMS

        run = self._project.runs.get(run_id)
        data = self._data(run)
        if data.record.name != name:
            raise SettingError(f"{name_of(run)} is on {data.record.name}, not on {name}.")
        if ALGORITHMS.get(run.method).uses_truth:
            raise SettingError(
                f"{name_of(run)} was trained on true labels, which must not reach what is trained "
                "on its features. Choose a run that learned from candidates."
            )
        return self._key(run, data).text()

    def history(self, found: Predictions) -> tuple[list[NDArray[np.float16]], NDArray[np.int64]]:
        """The belief over the candidates at the epochs a run kept it.

        Returns:
            One float16 (sum of the set sizes,) per epoch of `history_epochs`, sample after
            sample and class after class; and int64 (M,), the rows the run learned from.
        """
        snapshots, rows, sets = self._snapshots(found)
        wanted = int(sets.sizes().sum())
        with _damage_told(found.run):
            kept = [snapshots.load(epoch) for epoch in snapshots.epochs()]
        return [each for each in kept if len(each) == wanted], rows

    def history_of(self, found: Predictions, row: int) -> dict[str, Any] | None:
        """How the belief about one sample went: `epochs` and `beliefs` by candidate, or None."""
        snapshots, rows, sets = self._snapshots(found)
        place = int(np.searchsorted(rows, row))
        if place >= len(rows) or rows[place] != row or not snapshots.epochs():
            return None
        with _damage_told(found.run):
            beliefs = snapshots.of(place, sets)
        return {"epochs": snapshots.epochs(), "beliefs": beliefs}

    def _snapshots(
        self, found: Predictions
    ) -> "tuple[Snapshots, NDArray[np.int64], PartialLabels]":
        from cad_studio.training.hold_out import split_hold_out
        from cad_studio.training.snapshots import Snapshots

        train_rows, _ = split_rows(found.data)
        filled = train_rows[found.candidates.take(train_rows).sizes() > 0]
        config = found.run.config
        rows, _ = split_hold_out(filled, config["hold_out"], config["seed"])
        folder = self._project.run_folder(found.run.id) / "beliefs"
        return Snapshots(folder), rows, found.candidates.take(rows)

    def _fill(
        self, run: Run, data: LoadedDataset, folder: Path, progress: Progress
    ) -> dict[str, float]:
        """Write all files but the card; the thresholds of entangled in the run's own features."""
        from cad_studio.training.prediction import answers

        model = self._runs.model_path(run.id)
        candidates = self._candidates(run, data)
        vectors = self._mining.vectors_of(data.record.name, run.backbone, Part(progress, 0.0, 0.1))
        inputs = training_data(data, candidates, vectors)
        filled, test_rows = inputs.train_rows, inputs.test_rows
        rows = np.arange(len(data))
        logits = _new(folder / "logits.npy", (len(data), data.record.n_classes))
        features, at = None, 0
        told = Part(progress, 0.1, 0.6)
        for some_logits, some_features in answers(model, inputs, rows, told):
            part = slice(at, at + len(some_logits))
            logits[part] = some_logits
            if features is None:
                shape = (len(data), some_features.shape[1])
                features = _new(folder / "features.npy", shape)
            features[part] = some_features
            at += len(some_logits)
        assert features is not None
        logits.flush()
        features.flush()
        labels = read_beliefs(logits, candidates).best
        if data.truth is not None:
            labels = np.where(data.truth != UNKNOWN, data.truth, labels)
        spec = self._mining.extract(data.record.name, run.features, Part(progress, 0.6, 0.7))
        outside = self._mining.load_features(spec)
        share, thresholds = max(ENTANGLED_QUANTILES.values()), {}
        for name, some, low in (("train", filled, 0.7), ("test", test_rows, 0.85)):
            told = Part(progress, low, low + 0.1)
            told.report(0.0, f"Finding the entangled {name} pairs")
            pairs = closest_pairs(outside, labels, some, share, told)
            np.save(folder / f"pairs-{name}.npy", pairs)
            np.save(folder / f"apart-{name}.npy", cosines_of(features, pairs))
            among = np.full(len(data), UNKNOWN)
            among[some] = labels[some]
            thresholds[name] = cross_class_threshold(features, among, share)
        told = Part(progress, 0.95, 1.0)
        near, _ = nearest_other_class(outside, labels, told, first=test_rows)
        np.save(folder / "similarity.npy", near)
        return thresholds

    def _open(self, run: Run, data: LoadedDataset) -> Predictions:
        notes = []
        record = data.record
        if run.version_hash != record.version.hash:
            numbers = {v.hash: v.number for v in self._project.datasets.versions(record.name)}
            before = numbers.get(run.version_hash)
            trained = "an earlier version" if before is None else f"v{before}"
            notes.append(
                f"Trained on {trained} of {record.name}; the data is now v{record.version.number}. "
                "The figures use the sets the run learned from."
            )
        folder = self._project.run_folder(run.id) / _FOLDER
        found = Predictions(
            run, data, self._candidates(run, data), folder, notes, self._datasets.fields.mask,
            self._project.derived,
        )  # fmt: skip
        before = found.card["classes"]
        if before != record.class_names:
            renamed = [f"{a} is now {b}" for a, b in zip(before, record.class_names, strict=True)
                       if a != b]  # fmt: skip
            notes.append(f"Classes were renamed since: {', '.join(renamed[:5])}.")
        return found

    def _candidates(self, run: Run, data: LoadedDataset) -> PartialLabels:
        if not self._project.blobs.has(run.candidates):
            raise RecordNotFoundError(
                f"The candidate sets {name_of(run)} learned from (version {run.version_hash}) are "
                "not in this project any more. Train a new run on the present version."
            )
        packed = self._project.blobs.load_array(run.candidates)
        width = -(-data.record.n_classes // 8)
        if packed.shape != (len(data), width):
            raise SettingError(
                f"{data.record.name} has {data.record.n_classes} classes now; {name_of(run)} "
                "learned from another number. Train a new run."
            )
        return PartialLabels(packed, data.record.n_classes)

    def _data(self, run: Run) -> LoadedDataset:
        return self._datasets.load_for_run(self._runs.dataset_of(run).name, run.version_hash)

    def _key(self, run: Run, data: LoadedDataset) -> _Key:
        status = self._runs.model_path(run.id).stat()
        return _Key(
            f"{status.st_size} {status.st_mtime_ns}", len(data), data.record.content_hash,
            run.features, run.candidates,
        )  # fmt: skip

    def _known(self, run_id: int) -> str | None:
        file = self._project.run_folder(run_id) / _FOLDER / "card.json"
        try:
            return json.loads(file.read_text(encoding="utf-8"))["key"]
        except (OSError, ValueError, KeyError):
            return None


@contextmanager
def _damage_told(run: Run) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise DamageError(
            f"The beliefs that {name_of(run)} kept at its epochs are damaged. Nothing was changed. "
            "Put them back from a copy of the project folder, or train a new run."
        ) from error


def _new(file: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    return np.lib.format.open_memmap(file, "w+", np.float32, shape)
