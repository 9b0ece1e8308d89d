"""Look at entangled pairs: their summary, lists, single pairs, and neighbours."""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from cad_studio.core.errors import RecordNotFoundError, SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.records import FeatureSet, Mining
from cad_studio.diagnosis.confusion import busiest
from cad_studio.mining.pairs import Pairs, agreement, label_sharing
from cad_studio.services.datasets.datasets import (
    MAX_MATRIX_CLASSES,
    DatasetService,
    check_row,
    class_index,
)
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.services.pairs.mining import MiningService
from cad_studio.store.projects import Project
from cad_studio.views.pairs import MiningAgreementView, PairPageView, PairSummaryView, PairView
from cad_studio.views.pictures import NearestView

_MAX_PAGE = 500
_HISTOGRAM_BARS = 40


@dataclass(frozen=True)
class PairFilter:
    """Which pairs of a mining to look at.

    Attributes:
        threshold: Least cosine; None takes all that were found.
        classes: Two class names the members must have, in either order, or None.
    """

    threshold: float | None = None
    classes: tuple[str, str] | None = None


@dataclass(frozen=True)
class _Held:
    """Pairs in memory with the class pair of each: `low * C + high`, -1 where not known.

    The stamp changes with the files they were read from.
    """

    pairs: Pairs
    labels: NDArray[np.int32]
    class_pair: NDArray[np.int64]
    stamp: tuple[object, ...]


class PairService:
    """The pairs of a project, to be looked at."""

    def __init__(self, project: Project, datasets: DatasetService, mining: MiningService) -> None:
        """Read through the other services of the same project."""
        self._project = project
        self._datasets = datasets
        self._mining = mining
        self._held: LRUCache[int, _Held] = LRUCache(3)
        self._sharing: LRUCache[tuple[str, int], NDArray[np.float64]] = LRUCache(3)
        self._lock = Lock()

    def summary(self, name: str, mining_id: int, wanted: PairFilter) -> PairSummaryView:
        """What a mining found, at or above a cosine.

        Returns:
            Totals (`n_pairs`, `n_instances`, `n_kept`, ...), the cut-off, two matrices over
            `classes`: `counts` (pairs per pair of classes) and `sharing` (share of their samples
            that hold both), `histogram` (pairs per bar from `floor` up), what it rests on, and
            `stale`.
        """
        record = self._datasets.get(name)
        mining = self._mining.mining(name, mining_id)
        held = self._load(mining, record.n_classes)
        pairs = held.pairs
        threshold = _threshold(mining, wanted)
        n_shown = int(np.searchsorted(-pairs.similarity, -np.float32(threshold), side="right"))
        members = np.zeros(record.n_samples, bool)
        members[pairs.i[:n_shown]] = True
        members[pairs.j[:n_shown]] = True
        matrix = _matrix(held.class_pair[:n_shown], record.n_classes)
        if threshold <= mining.threshold:
            matrix = np.asarray(pairs.per_class)
        classes = busiest(matrix, MAX_MATRIX_CLASSES)
        cell = np.ix_(classes, classes)
        feature_set = self._mining.feature_set(mining.feature_set_id)
        return {
            "mining": mining.id,
            "features": feature_set.spec,
            "features_description": feature_set.description,
            "label_source": mining.label_source,
            "threshold": threshold,
            "floor": mining.threshold,
            "quantile": mining.settings.get("quantile"),
            "split": mining.settings.get("split"),
            "n_pairs": int(pairs.count_at(np.array([threshold]))[0]),
            "n_found": mining.n_pairs,
            "n_kept": mining.n_kept,
            "n_instances": mining.n_instances
            if threshold <= mining.threshold
            else int(members.sum()),
            "n_searched": mining.settings["n_searched"],
            "n_cross": mining.settings["n_cross"],
            "method": mining.method,
            "recall": mining.recall,
            "seconds": mining.seconds,
            "stale": mining.version_hash != record.version.hash,
            "version_hash": mining.version_hash,
            "created_at": mining.created_at,
            "classes": classes.tolist(),
            "counts": matrix[cell].tolist(),
            "sharing": np.round(self._label_sharing(name, mining, held)[cell], 4).tolist(),
            "n_unknown": int(pairs.unknown[:n_shown].sum()),
            "histogram": _bars(pairs, mining.threshold),
        }

    def result(self, name: str, mining_id: int, n_top: int) -> dict[str, Any]:
        """What a search found, as the command line prints it.

        Returns:
            `n_pairs`, `threshold`, `seconds`, `extractor`, `pairs_per_class_pair` (by names, the
            largest first), `top` (the most similar pairs by id) and what the search was.
        """
        mining = self._mining.mining(name, mining_id)
        data = self._datasets.load(name)
        names = data.record.class_names
        pairs = self._load(mining, len(names)).pairs
        upper = np.triu(np.asarray(pairs.per_class))
        rows, columns = np.nonzero(upper)
        order = np.argsort(-upper[rows, columns], kind="stable")
        feature_set = self._mining.feature_set(mining.feature_set_id)
        return {
            "name": name,
            "mining": mining.id,
            "n_pairs": mining.n_pairs,
            "n_kept": mining.n_kept,
            "n_instances": mining.n_instances,
            "threshold": mining.threshold,
            "quantile": mining.settings.get("quantile"),
            "seconds": mining.seconds,
            "extractor": feature_set.spec,
            "extractor_description": feature_set.description,
            "extractor_seconds": feature_set.seconds,
            "labels": mining.label_source,
            "method": mining.method,
            "recall": mining.recall,
            "version": mining.version_hash,
            "pairs_per_class_pair": [
                {
                    "classes": [names[rows[at]], names[columns[at]]],
                    "n_pairs": int(upper[rows[at], columns[at]]),
                }
                for at in order
            ],
            "top": [
                {
                    "i": data.ids[pairs.i[at]],
                    "j": data.ids[pairs.j[at]],
                    "similarity": round(float(pairs.similarity[at]), 6),
                    "shared": [
                        names[c]
                        for c in sorted(
                            set(data.candidates.of(int(pairs.i[at])))
                            & set(data.candidates.of(int(pairs.j[at])))
                        )
                    ],
                }
                for at in range(min(n_top, len(pairs)))
            ],
        }

    def page(
        self, name: str, mining_id: int, wanted: PairFilter, offset: int, limit: int
    ) -> PairPageView:
        """Some pairs of a filter, most similar first.

        Returns:
            `total` and `pairs`: `i`, `j`, `similarity`, `shared`, `classes` (two indices in class
            order, or None where not known).
        """
        if not 1 <= limit <= _MAX_PAGE or offset < 0:
            raise SettingError(f"A page has 1 to {_MAX_PAGE} pairs from position 0 on.")
        mining = self._mining.mining(name, mining_id)
        data = self._datasets.load(name)
        held = self._load(mining, data.record.n_classes)
        chosen = self._chosen(name, mining, held, wanted)
        part = chosen[offset : offset + limit]
        pairs = held.pairs
        n_classes = data.record.n_classes
        out = []
        for position in part:
            i, j = int(pairs.i[position]), int(pairs.j[position])
            pair_code = int(held.class_pair[position])
            out.append(
                {
                    "i": i,
                    "j": j,
                    "similarity": round(float(pairs.similarity[position]), 4),
                    "shared": int(pairs.shared[position]),
                    "classes": None if pair_code < 0 else list(divmod(pair_code, n_classes)),
                }
            )
        return {"total": len(chosen), "offset": offset, "pairs": out}

    def position(self, name: str, mining_id: int, wanted: PairFilter, i: int, j: int) -> int | None:
        """Where a pair stands in a filtered list, or None when it is not in it."""
        mining = self._mining.mining(name, mining_id)
        held = self._load(mining, self._datasets.get(name).n_classes)
        low, high = min(i, j), max(i, j)
        here = np.flatnonzero((held.pairs.i == low) & (held.pairs.j == high))
        if not len(here):
            return None
        chosen = self._chosen(name, mining, held, wanted)
        place = int(np.searchsorted(chosen, here[0]))
        return place if place < len(chosen) and chosen[place] == here[0] else None

    def pair(self, name: str, mining_id: int, i: int, j: int, n_neighbours: int = 12) -> PairView:
        """Two samples side by side, with what makes them a pair and who is near them.

        Works for any two samples, so that a link to a pair outlives a change of threshold.
        """
        mining = self._mining.mining(name, mining_id)
        data = self._datasets.load(name)
        for row in (i, j):
            check_row(data, row)
        if i == j:
            raise RecordNotFoundError(f"Row {i} is given twice; a pair has two samples.")
        held = self._load(mining, data.record.n_classes)
        feature_set = self._mining.feature_set(mining.feature_set_id)
        features = self._mining.load_features(feature_set)
        similarity = float(features[i].astype(np.float64) @ features[j].astype(np.float64))
        labels = [int(held.labels[row]) for row in (i, j)]
        shared = sorted(set(data.candidates.of(i)) & set(data.candidates.of(j)))
        sharing = None
        if min(labels) >= 0 and labels[0] != labels[1]:
            sharing = float(self._label_sharing(name, mining, held)[labels[0], labels[1]])
        classes = None if min(labels) < 0 or labels[0] == labels[1] else sorted(labels)
        return {
            "similarity": round(similarity, 4),
            "closer_than": held.pairs.closer_than(similarity),
            "shared": shared,
            "classes": classes,
            "same_label": labels[0] == labels[1] and labels[0] >= 0,
            "label_source": mining.label_source,
            "sharing": sharing,
            "in_list": bool(similarity >= mining.threshold and shared and classes != []),
            "sides": [self._side(name, mining, feature_set, row, n_neighbours) for row in (i, j)],
        }

    def neighbours(self, name: str, feature_set_id: int, row: int, count: int) -> NearestView:
        """The nearest samples of one sample, nearest first."""
        data = self._datasets.load(name)
        check_row(data, row)
        feature_set = self._mining.feature_set(feature_set_id)
        if feature_set.source_hash != data.record.content_hash:
            raise RecordNotFoundError(
                f"Feature set {feature_set_id} belongs to another dataset than {name}."
            )
        return self._nearest(data, feature_set, row, count)

    def member_rows(self, name: str, mining_id: int, wanted: PairFilter) -> list[int]:
        """The samples of the pairs of a filter, those of the most similar pairs first."""
        mining = self._mining.mining(name, mining_id)
        held = self._load(mining, self._datasets.get(name).n_classes)
        chosen = self._chosen(name, mining, held, wanted)
        both = np.stack([held.pairs.i[chosen], held.pairs.j[chosen]], axis=1).ravel()
        return list(dict.fromkeys(both.tolist()))

    def csv_rows(self, name: str, mining_id: int, wanted: PairFilter) -> Iterator[list[str]]:
        """Every kept pair of a filter as text, the header first."""
        mining = self._mining.mining(name, mining_id)
        data = self._datasets.load(name)
        data.require_whole()
        self._project.blobs.check(mining.files.values())
        names = data.record.class_names
        held = self._load(mining, len(names))
        chosen = self._chosen(name, mining, held, wanted)
        yield [
            "id_a", "id_b", "row_a", "row_b", "similarity", "shared_candidates",
            "class_1", "class_2", "features", "label_source",
        ]  # fmt: skip
        spec = self._mining.feature_set(mining.feature_set_id).spec
        packed = data.candidates.packed
        for start in range(0, len(chosen), 4096):
            part = chosen[start : start + 4096]
            left, right = held.pairs.i[part], held.pairs.j[part]
            both = PartialLabels(packed[left] & packed[right], len(names)).lists()
            for position, i, j, shared in zip(
                part, left.tolist(), right.tolist(), both, strict=True
            ):
                code = int(held.class_pair[position])
                classes = ("", "") if code < 0 else [names[c] for c in divmod(code, len(names))]
                yield [
                    data.ids[i], data.ids[j], str(i), str(j),
                    f"{held.pairs.similarity[position]:.6f}",
                    "|".join(names[c] for c in shared), *classes, spec, mining.label_source,
                ]  # fmt: skip

    def agreement(self, name: str, first: int, second: int, top: int) -> MiningAgreementView:
        """Share of the most similar pairs that two minings have in common.

        Returns:
            `share` (0 to 1), `top` (how many were compared) and the features of both.
        """
        minings = [self._mining.mining(name, mining_id) for mining_id in (first, second)]
        n_classes = self._datasets.get(name).n_classes
        pairs = [self._load(mining, n_classes).pairs for mining in minings]
        specs = [self._mining.feature_set(mining.feature_set_id).spec for mining in minings]
        compared = min(top, *(len(part) for part in pairs))
        return {"share": agreement(pairs[0], pairs[1], top), "top": compared, "features": specs}

    def _side(
        self, name: str, mining: Mining, feature_set: FeatureSet, row: int, count: int
    ) -> dict[str, Any]:
        data = self._datasets.load(name)
        return {
            **self._datasets.instance(name, row),
            "belief": self._mining.belief_of(mining, row),
            "neighbours": self._nearest(data, feature_set, row, count),
        }

    def _nearest(
        self, data: LoadedDataset, feature_set: FeatureSet, row: int, count: int
    ) -> dict[str, Any]:
        count = min(count, len(data) - 1)
        rows, cosine, recall = self._mining.cells.nearest(feature_set, row, count)
        rows = rows[rows >= 0]
        return {
            "rows": rows.tolist(),
            "similarity": np.round(cosine[: len(rows)].astype(float), 4).tolist(),
            "candidates": data.candidates.lists(rows),
            "recall": recall,
        }

    def _load(self, mining: Mining, n_classes: int) -> _Held:
        with self._lock:
            stamp = tuple(map(self._project.blobs.signature, mining.files.values()))
            if mining.id not in self._held or self._held[mining.id].stamp != stamp:
                pairs = self._mining.load_pairs(mining)
                labels = np.asarray(self._mining.labels_of(mining))
                a, b = labels[pairs.i].astype(np.int64), labels[pairs.j].astype(np.int64)
                code = np.minimum(a, b) * n_classes + np.maximum(a, b)
                code[(a < 0) | (b < 0)] = -1
                self._held[mining.id] = _Held(pairs, labels, code, stamp)
            return self._held[mining.id]

    def _label_sharing(self, name: str, mining: Mining, held: _Held) -> NDArray[np.float64]:
        data = self._datasets.load(name)
        key = (data.view, mining.id)
        with self._lock:
            if key not in self._sharing:
                self._sharing[key] = self._counted_sharing(data, mining, held)
            return self._sharing[key]

    def _counted_sharing(
        self, data: LoadedDataset, mining: Mining, held: _Held
    ) -> NDArray[np.float64]:
        labels = mining.files["labels"].partition(".")[0]
        return data.counted(
            f"sharing-{labels}", lambda: label_sharing(data.candidates, held.labels)
        )

    def _chosen(
        self, name: str, mining: Mining, held: _Held, wanted: PairFilter
    ) -> NDArray[np.int64]:
        threshold = np.float32(_threshold(mining, wanted))
        n_shown = int(np.searchsorted(-held.pairs.similarity, -threshold, side="right"))
        if wanted.classes is None:
            return np.arange(n_shown)
        record = self._datasets.get(name)
        low, high = sorted(class_index(record, each) for each in wanted.classes)
        return np.flatnonzero(held.class_pair[:n_shown] == low * record.n_classes + high)


def _threshold(mining: Mining, wanted: PairFilter) -> float:
    if wanted.threshold is None:
        return mining.threshold
    return max(float(wanted.threshold), mining.threshold)


def _matrix(class_pair: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    known = class_pair[class_pair >= 0]
    upper = np.bincount(known, minlength=n_classes * n_classes).reshape(n_classes, n_classes)
    return upper + upper.T - np.diag(np.diag(upper))


def _bars(pairs: Pairs, floor: float) -> dict[str, Any]:
    """Pairs per bar of equal width from the floor to the most similar pair."""
    top = float(pairs.similarity[0]) if len(pairs) else 1.0
    edges = np.linspace(floor, max(top, floor + 1e-6), _HISTOGRAM_BARS + 1)
    at_least = pairs.count_at(edges.astype(np.float32))
    at_least[0] = pairs.n_pairs
    counts = at_least[:-1] - np.append(at_least[1:-1], 0)
    return {"edges": np.round(edges, 5).tolist(), "counts": counts.tolist()}
