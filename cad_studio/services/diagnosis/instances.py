"""One sample or one pair, as the runs see it: belief over epochs, predictions, neighbours."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.errors import RecordNotFoundError, SettingError
from cad_studio.diagnosis.beliefs import probabilities, within
from cad_studio.mining.neighbours import faiss_neighbours
from cad_studio.services.datasets.datasets import check_row
from cad_studio.services.diagnosis.answers import Predictions
from cad_studio.services.diagnosis.predictions import PredictionService
from cad_studio.services.training.runs import RunService, name_of
from cad_studio.views.diagnosis import (
    CameApartView,
    DiagnosedPairView,
    DiagnosedSampleView,
    TileRowsView,
)

_MOST_RUNS = 8
_MOST_CLASSES = 6
_N_NEIGHBOURS = 8
MOST_TILES = 500


class InstanceService:
    """Single samples and pairs of a project under its runs."""

    def __init__(self, runs: RunService, predictions: PredictionService) -> None:
        """Read through the other services of the same project."""
        self._runs = runs
        self._predictions = predictions

    def asked_runs(self, name: str) -> list[int]:
        """Numbers of the runs on a dataset whose models were asked, newest first."""
        return [row["id"] for row in self._runs.all(name) if self._predictions.is_ready(row["id"])]

    def tiles(self, run_id: int, rows: list[int]) -> TileRowsView:
        """Some samples as the grid shows them.

        Returns:
            `rows`, `ids`, `candidates`, `best`, `predicted` (classes, -1 for none), `believed`,
            `right` (oracle; None where the truth is not known).

        Raises:
            SettingError: More than 500 rows.
        """
        if len(rows) > MOST_TILES:
            raise SettingError(f"At most {MOST_TILES} samples are shown at once, not {len(rows)}.")
        found = self._predictions.load(run_id)
        for row in rows:
            check_row(found.data, row)
        at = np.array(rows, np.int64)
        right: list[bool | None] = [None] * len(rows)
        if found.truth is not None:
            right = [
                None if found.truth[row] == UNKNOWN
                else bool(found.beliefs.predicted[row] == found.truth[row])
                for row in rows
            ]  # fmt: skip
        return {
            "rows": rows,
            "ids": [found.data.ids[row] for row in rows],
            "candidates": found.candidates.lists(at) if len(at) else [],
            "best": found.beliefs.best[at].tolist(),
            "predicted": found.beliefs.predicted[at].tolist(),
            "believed": np.round(found.beliefs.believed[at].astype(float), 3).tolist(),
            "right": right,
        }

    def pairs_among(self, run_id: int, rows: list[int], limit: int = 2000) -> dict[str, Any]:
        """The closest cross-class pairs with a member among some samples, the closest first.

        Returns:
            `total`, and `pairs`: at most `limit` of two rows each.
        """
        found = self._predictions.load(run_id)
        chosen = np.zeros(len(found.data), bool)
        at = np.array(rows, np.int64)
        if len(at) and not (at.min() >= 0 and at.max() < len(chosen)):
            raise RecordNotFoundError(f"The rows of {found.data.record.name} end before that.")
        chosen[at] = True
        parts = [np.asarray(found.pairs(part)) for part in ("test", "train")]
        near = [pairs[chosen[pairs].any(axis=1)] for pairs in parts]
        every = np.concatenate(near)
        return {"total": len(every), "pairs": every[:limit].tolist()}

    def instance(self, run_id: int, row: int) -> DiagnosedSampleView:
        """One sample under a run and the other runs on its dataset.

        Returns:
            `row`, `id`, `split`, `candidates`, `belief` (of each candidate, by the run);
            `history` (`epochs` and `beliefs` by candidate,
            None where the run did not learn from it); `runs`: of each `run`, `name`,
            `predicted`, `confidence`, `best`, `believed`, `top` (classes with probability) and
            `neighbours` (rows, similarity, best label each) in that run's own features; `pairs`:
            other members of its closest pairs.
        """
        found = self._predictions.load(run_id)
        data = found.data
        check_row(data, row)
        others = [each for each in self.asked_runs(data.record.name) if each != run_id]
        runs = [found, *map(self._predictions.load, others[: _MOST_RUNS - 1])]
        pairs = self.pairs_among(run_id, [row], 200)
        partners = [j if i == row else i for i, j in pairs["pairs"]]
        nearest = float(found.similarity[row])
        return {
            "row": row,
            "id": data.ids[row],
            "split": data.record.split_names[data.splits[row]],
            "candidates": found.candidates.of(row),
            "belief": _belief(found, row),
            "history": self._predictions.history_of(found, row),
            "runs": [_answer(each, row) for each in runs],
            "pairs": partners[:_N_NEIGHBOURS],
            "n_pairs": pairs["total"],
            "nearest_other": None if math.isnan(nearest) else round(nearest, 4),
        }

    def came_apart(self, run_id: int, most: int = 40) -> CameApartView:
        """The closest pairs of different classes that training took apart.

        Returns:
            `part` (`test`, or `train` where it has none), `total`, and `pairs`, at most so many,
            the closest in the features outside the run first.
        """
        found = self._predictions.load(run_id)
        for part in ("test", "train"):
            cosine, threshold = found.apart(part)
            taken = np.flatnonzero(np.asarray(cosine) < threshold)
            if len(taken):
                break
        pairs = np.asarray(found.pairs(part))[taken[:most]]
        return {"part": part, "total": len(taken), "pairs": pairs.tolist()}

    def pair(self, run_id: int, i: int, j: int) -> DiagnosedPairView:
        """Two samples in the features of each run, and when they came apart.

        Returns:
            `rows`, `ids`, `shared` candidates; `runs`: of each the `similarity` in its own
            features, the `threshold` of entangled there, `entangled`, and both predictions;
            `apart`: the first epoch from which on the run looked at believes in different best
            candidates, None where it never does or was not kept; `histories` of both.
        """
        if i == j:
            raise SettingError(f"Row {i} is given twice; a pair has two samples.")
        found = self._predictions.load(run_id)
        data = found.data
        for row in (i, j):
            check_row(data, row)
        ids = [run_id, *(each for each in self.asked_runs(data.record.name) if each != run_id)]
        histories = [self._predictions.history_of(found, row) for row in (i, j)]
        shared = sorted(set(found.candidates.of(i)) & set(found.candidates.of(j)))
        return {
            "rows": [i, j],
            "ids": [data.ids[i], data.ids[j]],
            "shared": shared,
            "runs": [self._similarity(each, i, j) for each in reversed(ids[:_MOST_RUNS])],
            "histories": histories,
            "apart": _apart(histories),
        }

    def _similarity(self, run_id: int, i: int, j: int) -> dict[str, Any]:
        found = self._predictions.load(run_id)
        _, threshold = found.apart("train")
        similarity = float(found.features[i].astype(np.float64) @ found.features[j])
        return {
            "run": run_id,
            "name": name_of(found.run),
            "similarity": round(similarity, 4),
            "threshold": round(threshold, 4),
            "entangled": similarity >= threshold,
            "predicted": [int(found.beliefs.predicted[row]) for row in (i, j)],
        }


def _belief(found: Predictions, row: int) -> dict[int, float]:
    """The run's belief over the candidates, summing to 1."""
    at = np.array([row])
    shares = within(probabilities(found.logits[row : row + 1]), found.candidates.dense(at))[0]
    return {label: round(float(shares[label]), 4) for label in found.candidates.of(row)}


def _answer(found: Predictions, row: int) -> dict[str, Any]:
    shares = probabilities(found.logits[row : row + 1])[0]
    top = np.argsort(-shares, kind="stable")[:_MOST_CLASSES]
    count = min(_N_NEIGHBOURS, len(found.data) - 1)
    index, cosine = _nearest(found.features, row, count)
    return {
        "run": found.run.id,
        "name": name_of(found.run),
        "predicted": int(found.beliefs.predicted[row]),
        "confidence": round(float(found.beliefs.confidence[row]), 4),
        "best": int(found.beliefs.best[row]),
        "believed": round(float(found.beliefs.believed[row]), 4),
        "top": [[int(c), round(float(shares[c]), 4)] for c in top if shares[c] > 0.001],
        "neighbours": {
            "rows": index.tolist(),
            "similarity": np.round(cosine.astype(float), 4).tolist(),
            "best": found.beliefs.best[index].tolist(),
        },
    }


def _nearest(
    features: NDArray[np.float32], row: int, count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    query = np.ascontiguousarray(features[row : row + 1])
    if count < 1 or not np.isfinite(query).all():
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    index, cosine = faiss_neighbours(query, features, count, np.array([row]))
    kept = index[0] >= 0
    return index[0][kept], cosine[0][kept]


def _apart(histories: Iterable[dict[str, Any] | None]) -> int | None:
    """The epoch from which on the best candidates differ to the end."""
    both = list(histories)
    if any(each is None for each in both):
        return None
    first, second = ({**each} for each in both if each is not None)
    best = [
        [
            max(each["beliefs"], key=lambda c, of=each["beliefs"], at=at: of[c][at])
            for at in range(len(each["epochs"]))
        ]
        for each in (first, second)
    ]  # fmt: skip
    since = None
    for epoch, a, b in zip(first["epochs"], *best, strict=True):
        since = None if a == b else (epoch if since is None else since)
    return since
