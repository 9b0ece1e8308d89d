"""Embedding maps: features of an extractor or of a run on a plane, made in stages and kept."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import RecordNotFoundError, SettingError, closest
from cad_studio.core.progress import Part, Progress
from cad_studio.diagnosis.projection import (
    LEAST_FOR_UMAP,
    N_NEIGHBOURS,
    place_between,
    principal_plane,
    quantised,
    turned_like,
    umap_plane,
    usable_rows,
)
from cad_studio.mining.neighbours import faiss_neighbours
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.diagnosis.predictions import PredictionService
from cad_studio.services.jobs import JobService
from cad_studio.services.pairs.mining import OF_A_RUN, MiningService
from cad_studio.store.projects import Project
from cad_studio.views.diagnosis import MapView

METHODS = ("pca", "umap")
STAGES = ("pca", "umap-part", "umap")
"""Maps of one body of features, each better than the one before."""
_MOST_IN_PART = 10_000
_PART_SHARE = 4  # a quarter of the samples, where that is less
_PART_EPOCHS = 100  # a first look
_LEAST_FOR_PART = 8_000
_FORMAT = 1


@dataclass(frozen=True)
class Source:
    """Features to be laid out.

    Attributes:
        features: float32 (N, D), memory-mapped.
        origin: What names the files made from them.
        description: In words.
    """

    features: NDArray[np.float32]
    origin: str
    description: str


class MapService:
    """The maps of one project."""

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        mining: MiningService,
        predictions: PredictionService,
        jobs: JobService,
    ) -> None:
        """Keep maps in `project`; `jobs` makes them in the background."""
        self._project = project
        self._datasets = datasets
        self._mining = mining
        self._predictions = predictions
        self._jobs = jobs

    def offered(self, name: str, run_ids: list[int]) -> list[str]:
        """Features there can be a map of at once: sets that were extracted, and runs asked."""
        extracted = [found.spec for found in self._mining.feature_sets(name)]
        return list(dict.fromkeys([*extracted, *(f"{OF_A_RUN}{run_id}" for run_id in run_ids)]))

    def submit(self, name: str, features: str, method: str, seed: int) -> dict[str, int]:
        """Make a map in the background.

        Returns:
            `job`, its number.
        """
        _check(method, seed)
        self._datasets.get(name)
        if not features.startswith(OF_A_RUN):
            self._mining.check_spec(name, features)
        arguments = {"name": name, "features": features, "method": method, "seed": seed}
        return {"job": self._jobs.submit("map", arguments).id}

    def make(
        self, name: str, features: str, method: str, seed: int, progress: Progress
    ) -> dict[str, Any]:
        """Make a map, stage by stage, unless it was made before.

        Args:
            name: The dataset.
            features: An extractor, e.g. `pixels`, or `run:ID` for a run's own features.
            method: `pca`, or `umap`, which makes the stages before it too.
            seed: Random seed; equal seeds give equal maps.
            progress: Told how far it is.

        Returns:
            `name`, `features`, `description`, `origin` (of these very features), `method`, `seed`,
            `n`, `left_out` (samples whose features are not finite), `stages` that are there,
            `stage` (the best of them), `file` (float32 (N, 2), NaN for what is left out),
            `seconds`, `cached`.
        """
        _check(method, seed)
        began = time.monotonic()
        source = self._source(name, features, Part(progress, 0.0, 0.1))
        made = []
        wanted = self._file(source, method, seed)
        if not self._project.derived.has(wanted):
            for stage, plane in self._stages(source, method, seed, Part(progress, 0.1, 1.0)):
                self._project.derived.save_array(self._file(source, stage, seed), plane)
                made.append(stage)
        state = self.state(name, features, seed)
        return {
            **state,
            "method": method,
            "file": str(self._project.derived.path(self._file(source, state["stage"], seed))),
            "seconds": round(time.monotonic() - began, 3),
            "cached": not made,
        }

    def state(self, name: str, features: str, seed: int = 0) -> MapView:
        """What there is of a map; the first stage is made at once when it is missing.

        Raises:
            RecordNotFoundError: The features were not extracted, or the run was not asked yet.
        """
        _check("pca", seed)
        source = self._source(name, features, None)
        derived = self._project.derived
        if not derived.has(self._file(source, "pca", seed)):
            for stage, plane in self._stages(source, "pca", seed, None):
                derived.save_array(self._file(source, stage, seed), plane)
        stages = [stage for stage in STAGES if derived.has(self._file(source, stage, seed))]
        plane = derived.load_array(self._file(source, stages[-1], seed))
        return {
            "name": name,
            "features": features,
            "description": source.description,
            "origin": source.origin,
            "seed": seed,
            "n": len(plane),
            "left_out": int(np.isnan(plane[:, 0]).sum()),
            "stages": stages,
            "stage": stages[-1],
        }

    def points(self, name: str, features: str, stage: str, seed: int = 0) -> NDArray[np.uint16]:
        """Places of all samples, uint16 (N, 2); 0, 0 for what is left out.

        Raises:
            RecordNotFoundError: This stage was not made yet.
        """
        if stage not in STAGES:
            raise SettingError(f"{stage!r} is not a stage of a map. {closest(stage, STAGES)}")
        source = self._source(name, features, None)
        file = self._file(source, stage, seed)
        if not self._project.derived.has(file):
            raise RecordNotFoundError(f"The stage {stage} of this map was not made yet.")
        plane = self._project.derived.load_array(file)
        shown = ~np.isnan(plane[:, 0])
        out = np.zeros((len(plane), 2), np.uint16)
        # 0, 0 is left to those without a place.
        out[shown] = np.maximum(quantised(plane[shown]), 1)
        return out

    def _stages(
        self, source: Source, method: str, seed: int, progress: Progress | None
    ) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Each stage as soon as it is made, float32 (N, 2)."""
        rows = usable_rows(source.features)
        if not len(rows):
            raise SettingError(
                f"No sample has finite features in {source.description}. Choose other features."
            )
        vectors = source.features if len(rows) == len(source.features) else source.features[rows]
        plane = principal_plane(vectors, seed)
        n_samples = len(source.features)
        yield "pca", _spread_out(plane, rows, n_samples)
        if method == "pca" or progress is None:
            return
        # Identical points have no neighbours worth laying out.
        if len(rows) < LEAST_FOR_UMAP or not np.ptp(plane, axis=0).any():
            yield "umap", _spread_out(plane, rows, n_samples)
            return
        low = 0.0
        if len(rows) >= _LEAST_FOR_PART:
            low = 0.35
            part = _umap_of_part(vectors, plane, seed, Part(progress, 0.0, low))
            yield "umap-part", _spread_out(part, rows, n_samples)
        middle = low + 0.3 * (1.0 - low)
        index, cosine = _neighbours(vectors, vectors, Part(progress, low, middle), own=True)
        placed = umap_plane(index, cosine, plane, seed, Part(progress, middle, 1.0))
        yield "umap", _spread_out(turned_like(placed, plane), rows, n_samples)

    def _source(self, name: str, features: str, progress: Progress | None) -> Source:
        data = self._datasets.load(name)
        if features.startswith(OF_A_RUN):
            number = features.removeprefix(OF_A_RUN)
            if not number.isdecimal():
                raise SettingError(f"{features!r}: name a run by its number, e.g. run:8.")
            found = (
                self._predictions.load(int(number)) if progress is None
                else self._predictions.prepare(int(number), progress)
            )  # fmt: skip
            if found.data.record.name != name:
                raise SettingError(f"Run {number} is on {found.data.record.name}, not on {name}.")
            origin = f"run{number}-{found.card['key']}"
            return Source(found.features, origin, f"features of run {number}")
        for each in self._mining.feature_sets(name):
            if each.spec == features:
                feature_set = each
                break
        else:
            if progress is None:
                raise RecordNotFoundError(
                    f"The features {features} of {name} were not extracted yet. "
                    f"Make the map: python -m cad_studio map {name} --features {features}."
                )
            feature_set = self._mining.extract(data.record.name, features, progress)
        return Source(
            self._mining.load_features(feature_set),
            feature_set.file.partition(".")[0],
            feature_set.description,
        )

    def _file(self, source: Source, stage: str, seed: int) -> str:
        return f"{source.origin}-{stage}-{seed}-{_FORMAT}.npy"


def _umap_of_part(
    vectors: NDArray[np.float32], plane: NDArray[np.float32], seed: int, progress: Progress
) -> NDArray[np.float32]:
    """A map of some samples, the others put among their neighbours, float32 (N, 2)."""
    size = min(_MOST_IN_PART, len(vectors) // _PART_SHARE)
    chosen = np.random.default_rng(seed).choice(len(vectors), size, replace=False)
    chosen.sort()
    some = np.ascontiguousarray(vectors[chosen])
    index, cosine = _neighbours(some, some, Part(progress, 0.0, 0.2), own=True)
    told = Part(progress, 0.2, 0.8)
    placed = umap_plane(index, cosine, plane[chosen], seed, told, epochs=_PART_EPOCHS)
    placed = turned_like(placed, plane[chosen])
    near, weight = _neighbours(vectors, some, Part(progress, 0.8, 1.0), own=False, k=3)
    out = place_between(near, weight, placed)
    out[chosen] = placed
    return out


def _neighbours(
    queries: NDArray[np.float32], features: NDArray[np.float32], progress: Progress, own: bool,
    k: int = N_NEIGHBOURS - 1,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:  # fmt: skip
    rows = np.arange(len(queries)) if own else None
    index, cosine = faiss_neighbours(queries, features, k, rows, progress)
    # A search among cells may find too few; the sample then stands for its missing neighbour.
    missing = index < 0
    if missing.any():
        index = np.where(missing, np.maximum(index[:, :1], 0), index)
    return index, cosine


def _spread_out(
    plane: NDArray[np.float32], rows: NDArray[np.int64], n_samples: int
) -> NDArray[np.float32]:
    if len(rows) == n_samples:
        return plane.astype(np.float32)
    out = np.full((n_samples, 2), np.nan, np.float32)
    out[rows] = plane
    return out


def _check(method: str, seed: int) -> None:
    if method not in METHODS:
        raise SettingError(f"{method!r} is not a kind of map. {closest(method, METHODS)}".rstrip())
    if not 0 <= seed < 2**32:
        raise SettingError(f"The seed is {seed}; expected 0 to {2**32 - 1:,}.")
