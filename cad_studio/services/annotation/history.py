"""Read the log back: who did what when, a sample's own history, earlier states, verification."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from cad_studio.annotation.replay import Replayed, replay
from cad_studio.core.annotation import TAGGED, Action, Book, ClassMap, RowState, packed_set
from cad_studio.core.errors import ProjectError, RecordNotFoundError, SettingError
from cad_studio.services.access import NOBODY, Access
from cad_studio.services.annotation.action_requests import ActionRequest
from cad_studio.services.annotation.annotated_sets import AnnotatedSets
from cad_studio.services.annotation.annotation import AnnotationService
from cad_studio.services.annotation.blindness import Blindness
from cad_studio.services.datasets.datasets import DatasetService, check_row
from cad_studio.store.projects import Project
from cad_studio.views.annotation import ActionView, HistoryView

_MOST_LINES = 500
_MOST_NAMED = 10  # samples of an action whose ids are told


class AnnotationHistory:
    """The logs of one project, to be read, verified and gone back to."""

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        sets: AnnotatedSets,
        annotation: AnnotationService,
        access: Access,
        blindness: Blindness,
    ) -> None:
        """Read through `project`; write through `annotation`."""
        self._access = access
        self._blindness = blindness
        self._project = project
        self._datasets = datasets
        self._sets = sets
        self._annotation = annotation

    def newest(self, name: str, before: int = 0, limit: int = 50) -> HistoryView:
        """The newest actions, or those before a number.

        Returns:
            `head`, `digest`, `actions` (newest first, with the changes of at most ten samples). Of
            an action about samples whose answers are hidden from this reader, only its place in
            the log is told.
        """
        book = self._sets.book(name)
        if book is None:
            return {"head": 0, "digest": "", "actions": []}
        limit = min(max(1, limit), _MOST_LINES)
        actions = self._project.annotations.actions(book.id, before, limit, newest=True)
        return {
            "head": book.head, "digest": book.digest,
            "actions": self._named(name, self._told(name, actions, map(line, actions))),
        }  # fmt: skip

    def of_row(self, name: str, row: int) -> list[ActionView]:
        """Everything done to one sample, oldest first."""
        check_row(self._datasets.load(name), row)
        book = self._sets.book(name)
        if book is None:
            return []
        actions = self._project.annotations.actions_on(book.id, row)
        lines = (line(action, row) for action in actions)
        return self._named(name, self._told(name, actions, lines))

    def everything(self, name: str) -> Iterator[dict[str, Any]]:
        """The whole log, oldest first, complete but for what is hidden from this reader."""
        book = self._sets.book(name)
        if book is None:
            return iter(())
        one, other = itertools.tee(self._project.annotations.all_actions(book.id))
        return self._told(name, one, map(_whole, other))

    def removed(self) -> list[dict[str, Any]]:
        """Logs whose dataset was removed: `book`, `dataset`, `actions`."""
        return [
            {"book": book.id, "dataset": book.dataset_name, "actions": book.head}
            for book in self._project.annotations.books()
            if book.dataset_id is None
        ]

    def of_removed(self, book_id: int) -> Iterator[dict[str, Any]]:
        """The whole log of a dataset that was removed.

        Raises:
            RecordNotFoundError: There is no such log.
        """
        for book in self._project.annotations.books():
            if book.id == book_id and book.dataset_id is None:
                return self._complete(book)
        raise RecordNotFoundError(f"There is no log {book_id} of a removed dataset.")

    def restore(
        self, name: str, number: int, rows: list[int] | None, request: ActionRequest
    ) -> dict[str, Any]:
        """Bring back the sets as they were after an action, as a new action.

        Args:
            name: The dataset.
            number: The action; 0 for the imported sets.
            rows: Only these samples; None for all.
            request: Who does it, with its key; kind and arguments are filled in here.

        Returns:
            As `AnnotationService.act`.

        Raises:
            SettingError: There is no such action, or nothing would change.
        """
        self._access.require("owner")
        data, book = self._datasets.load(name), self._sets.book(name)
        head = 0 if book is None else book.head
        if book is None or not 0 <= number <= head:
            raise SettingError(f"There is no action {number}; the last is {head}.")
        states = self._states_at(book, number, rows)
        asked = sorted(states) if rows is None else rows
        base, now = self._sets.base(name), self._sets.effective(name)
        classes = ClassMap.from_json(book.classes)
        wanted, sets = [], []
        for row in asked:
            check_row(data, row)
            earlier = states.get(row, RowState()).effective(tuple(base.of(row)))
            earlier = classes.apply(earlier)
            if list(earlier) != now.of(row) and earlier:
                wanted.append(row)
                sets.append(list(earlier))
        if not wanted:
            raise SettingError(f"Nothing has changed since action {number}.")
        arguments = {"sets": sets, "to": number}
        made = ActionRequest(
            "restore", wanted, arguments, request.who, request.key, request.window,
            request.seconds, request.why or f"Back to action {number}",
        )  # fmt: skip
        return self._annotation.act_inner(name, made)

    def verify(self, name: str) -> dict[str, Any]:
        """Replay the whole log and hold it against the state kept beside it.

        Returns:
            `actions`, `digest`, `samples` (touched), `agrees`.

        Raises:
            ProjectError: The log is damaged, or the state does not follow from it.
        """
        book = self._sets.book(name)
        if book is None:
            return {"actions": 0, "digest": "", "samples": 0, "agrees": True}
        annotations = self._project.annotations
        played, kept = replay(annotations.all_actions(book.id)), annotations.states(book.id)
        wrong = {row for row in {*kept, *played.states} if kept.get(row) != played.states.get(row)}
        width = -(-self._datasets.get(name).n_classes // 8)
        rows, sets = annotations.effective(book.id)
        for row, packed in zip(rows.tolist(), sets, strict=True):
            said = played.states.get(row, RowState())
            wanted = packed_set(said.effective(()), width) if said.counted() else None
            wrong |= {row} if wanted != packed else set()
        is_same = (played.number, played.digest) == (book.head, book.digest)
        is_same &= played.split == book.split
        if wrong or not is_same or played.classes != ClassMap.from_json(book.classes):
            where = f" (first: row {min(wrong)})" if wrong else ""
            raise ProjectError(
                f"The log of {name} has {played.number:,} actions, and the state beside it does "
                f"not follow from them{where}. Mend it: python -m cad_studio annotate verify "
                f"{name} --rebuild."
            )
        return {
            "actions": played.number, "digest": played.digest, "samples": len(kept), "agrees": True,
        }  # fmt: skip

    def rebuild(self, name: str) -> dict[str, Any]:
        """Make the state beside the log anew from the log."""
        self._access.require("owner")
        record = self._datasets.get(name)
        book = self._sets.book(name)
        if book is None:
            return self.verify(name)
        played = replay(self._project.annotations.all_actions(book.id))
        with self._project.annotations.writing(record.id) as log:
            if log.book.head != played.number:
                raise ProjectError("Somebody is annotating. Try again when they have stopped.")
            log.rebuild(played.states, played.digest, played.classes.to_json(), played.split)
        return self.verify(name)

    def _states_at(self, book: Book, number: int, rows: list[int] | None) -> dict[int, RowState]:
        """States after an action, of every sample touched until now."""
        annotations = self._project.annotations
        states: dict[int, RowState] = {}
        if rows is None:
            played = Replayed()
            for action in annotations.all_actions(book.id):
                if action.number <= number:
                    played.play(action)
                else:
                    states.update((change.row, RowState()) for change in action.parsed_changes())
            return {**states, **played.states}
        for row in rows:
            state = RowState()
            for action in annotations.actions_on(book.id, row):
                if action.number > number:
                    break
                for change in action.parsed_changes():
                    if change.row == row:
                        state = state.with_change(change, action.who, action.number, action.window)
            states[row] = state
        return states

    def _named(self, name: str, lines: Iterable[dict[str, Any]]) -> list[ActionView]:
        """Lines with the ids of the first samples."""
        ids = self._datasets.load(name).ids
        return [{**each, "ids": [ids[row] for row in each["rows"][:_MOST_NAMED]]} for each in lines]

    def _complete(self, book: Book) -> Iterator[dict[str, Any]]:
        return map(_whole, self._project.annotations.all_actions(book.id))

    def _told(
        self, name: str, actions: Iterable[Action], lines: Iterable[dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        """Actions as lines, without what the reader may not know yet.

        Who reads is settled now: the lines may be drawn when nobody acts any more.
        """
        hidden = self._blindness.rows_for_reader(self._datasets.get(name))
        reader = self._blindness.person(NOBODY)

        def told(action: Action, line: dict[str, Any]) -> dict[str, Any]:
            if not hidden & _touched(action):
                return line
            if action.who == reader:  # what changed follows from what others said too
                return {**line, "changes": []}
            return {**_HIDDEN, "number": action.number, "at": action.at}

        return (told(action, line) for action, line in zip(actions, lines, strict=True))


_HIDDEN: dict[str, Any] = {
    "who": "", "kind": "hidden", "rows": [], "n_rows": 0, "details": {}, "changes": [],
    "why": "Shown when you have answered it yourself.", "version": "", "seconds": None,
    "queue": None, "position": None, "reverses": None, "digest": "", "key": "",
}  # fmt: skip
"""What is told of an action about samples whose answers are hidden."""


def _touched(action: Action) -> set[int]:
    return {*action.details.get("rows", []), *(change[0] for change in action.changes)}


def _whole(action: Action) -> dict[str, Any]:
    return {**line(action), "changes": [_change(change) for change in action.changes]}


def line(action: Action, row: int | None = None) -> dict[str, Any]:
    """An action for a reader.

    Args:
        action: The action.
        row: Only what it did to this sample.
    """
    shown = [change for change in action.changes if row is None or change[0] == row]
    return {
        "number": action.number, "who": action.who, "at": action.at, "kind": action.kind,
        "rows": action.details.get("rows") or list(dict.fromkeys(c[0] for c in shown))[:10],
        "n_rows": len({change[0] for change in action.changes}) or action.details.get("touched", 0),
        "details": {
            key: value
            for key, value in action.details.items()
            if key not in {"classes", "split", "rows"}
        },
        "changes": [_change(change) for change in shown[:10]],
        "why": action.why, "version": action.version, "seconds": action.seconds,
        "queue": action.queue_id, "position": action.position, "reverses": action.reverses,
        "digest": action.digest, "key": action.key,
    }  # fmt: skip


def _change(change: list[Any]) -> dict[str, Any]:
    row, about, _, after, sets_before, sets_after = change
    if about == "flag":
        return {"row": row, "flag": after}
    if about.startswith(TAGGED):
        return {"row": row, "tag": about.removeprefix(TAGGED), "given": after}
    return {"row": row, "before": sets_before, "after": sets_after}
