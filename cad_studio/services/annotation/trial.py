"""Annotation on trial, for the visitors of a read-only studio: nothing of it is stored.

The first items of an order are shown, the answers stay in the visitor's window, and what they would
be worth is worked out in memory, by the same orders and the same belief as of real queues.
"""

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np
from cachetools import LRUCache

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.errors import SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Silent
from cad_studio.core.queues import Ranked
from cad_studio.mining.propagation import best_labels
from cad_studio.queues._base import ORDERS, Situation
from cad_studio.services.access import Access
from cad_studio.services.annotation.annotated_sets import AnnotatedSets
from cad_studio.services.annotation.beliefs import BeliefService, View
from cad_studio.services.annotation.blindness import Blindness
from cad_studio.services.annotation.cards import CardService
from cad_studio.services.annotation.simulation import SimulationConfig, SimulationService
from cad_studio.services.datasets.datasets import DatasetService, check_row
from cad_studio.views.annotation import CardView, TrialWorthView

MOST_ITEMS = 30
MOST_ANSWERS = 60
WORTH_SHOWN = 20
"""Answers of the simulated annotator that a visitor's own are held beside."""

_VISITOR = "visitor"


class TrialService:
    """Trials of annotation in one project."""

    def __init__(
        self,
        datasets: DatasetService,
        sets: AnnotatedSets,
        beliefs: BeliefService,
        cards: CardService,
        simulation: SimulationService,
        blindness: Blindness,
        access: Access,
    ) -> None:
        """Read through the other services of the same project."""
        self._datasets = datasets
        self._sets = sets
        self._beliefs = beliefs
        self._cards = cards
        self._simulation = simulation
        self._blindness = blindness
        self._access = access
        self._simulated: LRUCache[tuple[str, str], dict[str, Any]] = LRUCache(8)
        self._lock = Lock()

    def orders(self) -> list[str]:
        """The orders that can be tried: those that need neither a stored list nor votes."""
        found = [name for name in ORDERS.names() if not ORDERS.get(name).needs_rows]
        return [name for name in found if ORDERS.get(name).needs_graph or name == "random"]

    def cards(self, name: str, order: str, rows: Sequence[int] | None = None) -> list[CardView]:
        """The cards of a trial, at most `MOST_ITEMS`; see `CardService.card`.

        Args:
            name: The dataset.
            order: One of `orders`; of no matter where `rows` are given.
            rows: Samples to go through instead, one after the other.

        Raises:
            SettingError: Answers are stored here, so nothing need be tried; the order cannot be
                tried; or the neighbours of so large a dataset are not known yet.
            RecordNotFoundError: A row the dataset does not have.
        """
        self._require_trial(name)
        if rows is not None:
            data = self._datasets.load(name)
            for row in rows[:MOST_ITEMS]:
                check_row(data, row)
            ranked = [Ranked(row, None, 0.0, "") for row in rows[:MOST_ITEMS]]
        else:
            ranked = self._ranked(name, order)
        found = []
        for position, each in enumerate(ranked):
            members = [each.row] if each.other is None else [each.row, each.other]
            card = self._cards.card(name, members, _VISITOR)
            found.append({**card, "queue": -1, "position": position, "why": each.why})
        return found

    def worth(self, name: str, order: str, answers: Mapping[int, Sequence[int]]) -> TrialWorthView:
        """What answers would be worth if they were given.

        Args:
            name: The dataset.
            order: The order they were given in, for the simulated annotator.
            answers: Row to the candidates that would be left, ascending.

        Returns:
            `n` (answered samples), `settled` (others whose best label by the live belief is another
            now), and where true labels are known `before`, `after` (share of the ambiguous training
            samples whose best label is the true one), `simulated` (after `simulated_n` right
            answers in this order); None where not.

        Raises:
            SettingError: As `cards`, or an answer cannot be one.
        """
        self._require_trial(name)
        if len(answers) > MOST_ANSWERS:
            raise SettingError(
                f"{len(answers)} answers; the worth of at most {MOST_ANSWERS} is worked out."
            )
        data = self._datasets.load(name)
        held = self._held(name).dense()
        first = held.copy()
        for row, classes in answers.items():
            check_row(data, row)
            if not classes or not all(0 <= index < held.shape[1] for index in classes):
                raise SettingError(f"The answer about row {row} is not a set of classes.")
            held[row] = False
            held[row, list(classes)] = True
        rows = np.array(sorted(answers), np.int64)
        features = self._beliefs.features(name)
        graph = self._beliefs.graph(name, features, Silent())
        with self._lock:  # one at a time: it takes a processor for a moment
            before = best_labels(self._belief(name))
            after = best_labels(graph.belief(PartialLabels.from_dense(held)))
        others = np.ones(len(data), bool)
        others[rows] = False
        found: dict[str, Any] = {
            "n": len(rows), "settled": int((before != after)[others].sum()), "before": None,
            "after": None, "simulated": None, "simulated_n": WORTH_SHOWN,
        }  # fmt: skip
        if data.truth is None:
            return found
        truth = np.asarray(data.truth)
        judged = (first.sum(axis=1) > 1) & (truth != UNKNOWN)
        if "train" in data.record.split_names:
            judged &= np.asarray(data.splits == data.record.split_names.index("train"))
        if judged.any():
            right = {"before": before == truth, "after": after == truth}
            found |= {key: round(float(each[judged].mean()), 4) for key, each in right.items()}
            found["simulated"] = self._simulated_worth(name, order)
        return found

    def _simulated_worth(self, name: str, order: str) -> float | None:
        """Share of right best labels after the simulated annotator's answers in an order."""
        if order not in self.orders() or self._is_hidden(name):
            return None
        key = (f"{name} {self._datasets.get(name).version.hash}", order)
        with self._lock:
            if key not in self._simulated:
                config = SimulationConfig(order, actions=WORTH_SHOWN, every=WORTH_SHOWN)
                self._simulated[key] = self._simulation.simulate(name, config)
            worth: float | None = self._simulated[key]["disambiguation_after"]
            return worth

    def _ranked(self, name: str, order_name: str) -> list[Ranked]:
        if order_name not in self.orders():
            raise SettingError(
                f"{order_name!r:.40} cannot be tried here. Allowed: {', '.join(self.orders())}."
            )
        order, data = ORDERS.get(order_name), self._datasets.load(name)
        is_open = np.ones(len(data), bool)
        if "train" in data.record.split_names:
            is_open = np.asarray(data.splits == data.record.split_names.index("train"))
        known: dict[str, Any] = {}
        if order.needs_graph:
            graph = self._beliefs.graph(name, self._beliefs.features(name), Silent())
            known = {
                "index": graph.index, "cosine": graph.cosine, "features": graph.features,
                "belief": self._belief(name), "is_seen": np.zeros(len(data), bool),
            }  # fmt: skip
            if not self._is_hidden(name):
                known["is_seen"][self._sets.answered_rows(name)] = True
        situation = Situation(self._held(name), is_open, data.record.class_names, **known)
        return order.rank(situation, MOST_ITEMS)

    def _held(self, name: str) -> PartialLabels:
        """The sets as this visitor may know them."""
        hidden = self._is_hidden(name)
        return self._sets.original(name) if hidden else self._sets.effective(name)

    def _belief(self, name: str) -> Any:
        features = self._beliefs.features(name)
        hidden = self._is_hidden(name)
        return self._beliefs.standing(
            name, features, Silent(), View(original=hidden), is_exact=True
        ).belief

    def _is_hidden(self, name: str) -> bool:
        return bool(self._blindness.rows_for_reader(self._datasets.get(name)))

    def _require_trial(self, name: str) -> None:
        if not self._access.read_only:
            raise SettingError("Answers are stored here. Open a queue on the Annotate page.")
        if not self._beliefs.is_ready(name, self._beliefs.features(name)):
            raise SettingError(
                f"{name} is too large for its neighbours to be found on a visit. Run your own copy "
                "to annotate it."
            )
