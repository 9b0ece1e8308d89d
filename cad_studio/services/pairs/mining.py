"""Extract features and find the entangled pairs of a dataset."""

import hashlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.errors import (
    CadStudioError,
    DatasetFormatError,
    NotAllowedError,
    ReadOnlyError,
    RecordNotFoundError,
    ResourceError,
    SettingError,
    closest,
)
from cad_studio.core.progress import Part, Progress
from cad_studio.core.records import FeatureSet, Mining
from cad_studio.core.settings import settings_to_json
from cad_studio.core.workers import ALONE, Workers
from cad_studio.extractors._base import Extractor, make_extractor, parse
from cad_studio.mining.cells import LEAST_ROWS
from cad_studio.mining.entangled import find_pairs
from cad_studio.mining.neighbours import faiss_neighbours
from cad_studio.mining.pairs import Pairs
from cad_studio.mining.propagation import best_labels, propagate
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.access import Access
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.services.pairs.cells import CellService
from cad_studio.services.pairs.feature_choice import best_spec, plain_spec
from cad_studio.services.training.inputs import extractor_of
from cad_studio.store.projects import Project

BEST = "best"
"""Asks for the best features there are, in place of an extractor's name."""

OFFERED = (
    "pixels",
    "hog",
    "torchvision:resnet18",
    "torchvision:convnext_tiny",
    "hf:facebook/dinov2-small",
)
OF_A_RUN = "run:"
"""Begins the name of a run's own features, e.g. `run:8`."""

_THE_DATA = ("raw", "pixels")
"""Features that are the data themselves; a run may learn from them whatever they are."""

LABEL_CHOICES = ("auto", "best")
N_GRAPH_NEIGHBOURS = 10


@dataclass(frozen=True)
class MiningRequest:
    """One search, as a user asks for it.

    Attributes:
        features: Extractor, e.g. `pixels` or `torchvision:resnet18`, or `best`.
        config: Threshold or quantile, and how to search.
        labels: `auto` judges "different class" by true labels where known, else by the best
            current label; `best` never looks at true labels.
        split: Search within this split only; None takes all samples.
    """

    features: str
    config: MiningConfig
    labels: str = "auto"
    split: str | None = None

    def __post_init__(self) -> None:
        """Check the choice of labels."""
        if self.labels not in LABEL_CHOICES:
            hint = closest(self.labels, LABEL_CHOICES)
            raise SettingError(f"labels is {self.labels!r}. {hint}".rstrip())


class MiningService:
    """Features and pairs of one project.

    Attributes:
        cells: Finds the neighbours of single samples.
    """

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        access: Access,
        of_run: Callable[[str, str], Extractor] | None = None,
        workers: Workers = ALONE,
    ) -> None:
        """Store into `project`, read datasets through `datasets`; `access` rules on new specs.

        `of_run` gives the extractor of a dataset and a spec such as `run:8`; without it there is
        none. `workers` compute features and compare them.
        """
        self._workers = workers
        self.cells = CellService(project)
        self._of_run = of_run
        self._project = project
        self._datasets = datasets
        self._access = access

    def extract(self, name: str, spec: str, progress: Progress, renew: bool = False) -> FeatureSet:
        """Features of a dataset, from the cache when they were made before.

        Who is no owner gets a stored set under its spec, and no file or model is opened for that.

        Args:
            name: The dataset.
            spec: The extractor.
            progress: Told how far it is.
            renew: Compute them again when their file is damaged.

        Raises:
            SettingError: No such extractor.
            ResourceError: What it needs from outside cannot be had, and nothing is stored of it.
            DatasetFormatError: A vector is zero or not finite, or all are equal.
            DamageError: What they are computed from is damaged.
            NotAllowedError: The spec names a file or model, there are no such features yet, and
                the one who acts is no owner.
        """
        data = self._datasets.load(name)
        stored = self._stored_for_others(name, spec)
        if stored is not None:
            return stored
        extractor = self._extractor(name, spec)
        try:
            key = extractor.key()
        except CadStudioError as error:
            # What a model gave outlives the model; one that is there and broken is told.
            is_gone = isinstance(error, ResourceError)
            is_gone |= isinstance(error.__cause__, FileNotFoundError)
            kept = self.stored(name, spec)
            if not is_gone or kept is None:
                raise
            return kept
        found = self._project.features.find(data.record.content_hash, key)
        if found is not None and not (renew and self._project.blobs.problem(found.file)):
            return found
        data.require_whole()
        work = hashlib.sha256(f"{data.record.content_hash} {key}".encode()).hexdigest()[:24]
        partial = self._project.partial_folder(work)
        # A page and a job may want the same at the same time, and share the finished parts.
        lock = partial.with_suffix(".lock")
        with FileLock(lock):
            found = self._project.features.find(data.record.content_hash, key)
            if found is None or (renew and self._project.blobs.problem(found.file)):
                found = self._made(data, spec, key, extractor, found, partial, progress)
        lock.unlink(missing_ok=True)  # who waits for it finds the features
        return found

    def _made(
        self,
        data: LoadedDataset,
        spec: str,
        key: str,
        extractor: Extractor,
        found: FeatureSet | None,
        partial: Path,
        progress: Progress,
    ) -> FeatureSet:
        """Compute features and store them, in place of those `found` damaged."""
        started = time.monotonic()
        partial.mkdir(parents=True, exist_ok=True)
        told = Part(progress, 0.0, 0.95 if len(data) >= LEAST_ROWS else 1.0)
        features = extractor.extract(data.pixels, data.features, told, partial, self._workers)
        if spec not in _THE_DATA and _is_constant(features):
            raise DatasetFormatError(
                f"All {len(features):,} vectors of {spec} are equal, so no sample is nearer to "
                "another than the rest. Choose another feature extractor."
            )
        seconds = round(time.monotonic() - started, 3)
        with self._project.saving():
            file = self._project.blobs.save_array(features)
            if found is not None:
                made = self._project.features.renew(found.id, file, seconds)
            else:
                made = self._project.features.add(
                    data.record.content_hash, spec, key, extractor.describe(), file,
                    features.shape[1], seconds,
                )  # fmt: skip
        shutil.rmtree(partial, ignore_errors=True)
        self.cells.keep(made, Part(progress, 0.95, 1.0))
        return made

    def check_spec(self, name: str, spec: str) -> str:
        """An extractor for a dataset, known to exist, trimmed; of `best` the one that is.

        Raises:
            SettingError: There is no such extractor.
            NotAllowedError: As `extract`.
        """
        spec = spec.strip()
        if spec == BEST:
            return self.best_features(name)
        if self._stored_for_others(name, spec) is None:
            self._extractor(name, spec)
        return spec

    def check_split(self, name: str, split: str) -> str | None:
        """A split of a dataset, trimmed; None for all samples, where none is named.

        Raises:
            SettingError: The dataset has no such split.
        """
        split = split.strip()
        self._rows(self._datasets.load(name), split or None)
        return split or None

    def load_features(self, feature_set: FeatureSet) -> NDArray[np.float32]:
        """The rows of a feature set, memory-mapped, float32 (N, D)."""
        return self._project.blobs.load_array(feature_set.file)

    def mine(self, name: str, request: MiningRequest, progress: Progress) -> Mining:
        """Find the entangled pairs of a dataset and keep them with what they were found by."""
        data = self._datasets.load(name)
        data.require_whole()
        spec = self.best_features(name) if request.features == BEST else request.features
        feature_set = self.extract(name, spec, Part(progress, 0.0, 0.35), renew=True)
        self.cells.keep(feature_set, Part(progress, 0.35, 0.4))
        self._project.blobs.check([feature_set.file])
        features = self.load_features(feature_set)
        rows = self._rows(data, request.split)
        progress.report(0.4, "Reading labels")
        labels, source, belief = self._labels(data, features, request, Part(progress, 0.4, 0.6))
        whole = len(rows) == len(data)
        pairs = find_pairs(
            features if whole else features[rows],
            data.candidates if whole else data.candidates.take(rows),
            labels if whole else labels[rows],
            request.config,
            Part(progress, 0.6, 0.98),
            self._workers,
        )
        progress.report(0.98, "Saving")
        arrays = {
            "rows": np.stack([rows[pairs.i], rows[pairs.j]]).astype(np.int32),
            "similarity": pairs.similarity,
            "shared": pairs.shared,
            "unknown": pairs.unknown,
            "labels": labels,
            "per_class": pairs.per_class,
            "histogram": pairs.histogram,
            "cross_histogram": pairs.cross_histogram,
            "cross_sample": pairs.cross_sample,
            **belief,
        }
        settings = {
            **settings_to_json(request.config),
            "features": spec,
            "labels": request.labels,
            "split": request.split,
            "n_cross": pairs.n_cross,
            "n_searched": len(rows),
        }
        columns = {
            "dataset_id": data.record.id,
            "version_hash": data.record.version.hash,
            "feature_set_id": feature_set.id,
            "settings": settings,
            "label_source": source,
            "threshold": float(pairs.threshold),
            "n_pairs": int(pairs.n_pairs),
            "n_kept": len(pairs),
            "n_instances": int(pairs.n_instances),
            "method": pairs.method,
            "recall": pairs.recall,
            "seconds": round(pairs.seconds, 3),
        }
        with self._project.saving():
            save = self._project.blobs.save_array
            files = {role: save(array) for role, array in arrays.items()}
            return self._project.pairs.add({**columns, "files": files})

    def load_pairs(self, mining: Mining) -> Pairs:
        """The pairs of a mining; rows are those of the dataset."""
        blobs = self._project.blobs
        files = mining.files
        rows = blobs.load_array(files["rows"])
        return Pairs(
            i=rows[0],
            j=rows[1],
            similarity=blobs.load_array(files["similarity"]),
            shared=blobs.load_array(files["shared"]),
            unknown=blobs.load_array(files["unknown"]),
            n_pairs=mining.n_pairs,
            n_instances=mining.n_instances,
            threshold=mining.threshold,
            n_cross=mining.settings["n_cross"],
            histogram=blobs.load_array(files["histogram"]),
            cross_histogram=blobs.load_array(files["cross_histogram"]),
            cross_sample=blobs.load_array(files["cross_sample"]),
            per_class=blobs.load_array(files["per_class"]),
            method=mining.method,
            recall=mining.recall,
            seconds=mining.seconds,
        )

    def labels_of(self, mining: Mining) -> NDArray[np.int32]:
        """What each sample's class was taken to be, int32 (N,)."""
        return self._project.blobs.load_array(mining.files["labels"])

    def belief_of(self, mining: Mining, row: int) -> dict[int, float]:
        """How the neighbours of a sample spread their weight over its candidates, sum 1."""
        if "belief" not in mining.files:
            return {}
        blobs = self._project.blobs
        starts = blobs.load_array(mining.files["belief_starts"])
        part = slice(int(starts[row]), int(starts[row + 1]))
        classes = blobs.load_array(mining.files["belief_classes"])[part]
        weights = blobs.load_array(mining.files["belief"])[part]
        return {int(c): round(float(w), 4) for c, w in zip(classes, weights, strict=True)}

    def vectors_of(
        self, name: str, backbone: str, progress: Progress
    ) -> NDArray[np.float32] | None:
        """What a backbone reads in place of a dataset's images, float32 (N, D), memory-mapped.

        None for a backbone that reads the dataset itself. Computed when first asked for.
        """
        spec = extractor_of(backbone)
        return self.load_features(self.extract(name, spec, progress)) if spec else None

    def stored(self, name: str, spec: str) -> FeatureSet | None:
        """The newest stored features of a spec, or None; no file or model is opened for that."""
        found = [each for each in self.feature_sets(name) if each.spec == spec]
        return found[-1] if found else None

    def best_features(self, name: str) -> str:
        """The extractor, of those whose features are there, whose neighbours fit the sets best.

        Two neighbours without a common candidate are of different classes for sure, so the best
        features are those with the fewest; no true label and no annotation is looked at. Features
        of runs are left out, since they were learned from these very sets. Without any stored
        features the plainest extractor that tells the samples apart.
        """
        usable = [found for found in self.feature_sets(name) if not _is_of_run(found.spec)]
        if not usable:
            return plain_spec(self._datasets.load(name))
        return best_spec(self._project, self._datasets.get(name), usable)

    def minings(self, name: str) -> list[Mining]:
        """All searches of a dataset, newest first."""
        return self._project.pairs.of(self._datasets.get(name).id)

    def mining(self, name: str, mining_id: int) -> Mining:
        """One search.

        Raises:
            RecordNotFoundError: There is none of this id on this dataset.
            NotAllowedError: It was made of answers that are hidden from the one who asks.
        """
        mining = self._project.pairs.get(mining_id)
        if mining.dataset_id != self._datasets.get(name).id:
            raise RecordNotFoundError(f"Mining {mining_id} belongs to another dataset than {name}.")
        if mining.version_hash in self._datasets.annotated_versions(name):
            self._datasets.require_nothing_hidden(name, "This search for pairs")
        return mining

    def feature_sets(self, name: str) -> list[FeatureSet]:
        """The feature sets of a dataset, oldest first."""
        return self._project.features.of(self._datasets.get(name).content_hash)

    def offered(self, name: str) -> list[str]:
        """Extractors to choose from for a dataset; what was used before comes first."""
        plain = ["raw"] if self._datasets.get(name).kind == "features" else list(OFFERED)
        used = [feature_set.spec for feature_set in self.feature_sets(name)]
        return list(dict.fromkeys([*used, *plain]))

    def feature_set(self, feature_set_id: int) -> FeatureSet:
        """One feature set."""
        return self._project.features.get(feature_set_id)

    def _extractor(self, name: str, spec: str) -> Extractor:
        if self._of_run is not None and _is_of_run(spec):
            return self._of_run(name, spec)
        return make_extractor(spec)

    def _stored_for_others(self, name: str, spec: str) -> FeatureSet | None:
        """The newest stored set of a spec that reaches outside, for who is no owner, else None.

        Raises:
            NotAllowedError: There is none.
        """
        if not (_is_of_run(spec) or parse(spec)[1]):
            return None
        try:
            self._access.require_to_reach(spec)
        except (NotAllowedError, ReadOnlyError):
            for found in reversed(self.feature_sets(name)):
                if found.spec == spec:
                    return found
            raise
        return None

    def _rows(self, data: LoadedDataset, split: str | None) -> NDArray[np.int64]:
        if split is None:
            return np.arange(len(data))
        if split not in data.record.split_names:
            hint = closest(split, data.record.split_names)
            raise SettingError(f"{split!r} is not a split of {data.record.name}. {hint}".rstrip())
        return np.flatnonzero(data.splits == data.record.split_names.index(split))

    def _labels(
        self,
        data: LoadedDataset,
        features: NDArray[np.float32],
        request: MiningRequest,
        progress: Progress,
    ) -> tuple[NDArray[np.int32], str, dict[str, NDArray[np.generic]]]:
        """Class of each sample as far as known, what that rests on, and the belief's arrays."""
        labels, known = data.current_labels(with_truth=request.labels != "best")
        if known.all():
            return labels.astype(np.int32), "true", {}
        belief = self._belief(data, features, progress)
        open_rows = np.flatnonzero(labels == UNKNOWN)
        labels = labels.copy()
        labels[open_rows] = best_labels(belief)[open_rows]
        arrays = {
            "belief": belief.data.astype(np.float32),
            "belief_classes": belief.indices.astype(np.int32),
            "belief_starts": belief.indptr.astype(np.int64),
        }
        return labels.astype(np.int32), "mixed" if known.any() else "best", arrays

    def _belief(self, data: LoadedDataset, features: NDArray[np.float32], progress: Progress):  # type: ignore[no-untyped-def]
        n_neighbours = min(N_GRAPH_NEIGHBOURS, len(data) - 1)
        index, cosine = faiss_neighbours(
            features, features, n_neighbours, np.arange(len(data)), progress
        )
        return propagate(index, cosine, data.candidates)


def _is_of_run(spec: str) -> bool:
    """Whether a spec names a run's own features, e.g. `run:8`."""
    return spec.startswith(OF_A_RUN)


def _is_constant(features: NDArray[np.float32]) -> bool:
    """Whether all rows of float32 (N, D), two or more, are equal; read until one is not."""
    blocks = range(0, len(features), 4096)
    return len(features) > 1 and all(
        (features[start : start + 4096] == features[0]).all() for start in blocks
    )
