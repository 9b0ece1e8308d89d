"""What annotators do with a dataset, in Python."""

import uuid
from collections.abc import Iterable
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cad_studio.core.queues import Queue
from cad_studio.interface.given import Rows, listed, rows_of
from cad_studio.services.annotation.action_requests import ActionRequest
from cad_studio.services.annotation.beliefs import View
from cad_studio.views.annotation import LiveView, QueueView

_LOG = ("number", "who", "kind", "rows", "at", "why", "queue")

if TYPE_CHECKING:
    from cad_studio.interface.dataset import StudioDataset
    from cad_studio.interface.studio import Studio


class StudioAnnotation:
    """The log of a dataset, its annotators, and the orders in which samples are asked about."""

    def __init__(self, studio: "Studio", dataset: "StudioDataset") -> None:
        """Made by `StudioDataset.annotation`."""
        self._studio = studio
        self._services = studio.services
        self._dataset = dataset
        self._name = dataset.name

    def log(self, row: int | None = None) -> pd.DataFrame:
        """Everything that was annotated, oldest first; index `number`.

        Args:
            row: Only what concerns this sample; None for all.
        """
        history = self._services.history
        lines: Iterable[Any] = history.everything(self._name)
        if row is not None:
            lines = history.of_row(self._name, index(row))
        return listed(lines, "number", _LOG).sort_index()

    def restore(
        self, number: int, rows: Rows | None = None, *, who: str = "owner", why: str = ""
    ) -> dict[str, Any]:
        """Bring back the sets as they were after an action, as a new action.

        Args:
            number: The action; 0 for the imported sets.
            rows: Only these samples; None for all.
            who: Name of the annotator.
            why: A reason, if there is one.

        Raises:
            SettingError: There is no such action, or nothing would change.
        """
        only = None if rows is None else rows_of(rows, len(self._dataset))
        request = request_of("restore", [], {}, who, why)
        return self._services.history.restore(self._name, index(number), only, request)

    def correct(
        self, file: str | Path, *, who: str = "owner", why: str = "", preview: bool = False
    ) -> dict[str, Any]:
        """Take over the sets of a corrected file, or the answers of a Label Studio export.

        Args:
            file: CSV, JSON lines or JSON, as the commands `annotate apply` and `diff` read.
            who: Name of the annotator.
            why: A reason; the name of the file where there is none.
            preview: Whether only to tell what would change.

        Returns:
            What `CorrectionService.preview` or `CorrectionService.apply` tells.
        """
        if preview:
            return self._services.corrections.preview(self._name, Path(file))
        request = request_of("correct", [], {}, who, why)
        return self._services.corrections.apply(self._name, Path(file), request)

    def agreement(self) -> dict[str, Any]:
        """How well annotators agree: `AnnotatorService.agreement`."""
        return self._services.annotators.agreement(self._name)

    def people(self, by: str = "dawid-skene") -> pd.DataFrame:
        """How often each annotator is right, with a 95 % interval: `ConsensusService.people`.

        Args:
            by: `dawid-skene`, by the votes alone; or `crowdlab`, by votes and a classifier.
        """
        people = self._services.consensus.people(self._name, by)["people"]
        columns = ["who", "n_votes", "accuracy", "low", "high", "rating"]
        return pd.DataFrame(people, columns=columns).set_index("who")

    def consensus(self, by: str = "dawid-skene") -> pd.DataFrame:
        """What the votes on each sample come to, a column a class; rows without votes are 0.

        Args:
            by: As in `people`.

        Raises:
            SettingError: There are no votes, or too few for CROWDLAB.
        """
        found = self._services.consensus.judge(self._name, by).confidence
        return pd.DataFrame(found, columns=self._dataset.classes)

    def belief(self, features: str = "") -> pd.DataFrame:
        """The live belief: what neighbours and a ridge head make of the sets as they are now.

        Args:
            features: Extractor; empty takes the best features there are.

        Returns:
            A column each class, float32; a row each sample, sum 1 over its candidates.
        """
        beliefs, progress = self._services.beliefs, self._studio.progress
        spec = beliefs.features(self._name, features or None)
        found = beliefs.standing(self._name, spec, progress, View(), is_exact=True).belief
        return pd.DataFrame(
            found.toarray(), columns=self._dataset.classes, index=pd.RangeIndex(len(self._dataset))
        )

    def live(self, who: str = "owner") -> LiveView:
        """How far the answers have settled the samples: `LiveService.standing`."""
        return self._services.live.standing(self._name, who)

    def orders(self) -> pd.DataFrame:
        """The orders a queue can have: `title`, `says`; index `name`."""
        return pd.DataFrame(self._services.queues.orders()).set_index("name")

    def queues(self, who: str = "owner") -> pd.DataFrame:
        """The queues that were opened, newest first, with their progress; index `id`."""
        found = self._services.queues.queues(self._name, who)
        return listed(found, "id", QueueView.__annotations__)

    def queue(
        self,
        order: str = "selection",
        *,
        who: str = "owner",
        rows: Rows | None = None,
        overlap: int = 1,
        title: str = "",
        **settings: Any,
    ) -> "StudioQueue":
        """The queue of an order, opened if it is not there.

        Args:
            order: One of `orders`; `selection` goes through `rows`.
            who: Name of the annotator.
            rows: Samples to go through, in this order.
            overlap: How many annotators see each item.
            title: What a new one is called.
            settings: `features`, `split`, `seed`.

        Raises:
            SettingError: A setting cannot be used.
        """
        if rows is not None:
            made = self._services.queues.store_selection(
                self._name, rows_of(rows, len(self._dataset)), title or "From Python", who=who
            )
            settings["selection"] = made.id
        plain = {name: _plain(value) for name, value in settings.items()}
        opened = self._services.queues.open(self._name, order, who, plain, index(overlap), title)
        return StudioQueue(self._studio, self._dataset, opened, who)


class StudioQueue:
    """Samples of a dataset in the order in which one annotator is asked about them."""

    def __init__(self, studio: "Studio", dataset: "StudioDataset", queue: Queue, who: str) -> None:
        """Made by `StudioAnnotation.queue`."""
        self._studio = studio
        self._queues = studio.services.queues
        self._dataset = dataset
        self._queue = queue
        self._who = who

    def __repr__(self) -> str:
        """Its order and dataset."""
        return f"<queue {self._queue.order_name} of {self._dataset.name}>"

    def describe(self) -> QueueView:
        """What it is, and how far it is: `QueueService.describe`."""
        return self._queues.describe(
            self._queues.get(self._dataset.name, self._queue.id), self._who
        )

    def take(self, count: int = 5) -> pd.DataFrame:
        """The next samples; nobody else gets them for ten minutes.

        What was taken and not answered comes first.

        Returns:
            `row`, `other` (the partner in a pair, missing where there is none), `score`, `why`;
            index `position`.
        """
        items = self._queues.take(
            self._dataset.name, self._queue.id, self._who, index(count), self._studio.progress
        )
        columns = ["position", "row", "other", "score", "why"]
        lines = [[getattr(item, column) for column in columns] for item in items]
        found = pd.DataFrame(lines, columns=columns).set_index("position")
        return found.astype({"other": "Int64"})

    def answer(self, kind: str, position: int, **given: Any) -> dict[str, Any]:
        """Decide an item of the queue: `StudioDataset.annotate` on its samples.

        Args:
            kind: As in `StudioDataset.annotate`.
            position: Of the item.
            given: As in `StudioDataset.annotate`.
        """
        position = index(position)
        item = self._queues.item(self._dataset.name, self._queue.id, position)
        rows = [item.row] if item.other is None else [item.row, item.other]
        place = (self._queue.id, position)
        return self._dataset.annotate(kind, rows, who=self._who, place=place, **given)

    def release(self) -> None:
        """Give back what was taken and not answered."""
        self._queues.release(self._dataset.name, self._queue.id, self._who)

    def set_overlap(self, overlap: int) -> None:
        """Say how many annotators see each item."""
        self._queues.set_overlap(self._dataset.name, self._queue.id, index(overlap))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def request_of(
    kind: str,
    rows: list[int],
    given: dict[str, Any],
    who: str,
    why: str,
    place: tuple[int, int] | None = None,
) -> ActionRequest:
    """An action as it is asked for from Python, with a key of its own."""
    queue, position = place or (None, None)
    plain = {name: _plain(value) for name, value in given.items()}
    return ActionRequest(
        kind, rows, plain, who, uuid.uuid4().hex, why=why, queue=queue, position=position
    )
