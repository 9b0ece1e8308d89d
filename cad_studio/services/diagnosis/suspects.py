"""Suspects of a dataset: found in the background, ranked, each with its reason in words."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import RecordNotFoundError, SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Part, Progress, Silent
from cad_studio.core.records import FeatureSet
from cad_studio.core.workers import ALONE, Workers
from cad_studio.diagnosis.crossfit import cross_fit, judged_quality
from cad_studio.diagnosis.entanglement import cosines_of
from cad_studio.diagnosis.projection import usable_rows
from cad_studio.diagnosis.suspects import (
    KINDS,
    Suspect,
    best_candidates,
    near_duplicates,
    never_believed,
    outliers,
    sets_without_truth,
    swapped_pairs,
)
from cad_studio.mining.neighbours import faiss_neighbours
from cad_studio.mining.propagation import N_NEIGHBOURS, propagate
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.services.diagnosis.answers import Predictions
from cad_studio.services.diagnosis.predictions import PredictionService
from cad_studio.services.jobs import JobService
from cad_studio.services.pairs.mining import BEST, MiningService
from cad_studio.services.training.inputs import split_rows
from cad_studio.store.projects import Project

MOST_OF_A_KIND = 1000
SURE = 0.9
"""Probability above which a model is called sure."""

LEAST_QUALITY = 0.5
"""Quality of the judge below which what it suspects is not told; see `judged_quality`."""

OF_THE_JUDGE = ("outside", "swapped", "never-believed")
"""Kinds of suspects that rest on the judge's answers; the others look at the pictures alone."""

_FORMAT = 4
# Searched for once: where a fifth of the samples is left out, 10 of 24 nearly always remain.
_SEARCHED = 24
_MOST_RUNS = 8


class SuspectService:
    """The suspects of the datasets of one project."""

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        mining: MiningService,
        predictions: PredictionService,
        jobs: JobService,
        workers: Workers = ALONE,
    ) -> None:
        """Keep lists in `project`; `jobs` makes them in the background, `workers` judge."""
        self._workers = workers
        self._project = project
        self._datasets = datasets
        self._mining = mining
        self._predictions = predictions
        self._jobs = jobs

    def submit(self, name: str, run_id: int | None, features: str) -> dict[str, int]:
        """Look for suspects in the background.

        Returns:
            `job`, its number.
        """
        self._datasets.get(name)
        arguments = {"name": name, "run": run_id, "features": features, "seed": 0}
        return {"job": self._jobs.submit("suspects", arguments).id}

    def find(
        self, name: str, run_id: int | None, features: str, seed: int, progress: Progress
    ) -> dict[str, Any]:
        """Look for suspects among the training samples, unless that was done.

        Args:
            name: The dataset.
            run_id: A run on it: its beliefs tell swapped pairs and candidates never believed.
                None looks only at the sets and features.
            features: Extractor; empty takes the best features there are.
            seed: Of the folds.
            progress: Told how far it is.

        Returns:
            `name`, `version`, `run`, `features`, `n` (samples judged), `counts` by kind, and
            `suspects`, each kind's ranked list: `kind`, `row`, `id`, `score`, `reason`, `label`
            and `other` (a class and a row, or None). At most 1,000 of a kind are listed.
            `judge` says how good the one is that never saw the samples: `inside` (share of them
            whose own set holds its first class), `chance` (of a guess) and `quality`.
        """
        data = self._datasets.load(name)
        run = self._run(name, run_id, Part(progress, 0.0, 0.2))
        features = self._mining.check_spec(name, features or BEST)
        feature_set = self._mining.extract(name, features, Part(progress, 0.2, 0.3))
        file = self._file(data.record.version.hash, run, feature_set, seed)
        if not self._project.derived.has(file):
            vectors = self._mining.load_features(feature_set)
            found = self._look(data, run, vectors, seed, Part(progress, 0.3, 1.0))
            self._project.derived.save_json(
                file,
                {"features": features, "version": data.record.version.number, **found},
            )
        return self._shown(data, run_id, self._project.derived.load_json(file))

    def known(self, name: str, run_id: int | None) -> dict[str, Any] | None:
        """What the last search found, or None; the list outlives a change of the sets.

        Looked for first with the run on the present sets, then with it on earlier ones, then with
        the other runs on the dataset; of several features those searched by last.

        Raises:
            NotAllowedError: Answers that are hidden from the one who asks are among these sets.
        """
        data = self._datasets.load(name)
        if data.blind:
            self._datasets.require_nothing_hidden(name, "The list of suspects")
        versions = [each.hash for each in reversed(self._project.datasets.versions(name))]
        sets = self._mining.feature_sets(name)
        for own in self._runs_to_ask(name, run_id):
            run = None
            if own is not None:
                try:
                    run = self._run(name, own, None)
                except (RecordNotFoundError, SettingError):
                    continue
            derived = self._project.derived
            for version in versions:
                files = [self._file(version, run, each, 0) for each in sets]
                there = [file for file in files if derived.has(file)]
                if there:
                    newest = max(there, key=derived.made_at)
                    return self._shown(data, own, derived.load_json(newest))
        return None

    def kept_file(self, name: str, run_id: int, features: str) -> str:
        """Name of the derived file that keeps what `find` found with seed 0."""
        data = self._datasets.load(name)
        feature_set = self._mining.extract(name, features, Silent())
        run = self._run(name, run_id, None)
        return self._file(data.record.version.hash, run, feature_set, 0)

    def _runs_to_ask(self, name: str, run_id: int | None) -> list[int | None]:
        """The run asked for, then the others on a dataset, newest first; alone without a run."""
        if run_id is None:
            return [None]
        record = self._datasets.get(name)
        others = [
            run.id
            for run in self._project.runs.all()
            if run.dataset_id == record.id and run.removed_at is None and run.id != run_id
        ]
        return [run_id, *sorted(others, reverse=True)[:_MOST_RUNS]]

    def reasons(self, name: str, run_id: int | None) -> dict[int, str]:
        """Why each known suspect is one, by row; of several reasons all, the strongest kind first.

        Empty where nothing was looked for in the present sets.
        """
        found: dict[int, list[str]] = {}
        for each in (self.known(name, run_id) or {"suspects": []})["suspects"]:
            found.setdefault(each["row"], []).append(each["reason"])
        return {row: " ".join(said) for row, said in found.items()}

    def _look(
        self,
        data: LoadedDataset,
        run: Predictions | None,
        vectors: NDArray[np.float32],
        seed: int,
        progress: Progress,
    ) -> dict[str, Any]:
        train_rows, _ = split_rows(data)
        usable = np.zeros(len(data), bool)
        usable[usable_rows(vectors)] = True
        rows = train_rows[usable[train_rows] & (data.candidates.take(train_rows).sizes() > 0)]
        if len(rows) < 2:
            raise SettingError(
                f"{data.record.name} has {len(rows)} training samples with candidates and finite "
                "features; suspects need 2 or more."
            )
        candidates, own = data.candidates.take(rows), np.ascontiguousarray(vectors[rows])
        progress.report(0.0, "Finding neighbours")
        wide, close = faiss_neighbours(
            own, own, _SEARCHED, np.arange(len(rows)), Part(progress, 0.0, 0.2)
        )
        index, cosine = wide[:, :N_NEIGHBOURS], close[:, :N_NEIGHBOURS]
        believe = _Believing(wide, close, candidates)
        judging = Part(progress, 0.2, 0.9)
        shares = cross_fit(own, candidates, believe, seed, judging, self._workers)
        progress.report(0.9, "Ranking")
        lists = [
            sets_without_truth(shares, candidates, rows),
            near_duplicates(index, cosine, candidates, rows),
            outliers(cosine, rows),
        ]
        if run is not None:
            lists += self._of_run(run, shares, rows, vectors)
        counts = Counter(suspect.kind for found in lists for suspect in found)
        return {
            "n": len(rows),
            "judge": judged_quality(shares, candidates),
            "counts": {kind: counts.get(kind, 0) for kind in KINDS},
            "suspects": [
                [s.kind, s.row, s.score, s.values, s.label, s.other]
                for found in lists
                for s in found[:MOST_OF_A_KIND]
            ],
        }

    def _of_run(
        self,
        run: Predictions,
        shares: NDArray[np.float32],
        rows: NDArray[np.int64],
        vectors: NDArray[np.float32],
    ) -> list[list[Suspect]]:
        """Swapped pairs, and candidates the run never believed in."""
        n_samples = len(run.data)
        best = np.full(n_samples, -1, np.int64)
        best[rows] = best_candidates(shares, run.candidates.take(rows))
        pairs = np.asarray(run.pairs("train"))
        swapped = swapped_pairs(
            pairs, cosines_of(vectors, pairs), run.beliefs.best, best, run.candidates
        )
        history, seen = self._history(run)
        at = np.full(n_samples, -1)
        at[rows] = np.arange(len(rows))
        both = at[seen] >= 0
        if not both.all():
            sizes = run.candidates.take(seen).sizes()
            history = history[:, np.repeat(both, sizes)]
            seen = seen[both]
        never = never_believed(history, shares[at[seen]], run.candidates.take(seen), seen)
        return [swapped, never]

    def _history(self, run: Predictions) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
        """Belief of each candidate at each kept epoch, and the rows it is about."""
        beliefs, rows = self._predictions.history(run)
        return (np.stack(beliefs) if beliefs else np.zeros((0, 0), np.float16)), rows

    def _shown(
        self, data: LoadedDataset, run_id: int | None, found: dict[str, Any]
    ) -> dict[str, Any]:
        names, ids = data.record.class_names, data.ids
        suspects = [Suspect(*each) for each in found["suspects"]]
        order = {kind: place for place, kind in enumerate(KINDS)}
        suspects.sort(key=lambda each: order[each.kind])
        return {
            "name": data.record.name,
            "version": data.record.version.hash,
            "found_on": found["version"],
            "run": run_id,
            "features": found["features"],
            "n": found["n"],
            "judge": found["judge"],
            "counts": found["counts"],
            "suspects": [
                {
                    "kind": each.kind,
                    "row": each.row,
                    "id": ids[each.row],
                    "score": round(each.score, 5),
                    "reason": reason(each, names, ids, data.candidates),
                    "label": None if each.label < 0 else names[each.label],
                    "other": None if each.other < 0 else each.other,
                }
                for each in suspects
            ],
        }

    def _run(self, name: str, run_id: int | None, progress: Progress | None) -> Predictions | None:
        if run_id is None:
            return None
        found = (
            self._predictions.load(run_id) if progress is None
            else self._predictions.prepare(run_id, progress)
        )  # fmt: skip
        if found.data.record.name != name:
            raise SettingError(f"Run {run_id} is on {found.data.record.name}, not on {name}.")
        return found

    def _file(self, version: str, run: Predictions | None, by: FeatureSet, seed: int) -> str:
        # By how the features are made: their last bits are another machine's, or thread count's.
        key = [_FORMAT, version, run and run.card["key"], by.key, seed]
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
        return f"{Path(by.source_hash).stem}-suspects-{digest}.json"


@dataclass(frozen=True)
class _Believing:
    """Belief over the candidates of some samples from those samples alone.

    Attributes:
        index: int64 (N, K). More neighbours than are wanted, of all samples; -1 for none.
        cosine: float32 (N, K).
        candidates: N sets over C classes.
    """

    index: NDArray[np.int64]
    cosine: NDArray[np.float32]
    candidates: PartialLabels

    def __call__(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32 (M, C) of samples int64 (M,)."""
        near = _among(places, self.index, self.cosine)
        belief = propagate(*near, self.candidates.take(places)).toarray()
        return np.asarray(belief, np.float32)


def _among(
    places: NDArray[np.int64], index: NDArray[np.int64], cosine: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The nearest neighbours of some samples among those samples alone.

    Args:
        places: int64 (P,). Which samples, ascending.
        index: int64 (M, K). More neighbours than are wanted, of all samples; -1 for none.
        cosine: float32 (M, K).

    Returns:
        int64 and float32 (P, at most `N_NEIGHBOURS`): positions 0 to P - 1, -1 for none.
    """
    at = np.full(len(index) + 1, -1)  # the last is that of "none"
    at[places] = np.arange(len(places))
    own = at[index[places]]
    kept = np.argsort(own < 0, axis=1, kind="stable")[:, :N_NEIGHBOURS]
    own = np.take_along_axis(own, kept, axis=1)
    return own, np.where(own < 0, np.float32(0), np.take_along_axis(cosine[places], kept, axis=1))


def told(found: dict[str, Any]) -> dict[str, Any]:
    """What a search may say: without the kinds its judge is too weak for, with `is_weak` added."""
    is_weak = found["judge"]["quality"] < LEAST_QUALITY
    if not is_weak:
        return {**found, "is_weak": False}
    return {
        **found,
        "is_weak": True,
        "counts": {**found["counts"], **dict.fromkeys(OF_THE_JUDGE, 0)},
        "suspects": [each for each in found["suspects"] if each["kind"] not in OF_THE_JUDGE],
    }


def reason(suspect: Suspect, names: list[str], ids: list[str], candidates: PartialLabels) -> str:
    """Why a sample is suspected, in a sentence."""
    values = suspect.values
    label = names[suspect.label] if suspect.label >= 0 else ""
    if suspect.kind == "outside":
        said = "is sure of" if values["probability"] > SURE else "expects"
        return (
            f"A model that never saw it {said} {label} ({values['probability']:.0%}), which is not "
            f"in the set, and {values['outside']:.0%} to classes outside the set altogether."
        )
    if suspect.kind == "swapped":
        return (
            f"The run takes it for {names[int(values['run'])]} and its look-alike "
            f"{ids[suspect.other]} (cosine {values['cosine']:.3f}) for {label}; judged without "
            "having seen them it is the other way round."
        )
    if suspect.kind == "duplicate":
        return (
            f"Almost the same as {ids[suspect.other]} (cosine {values['cosine']:.3f}), yet their "
            f"sets share {int(values['shared'])} of {int(values['together'])} candidates."
        )
    if suspect.kind == "never-believed":
        return (
            f"{label} was never believed: at most {values['highest']:.1%} at any of "
            f"{int(values['epochs'])} epochs kept, {values['probability']:.1%} out of sample. "
            f"Without it the set has {int(values['size']) - 1} of {int(values['size'])}."
        )
    return (
        f"Far from everything: mean cosine {values['cosine']:.2f} to its "
        f"{int(values['neighbours'])} nearest, where {values['usual']:.2f} is usual."
    )
