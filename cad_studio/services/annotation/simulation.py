"""A simulated annotator: what each order of work is worth, measured with true labels.

The annotator answers from the true labels, with an error rate; that is what it is for. Nothing it
does touches the dataset: the sets are changed in memory, by the same orders and the same live
belief as real queues.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.errors import SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Part, Progress, Silent
from cad_studio.core.settings import check_settings
from cad_studio.mining.propagation import best_labels
from cad_studio.queues._base import ORDERS, Situation
from cad_studio.services.annotation.annotated_sets import AnnotatedSets
from cad_studio.services.annotation.beliefs import BeliefService, Graph
from cad_studio.services.annotation.queues import ITEMS_AT_ONCE
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.services.training.simulated_training import train_on

if TYPE_CHECKING:
    from cad_studio.services.container import Services


@dataclass(frozen=True)
class SimulationConfig:
    """One simulated go.

    Attributes:
        queue: Order of the work.
        actions: Decisions made; a pair is one action on two samples.
        seed: Random seed of the order `random` and of errors.
        error_rate: Share of answers that name another candidate than the true one.
        features: What neighbours and head go by; empty for the best that are there.
        every: Actions between two points of the curve.
    """

    queue: str = "expected-gain"
    actions: int = field(default=500, metadata={"minimum": 1, "maximum": 100_000})
    seed: int = field(default=0, metadata={"minimum": 0, "maximum": 2**31 - 1})
    error_rate: float = field(default=0.0, metadata={"minimum": 0.0, "maximum": 1.0})
    features: str = ""
    every: int = field(default=100, metadata={"minimum": 1, "maximum": 100_000})

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_settings(self)


class SimulationService:
    """Simulated annotation of one project's datasets."""

    def __init__(
        self,
        folder: Path,
        open_copy: "Callable[[Path], Services]",
        datasets: DatasetService,
        sets: AnnotatedSets,
        beliefs: BeliefService,
    ) -> None:
        """Read through the other services of the project in `folder`.

        `open_copy` gives the services over another folder.
        """
        self._folder = folder
        self._open_copy = open_copy
        self._datasets = datasets
        self._sets = sets
        self._beliefs = beliefs

    def simulate(
        self, name: str, config: SimulationConfig, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Annotate in memory and measure what came of it; all figures are oracle figures.

        Returns:
            `queue`, `features`, `actions` (done), `changed` (samples whose set is another now),
            `seed`, `error_rate`, `disambiguation_before` and `_after` (share of the ambiguous
            training samples, as they were at first, whose most believed label is the true one),
            `pairs_before` and `_after` (neighbours of different true classes that still share a
            candidate), `entangled_before` and `_after` (share of the samples in such pairs at
            first whose best label is true), `curve` (the same at every so many actions), `seconds`.

        Raises:
            SettingError: No true labels, or a queue that goes through a stored list.
        """
        return self.annotated(name, config, progress)[0]

    def train(
        self, name: str, sets: PartialLabels | None, epochs: int, seed: int, progress: Progress
    ) -> dict[str, Any]:
        """Train a small network on `annotated` sets, or on those of now; see `train_on`."""
        sets = self._sets.effective(name) if sets is None else sets
        return train_on(self._folder, self._open_copy, name, sets, epochs, seed, progress)

    def annotated(
        self, name: str, config: SimulationConfig, progress: Progress | None = None
    ) -> tuple[dict[str, Any], PartialLabels]:
        """As `simulate`, and the candidate sets that came of it."""
        progress = progress or Silent()
        started = time.monotonic()
        order, data = ORDERS.get(config.queue), self._datasets.load(name)
        if data.truth is None:
            raise SettingError(
                f"{name} has no true labels, which the simulated annotator answers from."
            )
        if order.needs_rows or config.queue == "disagreement":
            raise SettingError(f"The queue {config.queue!r} goes through a list; simulate another.")
        features = self._beliefs.features(name, config.features)
        graph = self._beliefs.graph(name, features, Part(progress, 0.0, 0.1))
        desk = _Desk(data, self._sets.effective(name), graph, config)
        before = desk.measure()
        curve = [before]
        while desk.n_actions < config.actions:
            progress.report(0.1 + 0.9 * desk.n_actions / config.actions, "Annotating")
            if not desk.work():
                break
            if desk.n_actions - curve[-1]["actions"] >= config.every:
                curve.append(desk.measure())
        after = curve[-1] if curve[-1]["actions"] == desk.n_actions else desk.measure()
        if after is not curve[-1]:
            curve.append(after)
        figures = {
            f"{key}_{when}": point[key]
            for key in ("disambiguation", "pairs", "entangled")
            for when, point in (("before", before), ("after", after))
        }
        result = {
            "name": name, "queue": config.queue, "features": features, "actions": desk.n_actions,
            "changed": desk.n_changed(), "seed": config.seed, "error_rate": config.error_rate,
            **figures, "curve": curve, "oracle": True,
            "seconds": round(time.monotonic() - started, 2),
        }  # fmt: skip
        return result, PartialLabels.from_dense(desk.held)


class _Desk:
    """The simulated annotator at work."""

    def __init__(
        self, data: LoadedDataset, sets: PartialLabels, graph: Graph, config: SimulationConfig
    ) -> None:
        assert data.truth is not None
        self.order, self.config, self.graph = ORDERS.get(config.queue), config, graph
        self.names, self.truth = data.record.class_names, np.asarray(data.truth)
        self.held, self._first = sets.dense(), sets.dense()
        split = data.record.split_names
        self.is_train = np.ones(len(data), bool)
        if "train" in split:
            self.is_train = np.asarray(data.splits == split.index("train"))
        self._known = self.is_train & (self.truth != UNKNOWN)
        self.is_open = self._known.copy()
        self.generator = np.random.default_rng(config.seed)
        self.n_actions = 0
        self._judged = self._known & (sets.sizes() > 1)
        self._left, self._right = _cross_neighbours(graph.index, self.truth, self._known)
        self._in_pair = np.zeros(len(data), bool)
        shares = (self.held[self._left] & self.held[self._right]).any(axis=1)
        self._in_pair[self._left[shares]] = self._in_pair[self._right[shares]] = True
        self._believe()

    def work(self) -> bool:
        """One filling of the queue, done to its end; False when nothing is left to do."""
        left = self.config.actions - self.n_actions
        due = self.config.every - self.n_actions % self.config.every
        situation = Situation(
            candidates=PartialLabels.from_dense(self.held), is_open=self.is_open,
            class_names=self.names, seed=self.config.seed, index=self.graph.index,
            cosine=self.graph.cosine, belief=self.belief, features=self.graph.features,
            is_seen=self._known & ~self.is_open,
        )  # fmt: skip
        items = self.order.rank(situation, min(ITEMS_AT_ONCE, left, due))
        for item in items:
            for row in (item.row, item.other):
                if row is not None:
                    self._answer(row)
        self.n_actions += len(items)
        self._believe()
        return bool(items)

    def measure(self) -> dict[str, Any]:
        """Where things stand, by the true labels."""
        right = self._best == self.truth
        shares = (self.held[self._left] & self.held[self._right]).any(axis=1)
        return {
            "actions": self.n_actions,
            "disambiguation": _share(right[self._judged]),
            "entangled": _share(right[self._in_pair & self._judged]),
            "pairs": int(shares.sum()),
        }

    def n_changed(self) -> int:
        """Samples whose set is another than at first."""
        return int((self.held != self._first).any(axis=1).sum())

    def _answer(self, row: int) -> None:
        label = int(self.truth[row])
        if self.generator.random() < self.config.error_rate:
            others = np.flatnonzero(self._first[row] & (np.arange(len(self.names)) != label))
            if len(others):
                label = int(self.generator.choice(others))
        self.held[row] = False
        self.held[row, label] = True
        self.is_open[row] = False

    def _believe(self) -> None:
        self.belief = self.graph.belief(PartialLabels.from_dense(self.held))
        self._best = best_labels(self.belief)


def _cross_neighbours(
    index: NDArray[np.int64], truth: NDArray[np.integer], known: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Couples of neighbours of different true classes, each once, int64 (M,) twice."""
    left = np.repeat(np.arange(len(index)), index.shape[1])
    right = index.ravel()
    kept = (right >= 0) & known[left] & known[np.maximum(right, 0)]
    kept &= truth[left] != truth[np.maximum(right, 0)]
    low, high = np.minimum(left, right)[kept], np.maximum(left, right)[kept]
    _, first = np.unique(low * len(index) + high, return_index=True)
    return low[first], high[first]


def _share(right: NDArray[np.bool_]) -> float | None:
    return round(float(right.mean()), 4) if len(right) else None
