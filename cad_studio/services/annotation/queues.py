"""Queues: lists of what to annotate that fill themselves and hand nothing out twice."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.errors import NotReadyError, RecordNotFoundError, SettingError
from cad_studio.core.progress import Progress, Silent
from cad_studio.core.queues import Item, Queue, Ranked, Selection
from cad_studio.queues._base import ORDERS, Order, Situation
from cad_studio.queues.entangled import closest_apart
from cad_studio.services.access import Access
from cad_studio.services.annotation.annotated_sets import AnnotatedSets
from cad_studio.services.annotation.annotators import AnnotatorService
from cad_studio.services.annotation.beliefs import BeliefService
from cad_studio.services.annotation.consensus import STARTS, ConsensusService
from cad_studio.services.datasets.datasets import DatasetService, check_row
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.services.pairs.mining import MiningService
from cad_studio.store.projects import Project
from cad_studio.views.annotation import OrderView, QueueView

LEASE_SECONDS = 600.0
"""How long an item that was handed out is kept for its annotator."""

MOST_OVERLAP = 20
ITEMS_AT_ONCE = 50
"""Items a queue takes in at a time, ranked by the sets as they are then."""

_GROWING = ("disagreement", *STARTS)
"""Orders that find more when annotators have said more."""

_SO_FAR = " Confidence is still being worked out; then the best of the others come."
_MOST_SELECTED = 200_000
_MOST_TITLE = 120
_SELECTION_SOURCES = ("filter", "cell", "lasso", "suspects", "rows")


class QueueService:
    """The annotation queues of one project."""

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        sets: AnnotatedSets,
        beliefs: BeliefService,
        annotators: AnnotatorService,
        consensus: ConsensusService,
        mining: MiningService,
        access: Access,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Store into `project`, read through the other services of the same project."""
        self._project = project
        self._datasets = datasets
        self._sets = sets
        self._beliefs = beliefs
        self._annotators = annotators
        self._consensus = consensus
        self._mining = mining
        self._access = access
        self._clock = clock
        self._ranked: dict[int, int] = {}

    def orders(self) -> list[OrderView]:
        """The orders there are: `name`, `title`, `says`, `needs_rows`."""
        found = {name: ORDERS.get(name) for name in ORDERS.names()}
        return [
            {"name": name, "title": each.title, "says": each.says, "needs_rows": each.needs_rows}
            for name, each in found.items()
        ]

    def store_selection(
        self,
        name: str,
        rows: list[int],
        title: str,
        source: str = "rows",
        reasons: list[str] | None = None,
        who: str = "",
    ) -> Selection:
        """Keep a list of rows, to be gone through as a queue; other pages send samples this way.

        Args:
            name: The dataset.
            rows: In the order to go through them; repeats are left out.
            title: What to call it.
            source: `filter`, `cell`, `lasso`, `suspects` or `rows`.
            reasons: A sentence per row, or None.
            who: Who made it, where there is no login.

        Raises:
            SettingError: No rows, too many, or as many reasons as there are rows are missing.
            RecordNotFoundError: A row the dataset does not have.
        """
        self._access.require("annotator")
        data = self._datasets.load(name)
        if not 0 < len(rows) <= _MOST_SELECTED:
            raise SettingError(f"A selection has 1 to {_MOST_SELECTED:,} rows, not {len(rows):,}.")
        if source not in _SELECTION_SOURCES:
            raise SettingError(f"{source!r:.40} is no source of a selection.")
        if reasons is not None and len(reasons) != len(rows):
            raise SettingError(f"{len(rows):,} rows came with {len(reasons):,} reasons.")
        for row in rows:
            check_row(data, row)
        first = {row: at for at, row in reversed(list(enumerate(rows)))}
        kept = sorted(first, key=lambda row: first[row])
        return self._project.annotation_queues.add_selection({
            "dataset_id": data.record.id,
            "title": (title.strip() or source)[:_MOST_TITLE],
            "source": source,
            "rows": kept,
            "reasons": None if reasons is None else [reasons[first[row]] for row in kept],
            "created_by": self._access.name(who or "owner"),
        })  # fmt: skip

    def selections(self, name: str) -> list[Selection]:
        """All stored lists of a dataset, newest first."""
        return self._project.annotation_queues.selections(self._datasets.get(name).id)

    def selection(self, name: str, selection_id: int) -> Selection:
        """A stored list of a dataset.

        Raises:
            RecordNotFoundError: It is not there, or belongs to another dataset.
        """
        found = self._project.annotation_queues.selection(selection_id)
        if found.dataset_id != self._datasets.get(name).id:
            raise RecordNotFoundError(
                f"Selection {selection_id} belongs to another dataset than {name}."
            )
        return found

    def open(
        self,
        name: str,
        order_name: str,
        who: str = "",
        settings: dict[str, Any] | None = None,
        overlap: int = 1,
        title: str = "",
    ) -> Queue:
        """The queue of this order and these settings, made when there is none yet.

        Args:
            name: The dataset.
            order_name: A registered order.
            who: Who opens it, where there is no login.
            settings: `features`, `split`, `selection` (id), `seed`; what is left out takes its
                default.
            overlap: How many annotators shall see each item.
            title: What to call a new one.

        Raises:
            SettingError: A setting cannot be used.
        """
        order = ORDERS.get(order_name)
        record = self._datasets.get(name)
        clean = self._checked(name, order, settings or {})
        if order.needs_rows:
            title = title or self.selection(name, clean["selection"]).title
        for queue in self._project.annotation_queues.of(record.id):
            if (queue.order_name, queue.settings) == (order_name, clean):
                return queue
        self._access.require("annotator")
        _check_overlap(overlap)
        return self._project.annotation_queues.add({
            "dataset_id": record.id, "order_name": order_name,
            "title": (title or order.title)[:_MOST_TITLE], "settings": clean, "overlap": overlap,
            "created_by": self._access.name(who or "owner"),
        })  # fmt: skip

    def queues(self, name: str, who: str = "") -> list[QueueView]:
        """All queues of a dataset, newest first, each with its progress."""
        found = self._project.annotation_queues.of(self._datasets.get(name).id)
        return [self.describe(queue, who) for queue in found]

    def get(self, name: str, queue_id: int) -> Queue:
        """One queue of a dataset.

        Raises:
            RecordNotFoundError: It is not there, or belongs to another dataset.
        """
        queue = self._project.annotation_queues.get(queue_id)
        if queue.dataset_id != self._datasets.get(name).id:
            raise RecordNotFoundError(f"Queue {queue_id} belongs to another dataset than {name}.")
        return queue

    def describe(self, queue: Queue, who: str) -> QueueView:
        """A queue for a window: what it is, and how far it is."""
        progress = self._project.annotation_queues.progress(queue.id, who, self._clock())
        return {
            "id": queue.id, "order": queue.order_name, "title": queue.title,
            "says": ORDERS.get(queue.order_name).says, "settings": queue.settings,
            "overlap": queue.overlap, "is_complete": queue.is_complete,
            "created_by": queue.created_by, **progress,
        }  # fmt: skip

    def set_overlap(self, name: str, queue_id: int, overlap: int) -> None:
        """Say how many annotators see each item; what was handed out stays so."""
        self._access.require("owner")
        _check_overlap(overlap)
        self._project.annotation_queues.change(self.get(name, queue_id).id, overlap=overlap)

    def take(
        self, name: str, queue_id: int, who: str, count: int = 5, progress: Progress | None = None
    ) -> list[Item]:
        """The next items for an annotator; nobody else gets them for ten minutes.

        The queue fills itself when few are left. What the annotator has in hand comes first. An
        order by belief is ranked anew once the belief is another, as far as nobody has been handed
        an item yet.
        """
        self._access.require("annotator")
        who = self._access.name(who)
        queue = self.get(name, queue_id)
        try:
            if self._is_overtaken(name, queue):
                self.fill(name, queue, progress or Silent(), renews=True)
            items = self._take(queue, who, count)
            if len(items) < count and not queue.is_complete:
                self.fill(name, queue, progress or Silent())
                items = self._take(self.get(name, queue_id), who, count)
        except NotReadyError:
            items = self._take_meanwhile(name, queue, who, count)
            if not items:
                raise
        return items

    def _take_meanwhile(self, name: str, queue: Queue, who: str, count: int) -> list[Item]:
        """Items by what is known so far, where neighbours or belief are still being worked out.

        They are ranked again by the order itself once it can be, as far as nobody has been handed
        them.
        """
        items = self._take(queue, who, count)
        if len(items) < count:
            store = self._project.annotation_queues
            ranked = self._known_so_far(name, queue, store.rows_of(queue.id))
            store.extend(queue.id, ranked, False, False)
            self._ranked.pop(queue.id, None)
            items = self._take(queue, who, count)
        return items

    def _known_so_far(self, name: str, queue: Queue, kept: list[int]) -> list[Ranked]:
        """The closest pairs of a search that looked at no true label, or else random samples."""
        data = self._datasets.load(name)
        situation = Situation(
            candidates=self._sets.effective(name),
            is_open=self._is_open(data, queue, kept),
            class_names=data.record.class_names,
            seed=queue.settings.get("seed", 0),
        )
        searches = self._mining.minings(name) if queue.order_name == "entangled" else []
        for mining in searches:
            if mining.label_source == "best":
                pairs = self._mining.load_pairs(mining)
                columns = (np.asarray(each) for each in (pairs.i, pairs.j, pairs.similarity))
                ranked = closest_apart(situation, *columns, ITEMS_AT_ONCE)
                if ranked:
                    return [replace(each, why=each.why + _SO_FAR) for each in ranked]
        ranked = ORDERS.get("random").rank(situation, ITEMS_AT_ONCE)
        return [replace(each, why=each.why + _SO_FAR) for each in ranked]

    def is_ready(self, name: str, queue: Queue) -> bool:
        """Whether it can be filled while the user waits.

        Raises:
            NotAllowedError: Its features are not there yet, and only an owner may extract them.
        """
        if not ORDERS.get(queue.order_name).needs_graph:
            return True
        features = self._beliefs.features(name, queue.settings["features"])
        return self._beliefs.is_ready(name, features)

    def prepare(self, name: str, features: str, progress: Progress) -> dict[str, Any]:
        """Find the neighbours that queues need; the work of a job on large datasets.

        Raises:
            SettingError: No queue of the dataset is by these features.
        """
        queues = self._project.annotation_queues.of(self._datasets.get(name).id)
        if not any(queue.settings.get("features") == features for queue in queues):
            raise SettingError(f"No queue of {name} is by the features {features[:80]!r}.")
        graph = self._beliefs.graph(name, features, progress)
        return {"name": name, "features": features, "n": len(graph.index)}

    def item(self, name: str, queue_id: int, position: int) -> Item:
        """One item, whoever has it in hand."""
        return self._project.annotation_queues.item(self.get(name, queue_id).id, position)

    def release(self, name: str, queue_id: int, who: str) -> None:
        """Give back what an annotator has in hand."""
        self._access.require("annotator")
        self._project.annotation_queues.release(self.get(name, queue_id).id, self._access.name(who))

    def fill(self, name: str, queue: Queue, progress: Progress, renews: bool = False) -> int:
        """Rank what is not in the queue yet, by the sets as they are now, and append the best.

        With `renews`, what nobody has been handed gives up its place and is ranked again.
        """
        order, store = ORDERS.get(queue.order_name), self._project.annotation_queues
        kept = store.rows_of(queue.id, only_handed=renews)
        ranked = order.rank(self._situation(name, queue, order, kept, progress), ITEMS_AT_ONCE)
        is_complete = len(ranked) < ITEMS_AT_ONCE and not order.needs_graph
        is_complete = is_complete and queue.order_name not in _GROWING
        return store.extend(queue.id, ranked, is_complete, renews)

    def _is_overtaken(self, name: str, queue: Queue) -> bool:
        """Whether a queue has items that were ranked by another belief than that of now."""
        if not ORDERS.get(queue.order_name).needs_graph:
            return False
        if not self._project.annotation_queues.rows_of(queue.id):
            return False
        standing = self._beliefs.standing(name, queue.settings["features"], Silent())
        return self._ranked.get(queue.id) != standing.head

    def _take(self, queue: Queue, who: str, count: int) -> list[Item]:
        again = ORDERS.get(queue.order_name).again
        return self._project.annotation_queues.take(
            queue, who, max(1, min(count, 50)), self._clock(), LEASE_SECONDS, again
        )

    def _situation(
        self, name: str, queue: Queue, order: Order, kept: list[int], progress: Progress
    ) -> Situation:
        data, settings = self._datasets.load(name), queue.settings
        known: dict[str, Any] = {}
        if order.needs_graph:
            graph = self._beliefs.graph(name, settings["features"], progress)
            known["index"], known["cosine"] = graph.index, graph.cosine
            known["features"] = graph.features
            standing = self._beliefs.standing(name, settings["features"], progress)
            known["belief"] = standing.belief
            self._ranked[queue.id] = standing.head
            known["is_seen"] = np.zeros(len(data), bool)
            known["is_seen"][kept] = True
            known["is_seen"][self._sets.answered_rows(name)] = True
        if order.needs_rows:
            selection = self._project.annotation_queues.selection(settings["selection"])
            known["rows"], known["reasons"] = selection.rows, selection.reasons
        if queue.order_name == "disagreement":
            disputed = self._annotators.disputed(name)
            known["disputed"] = [row for row, _ in disputed]
            known["reasons"] = [why for _, why in disputed]
        if queue.order_name in STARTS and self._consensus.has_votes(name):
            by = STARTS[queue.order_name]
            known["consensus"] = self._consensus.judge(name, by, progress).confidence
        return Situation(
            candidates=self._sets.effective(name),
            is_open=self._is_open(data, queue, kept),
            class_names=data.record.class_names,
            seed=settings.get("seed", 0),
            **known,
        )

    def _is_open(self, data: LoadedDataset, queue: Queue, kept: list[int]) -> NDArray[np.bool_]:
        split = queue.settings.get("split")
        is_open = np.ones(len(data), bool)
        if split and split not in data.record.split_names:
            raise SettingError(
                f"The samples of {data.record.name} were divided anew, and there is no split "
                f"{split!r} any more. Open another queue."
            )
        if split:
            is_open = np.asarray(data.splits == data.record.split_names.index(split))
        is_open[kept] = False
        return is_open

    def _checked(self, name: str, order: Order, settings: dict[str, Any]) -> dict[str, Any]:
        allowed = {"features", "split", "selection", "seed"}
        unknown = sorted(set(settings) - allowed)
        if unknown:
            raise SettingError(f"{unknown[0]!r:.40} is no setting of a queue.")
        clean: dict[str, Any] = {}
        if order.needs_graph:
            clean["features"] = self._beliefs.features(name, settings.get("features"))
        if order.needs_rows:
            if not isinstance(settings.get("selection"), int):
                raise SettingError(f"The queue {order.title!r} needs a stored selection of rows.")
            clean["selection"] = settings["selection"]
            return clean
        record = self._datasets.get(name)
        split = settings.get("split", "train" if "train" in record.split_names else "")
        if split and split not in record.split_names:
            raise SettingError(f"{split!r:.40} is not a split of {name}.")
        clean["split"] = split or ""
        seed = settings.get("seed", 0)
        if not isinstance(seed, int) or not 0 <= seed < 2**31:
            raise SettingError("The seed of a queue is a whole number from 0.")
        clean["seed"] = seed
        return clean


def _check_overlap(overlap: int) -> None:
    if not isinstance(overlap, int) or not 1 <= overlap <= MOST_OVERLAP:
        raise SettingError(f"The overlap is 1 to {MOST_OVERLAP} annotators, not {overlap!r:.20}.")
