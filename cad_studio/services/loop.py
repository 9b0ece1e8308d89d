"""Where the work on a dataset stands, what is worth doing next, and its start by one request.

The loop: data, look-alikes, a run, its diagnosis, answers to what it confuses, the next run.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import NotAllowedError, RecordNotFoundError, SettingError
from cad_studio.core.records import Dataset, Mining
from cad_studio.core.settings import settings_to_json
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.annotation.annotated_sets import AnnotatedSets
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.diagnosis.diagnosis import Diagnosis
from cad_studio.services.diagnosis.suspects import told
from cad_studio.services.jobs import JobService
from cad_studio.services.pairs.mining import MiningService
from cad_studio.services.pairs.pairs import PairFilter, PairService
from cad_studio.services.training.runs import RunService
from cad_studio.services.training.training import TrainingRequest, TrainingService
from cad_studio.store.projects import Project
from cad_studio.views.loop import StandingView

WORTH_RETRAINING = 5
"""Changed sets from which on another run comes before more answers."""

FIRST_QUANTILE = 1e-3
"""Share of the cross-class pairs that a first search for look-alikes keeps."""

STEPS = ("synthesize", "look-alikes", "train", "diagnose", "fix", "retrain", "compare")


@dataclass(frozen=True)
class Facts:
    """What the next step depends on.

    Attributes:
        is_labelled_only: Whether every set has a single candidate.
        has_pairs: Whether look-alikes were searched for.
        has_run: Whether a run is finished.
        is_diagnosed: Whether the newest finished run is.
        changes: Sets changed since the newest finished run.
        has_earlier: Whether a diagnosed run on an earlier version is there to compare with.
    """

    is_labelled_only: bool
    has_pairs: bool
    has_run: bool
    is_diagnosed: bool
    changes: int
    has_earlier: bool


def next_step(facts: Facts) -> str:
    """The step that pays most now, one of `STEPS`."""
    if facts.is_labelled_only:
        return "synthesize"
    if not facts.has_pairs:
        return "look-alikes"
    if not facts.has_run:
        return "train"
    if facts.changes >= WORTH_RETRAINING:
        return "retrain"
    if not facts.is_diagnosed:
        return "diagnose"
    if facts.has_earlier and not facts.changes:
        return "compare"
    return "fix"


class LoopService:
    """The loop over the datasets of one project."""

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        sets: AnnotatedSets,
        mining: MiningService,
        pairs: PairService,
        runs: RunService,
        training: TrainingService,
        diagnosis: Diagnosis,
        jobs: JobService,
    ) -> None:
        """Read and start through the other services of the same project."""
        self._project = project
        self._datasets = datasets
        self._sets = sets
        self._mining = mining
        self._pairs = pairs
        self._runs = runs
        self._training = training
        self._diagnosis = diagnosis
        self._jobs = jobs

    def standing(self, name: str) -> StandingView:
        """Where the work on a dataset stands.

        Returns:
            `name`, `version` (number), `changes` (sets changed since it), `next` (one of
            `STEPS`), and the five parts: `data` (`n`, `k`, `mean_candidates`, `rows` to show),
            `pairs` (newest search, or None), `run` (newest finished run, or None), `earlier` (a
            diagnosed run on an earlier version, or None), `answers` (`n`, and `suspects` that
            wait, None where nothing was searched).
        """
        data = self._datasets.load(name)
        record, numbers = data.record, self.version_numbers(name)
        found = self._mining.minings(name)
        done = [row for row in self._runs.all(name) if row["status"] == "done"]
        run = self._run(done[0], numbers) if done else None
        earlier = None if run is None else self._earlier(run, done[1:], numbers)
        ahead = self._sets.n_ahead(record)
        sizes = data.candidates.sizes()
        facts = Facts(
            is_labelled_only=bool((sizes == 1).all()),
            has_pairs=bool(found),
            has_run=run is not None,
            is_diagnosed=run is not None and run["is_ready"],
            changes=ahead if run is None else run["changes"],
            has_earlier=earlier is not None,
        )
        return {
            "name": name,
            "version": record.version.number,
            "changes": ahead,
            "next": next_step(facts),
            "data": {
                "n": record.n_samples,
                "k": record.n_classes,
                "has_images": data.pixels is not None,
                "mean_candidates": round(float(sizes.mean()), 2),
                "rows": _spread(record.n_samples, 8),
            },
            "pairs": self._pairs_found(record, found[0], numbers) if found else None,
            "run": run,
            "earlier": earlier,
            "answers": self._answers(name, None if run is None else run["id"]),
        }

    def version_numbers(self, name: str) -> dict[str, int]:
        """The number of each version of a dataset, by its hash."""
        return {each.hash: each.number for each in self._project.datasets.versions(name)}

    def changed_since(self, name: str, number: int) -> NDArray[np.int64]:
        """Rows whose set was changed since a version, ascending, int64 (M,).

        Raises:
            RecordNotFoundError: There is no version of this number.
        """
        versions = self._project.datasets.versions(name)
        found = next((each for each in versions if each.number == number), None)
        if found is None:
            raise RecordNotFoundError(
                f"{name} has no version {number}; its versions are 1 to {versions[-1].number}."
            )
        return self._sets.changed_since(name, self._project.blobs.load_array(found.candidates))

    def find_look_alikes(self, name: str) -> dict[str, int]:
        """Search for look-alikes by the best features, in the background; `job`, its number."""
        arguments = {
            "name": name,
            "features": self._mining.best_features(name),
            "labels": "auto",
            "split": None,
            "config": settings_to_json(MiningConfig(quantile=FIRST_QUANTILE)),
        }
        return {"job": self._jobs.submit("mine", arguments).id}

    def retrain(self, name: str) -> dict[str, int]:
        """Train once more as the newest finished run was, on the sets as they are now.

        Returns:
            `run` and `job`, their numbers.

        Raises:
            SettingError: No run on the dataset is finished.
        """
        done = [row["id"] for row in self._runs.all(name) if row["status"] == "done"]
        if not done:
            raise SettingError(
                f"No run on {name} is finished yet. Train one first, on the Train page."
            )
        run = self._project.runs.get(done[0])
        request = TrainingRequest(
            name, run.method, run.backbone, run.features, run.config, run.settings
        )
        return self._training.submit(request)

    def _pairs_found(
        self, record: Dataset, mining: Mining, numbers: dict[str, int]
    ) -> dict[str, Any]:
        first = self._pairs.page(record.name, mining.id, PairFilter(), 0, 1)["pairs"]
        return {
            "id": mining.id,
            "n": mining.n_pairs,
            "n_instances": mining.n_instances,
            "version": numbers.get(mining.version_hash),
            "first": first[0] if first else None,
            "names": [record.class_names[at] for at in (first[0]["classes"] or [])]
            if first
            else [],
        }

    def _run(self, row: dict[str, Any], numbers: dict[str, int]) -> dict[str, Any]:
        run = self._project.runs.get(row["id"])
        changes = 0
        if self._project.blobs.has(run.candidates):
            changes = len(
                self._sets.changed_since(
                    row["dataset"], self._project.blobs.load_array(run.candidates)
                )
            )
        kept = ("id", "name", "method", "test_accuracy", "set_likelihood", "seconds")
        return {
            **{key: row[key] for key in kept},
            "version": numbers.get(run.version_hash),
            "changes": changes,
            "is_ready": self._diagnosis.predictions.is_ready(run.id),
        }

    def _earlier(
        self, run: dict[str, Any], others: list[dict[str, Any]], numbers: dict[str, int]
    ) -> dict[str, Any] | None:
        """The newest diagnosed run that learned from an earlier version than `run`."""
        for row in others:
            number = numbers.get(row["data_version"])
            is_before = number and run["version"] and number < run["version"]
            if is_before and self._diagnosis.predictions.is_ready(row["id"]):
                return {"id": row["id"], "name": row["name"], "version": number}
        return None

    def _answers(self, name: str, run_id: int | None) -> dict[str, Any]:
        n_suspects = None
        with suppress(NotAllowedError):
            found = self._diagnosis.suspects.known(name, run_id)
            if found is not None:
                answered = set(self._sets.answered_rows(name).tolist())
                rows = {each["row"] for each in told(found)["suspects"]}
                n_suspects = len(rows - answered)
        return {"n": len(self._sets.answered_rows(name)), "suspects": n_suspects}


def _spread(n_samples: int, count: int) -> list[int]:
    """Rows far from each other, at most `count`."""
    return [at * n_samples // min(count, n_samples) for at in range(min(count, n_samples))]
