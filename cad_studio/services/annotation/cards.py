"""What the Annotate page paints: an item of a queue with everything around it, in one answer."""

from typing import Any

import numpy as np

from cad_studio.core.annotation import ClassMap, RowState
from cad_studio.core.errors import NotReadyError, SettingError
from cad_studio.core.progress import Silent
from cad_studio.core.queues import Item
from cad_studio.mining.propagation import best_labels
from cad_studio.queues._base import ORDERS
from cad_studio.services.access import Access
from cad_studio.services.annotation.annotated_sets import AnnotatedSets
from cad_studio.services.annotation.annotation import UNDOABLE, brief, told
from cad_studio.services.annotation.beliefs import BeliefService, View
from cad_studio.services.annotation.blindness import Blindness
from cad_studio.services.annotation.history import line
from cad_studio.services.datasets.datasets import DatasetService, check_row
from cad_studio.store.projects import Project
from cad_studio.views.annotation import CardView

_NEIGHBOURS = 10
_COMMENTS = 20


class CardService:
    """Cards of one project's datasets, to be looked at."""

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        sets: AnnotatedSets,
        beliefs: BeliefService,
        access: Access,
        blindness: Blindness,
    ) -> None:
        """Read through the other services of the same project."""
        self._project = project
        self._datasets = datasets
        self._sets = sets
        self._beliefs = beliefs
        self._access = access
        self._blindness = blindness

    def overview(self, name: str, who: str) -> dict[str, Any]:
        """What holds of a dataset's annotation as a whole.

        Returns:
            `head`, `digest`, `classes` (indices that can be chosen), `merged` (pairs: class and the
            one in its place), `removed`, `class_names`, `changed`,
            `flagged`, `contradict`, `people`, `undo` and `redo` of this annotator, `version`,
            `is_ahead` (whether actions wait for the next version), `role`, `login` (the checked
            name, or None where names are not checked).
        """
        record, book = self._datasets.get(name), self._sets.book(name)
        found: dict[str, Any] = {
            "head": 0, "digest": "", "changed": 0, "flagged": 0, "contradict": 0, "people": [],
            "undo": None, "redo": None,
        }  # fmt: skip
        classes = ClassMap()
        if book is not None:
            annotations = self._project.annotations
            classes = ClassMap.from_json(book.classes)
            found |= {"head": book.head, "digest": book.digest, **annotations.counts(book.id)}
            undo, redo = annotations.next_steps(book, self._access.name(who or "owner"), UNDOABLE)
            found |= {"undo": told(undo), "redo": told(redo)}
            if hidden := self._blindness.rows_for_reader(record):
                for name, marked in (("flagged", "flagged"), ("contradict", "contradict")):
                    found[name] = len(set(annotations.marked(book.id, marked)) - hidden)
        return {
            **found,
            "class_names": record.class_names,
            "classes": classes.live(record.n_classes),
            **classes.to_json(),
            "splits": record.split_names,
            "version": record.version.number,
            "is_ahead": self._sets.is_ahead(record),
            "role": self._access.role(),
            "login": self._access.checked_name(),
        }

    def card(
        self, name: str, rows: list[int], who: str, item: Item | None = None, near: bool = True
    ) -> CardView:
        """One sample, or two side by side.

        Args:
            name: The dataset.
            rows: One row, or the two of a pair.
            who: For whom.
            item: The place in a queue it was taken from.
            near: Whether to look for neighbours.

        Returns:
            `rows`, `queue`, `position`, `why`, `sides`; of a pair also `similarity` and `shared`,
            and `classes`: the two their neighbours pull them to, in the order of the classes so
            that nothing is suggested, or None.
        """
        data = self._datasets.load(name)
        for row in rows:
            check_row(data, row)
        if len(rows) not in {1, 2} or len(set(rows)) != len(rows):
            raise SettingError("A card shows one sample, or two different ones.")
        who = self._blindness.person(who)
        book = self._sets.book(name)
        states = {} if book is None else self._project.annotations.states(book.id, rows)
        blind = self._blindness.rows(data.record, who, rows)
        sides = [
            self._side(name, row, states.get(row, RowState()), who, near, row in blind)
            for row in rows
        ]
        found: dict[str, Any] = {
            "rows": rows, "sides": sides,
            "queue": None if item is None else item.queue_id,
            "position": None if item is None else item.position,
            "why": "" if item is None else self._why(item, bool(blind)),
        }  # fmt: skip
        if len(rows) == 2:
            found |= self._between(name, rows, sides, who, bool(blind))
        return found

    def of_items(self, name: str, items: list[Item], who: str) -> list[CardView]:
        """The cards of items; what they need of the database is read for all of them at once."""
        rows = [row for item in items for row in _rows_of(item)]
        data, book = self._datasets.load(name), self._sets.book(name)
        if book is not None:
            self._project.annotations.states(book.id, rows)
            self._project.annotations.comments_on(book.id, rows)
        self._blindness.rows(data.record, self._blindness.person(who), rows)
        self._blindness.rows_for_reader(data.record, rows)
        return [self.card(name, _rows_of(item), who, item) for item in items]

    def of_item(self, name: str, item: Item, who: str) -> CardView:
        """The card of an item."""
        return self.card(name, _rows_of(item), who, item)

    def _why(self, item: Item, is_blind: bool) -> str:
        """The reason of an item, unless it may rest on answers that are hidden."""
        queue = self._project.annotation_queues.get(item.queue_id)
        order = ORDERS.get(queue.order_name)
        is_telling = order.needs_graph or order.needs_rows or order.again
        return "" if is_blind and is_telling else item.why

    def _side(
        self, name: str, row: int, state: RowState, who: str, near: bool, is_blind: bool
    ) -> dict[str, Any]:
        data, book = self._datasets.load(name), self._sets.book(name)
        base = self._sets.base(name)
        classes = ClassMap.from_json(None if book is None else book.classes)
        instance = self._datasets.instance(name, row)
        comments = []
        if book is not None:
            said = self._project.annotations.comments_on(book.id, [row])
            comments = [
                {"who": each["who"], "at": each["at"], "text": each["why"]}
                for each in map(line, said.get(row, []))
                if not is_blind or each["who"] == who
            ][-_COMMENTS:]
        return {
            "row": row, "id": data.ids[row], "split": instance["split"],
            "votes": instance["votes"], "imported": list(classes.apply(tuple(base.of(row)))),
            "comments": comments, **brief(state, row, base, classes, who, is_blind),
            "neighbours": self._near(name, row, who) if near else None,
        }  # fmt: skip

    def _near(self, name: str, row: int, who: str) -> dict[str, Any]:
        features = self._beliefs.features(name)
        if not self._beliefs.is_ready(name, features):
            return {"rows": [], "similarity": [], "candidates": [], "features": features}
        graph = self._beliefs.graph(name, features, Silent())
        rows = graph.index[row][:_NEIGHBOURS]
        kept = rows >= 0
        blind = self._blindness.rows(self._datasets.get(name), who, rows[kept].tolist())
        return {
            "rows": rows[kept].tolist(),
            "similarity": np.round(graph.cosine[row][:_NEIGHBOURS][kept].astype(float), 4).tolist(),
            "candidates": self._sets.lists_without(name, rows[kept], blind),
            "features": features,
        }

    def _between(
        self, name: str, rows: list[int], sides: list[dict[str, Any]], who: str, is_blind: bool
    ) -> dict[str, Any]:
        features = self._beliefs.features(name)
        shared = sorted(set(sides[0]["candidates"]) & set(sides[1]["candidates"]))
        if not self._beliefs.is_ready(name, features):
            return {"similarity": None, "shared": shared, "classes": None}
        hidden = self._blindness.rows(self._datasets.get(name), who)
        view = View(is_blind, who, hidden)
        try:
            belief = self._beliefs.standing(name, features, Silent(), view).belief
        except NotReadyError:
            return {"similarity": None, "shared": shared, "classes": None}
        best = best_labels(belief[rows]).tolist()
        held = [set(side["candidates"]) for side in sides]
        can_be = best[0] != best[1] and all(
            label in both for label, both in zip(best, held, strict=True)
        )
        vectors = self._beliefs.vectors(name, features)
        similarity = float(vectors[rows[0]].astype(float) @ vectors[rows[1]].astype(float))
        swappable = can_be and best[1] in held[0] and best[0] in held[1]
        return {
            "similarity": round(similarity, 4), "shared": shared,
            "classes": sorted(best) if swappable else None,
        }  # fmt: skip


def _rows_of(item: Item) -> list[int]:
    return [item.row] if item.other is None else [item.row, item.other]
