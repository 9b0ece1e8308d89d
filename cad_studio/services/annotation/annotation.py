"""Annotate: act on samples, undo and redo, and read what holds."""

import json
import time
from collections.abc import Callable
from typing import Any

from cad_studio.annotation.classes import CLASS_KINDS
from cad_studio.annotation.desk import Desk
from cad_studio.annotation.kinds import INNER, KINDS, MOST_ROWS
from cad_studio.annotation.replay import digest_of
from cad_studio.annotation.splitting import SPLIT_KINDS
from cad_studio.core.annotation import Action, Change, ClassMap, RowState
from cad_studio.core.errors import RecordNotFoundError, SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.services.access import Access
from cad_studio.services.annotation.action_requests import ActionRequest
from cad_studio.services.annotation.annotated_sets import AnnotatedSets
from cad_studio.services.annotation.class_actions import class_outcome, told_outcome
from cad_studio.services.datasets.datasets import DatasetService, check_row
from cad_studio.store.annotation_writer import LogWriter
from cad_studio.store.database import now
from cad_studio.store.projects import Project

UNDOABLE = [*(name for name, kind in KINDS.items() if kind.can_undo), *CLASS_KINDS, *SPLIT_KINDS]
_OPEN_AFTER = {"comment", "flag", "toggle", "tag", "untag"}
"""Kinds after which an item of a queue still waits for its decision."""
_VERBS = {
    "add": "gain", "remove": "lose", "set": "keep only", "tag": "gain", "untag": "lose",
}  # fmt: skip


class AnnotationService:
    """The annotation of one project's datasets."""

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        sets: AnnotatedSets,
        access: Access,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Write through `project`, read through the other services of the same project."""
        self._project = project
        self._datasets = datasets
        self._sets = sets
        self._access = access
        self._clock = clock

    def act(self, name: str, request: ActionRequest) -> dict[str, Any]:
        """Do something, durably: when this returns, it is on the disk.

        Returns:
            `number`, `digest`, `kind`, `repeated` (whether it had been done before), `changed`
            (how many samples), `classes` and `split` (whether they are others now), `rows` (what
            holds of each of the first hundred), `undo` and `redo` (what comes next, or None),
            `note`.

        Raises:
            SettingError: It cannot be done as things stand, with the reason.
            NotAllowedError, ReadOnlyError: Not by this person.
            RecordNotFoundError: No such dataset or row.
        """
        if request.kind in INNER or request.kind in SPLIT_KINDS:
            raise SettingError(f"{request.kind!r} is done by its own command.")
        kind = KINDS.get(request.kind)
        self._access.require(
            "owner" if request.kind in CLASS_KINDS else "annotator" if kind is None else kind.role
        )
        if request.kind in {"undo", "redo"}:
            return self._settled(name, self._written(name, request, self._reversal))
        if request.kind in CLASS_KINDS:
            return self._settled(name, self._written(name, request, self._class_action))
        return self.act_inner(name, request)

    def act_split(
        self,
        name: str,
        request: ActionRequest,
        make: Callable[[], dict[str, Any]],
        n_touched: int,
    ) -> dict[str, Any]:
        """Divide the dataset in another way, as an action.

        Args:
            name: The dataset.
            request: Who does it; its arguments go into the log.
            make: Stores the split and gives what the log's book has of it: `file` and `names`.
            n_touched: Samples that come into another split.

        Returns:
            As `act`.
        """
        self._access.require("owner")

        def work(draft: _Draft) -> None:
            before, after = draft.log.book.split, make()
            draft.details = {
                "arguments": _plain(request.arguments), "touched": n_touched,
                "split": [before, after],
            }  # fmt: skip
            draft.log.forget_redo(draft.who)
            draft.log.set_split(after)

        with self._project.saving():
            answer = self._written(name, request, work)
        return self._settled(name, answer)

    def act_inner(self, name: str, request: ActionRequest) -> dict[str, Any]:
        """As `act` on samples, for kinds whose arguments the studio has made itself."""
        kind = KINDS[request.kind]
        self._access.require(kind.role)
        n_rows = len(request.rows)
        if kind.n_rows is not None and n_rows != kind.n_rows:
            raise SettingError(f"{request.kind!r} is about {kind.n_rows} sample(s), not {n_rows}.")
        if not 0 < n_rows <= MOST_ROWS or len(set(request.rows)) != n_rows:
            raise SettingError(
                f"An action is about 1 to {MOST_ROWS:,} different samples; {n_rows:,} were given."
            )
        data = self._datasets.load(name)
        for row in request.rows:
            check_row(data, row)
        return self._written(name, request, self._row_action)

    def preview(self, name: str, request: ActionRequest) -> dict[str, Any]:
        """What an action on many samples, or on a class, would do, changing nothing.

        Returns:
            `rows` (asked for), `changed`, `says` (a sentence).

        Raises:
            SettingError: It cannot be done as things stand, with the reason.
        """
        data = self._datasets.load(name)
        if request.kind in CLASS_KINDS:
            names = data.record.class_names
            found = class_outcome(
                self._sets, self._sets.base(name), self._sets.book(name), names, request
            )
            return {"rows": len(data), **told_outcome(found, names, request)}
        changes, _ = self.drafted(name, request)
        named = request.arguments.get("class")
        of = f" {data.record.class_names[named]!r}" if isinstance(named, int) else ""
        of = f" the tag {request.arguments['tag']!r}" if "tag" in request.arguments else of
        verb = _VERBS.get(request.kind, "change by")
        says = f"{len(changes):,} of {len(request.rows):,} samples {verb}{of}; the others stay."
        return {"rows": len(request.rows), "changed": len(changes), "says": says}

    def drafted(
        self, name: str, request: ActionRequest
    ) -> tuple[list[Change], dict[int, RowState]]:
        """The changes that an action on samples would make, and the states after them.

        Raises:
            SettingError: It cannot be done as things stand, with the reason.
        """
        data = self._datasets.load(name)
        for row in request.rows:
            check_row(data, row)
        base, book = self._sets.base(name), self._project.annotations.find(data.record.id)
        states = {} if book is None else self._project.annotations.states(book.id, request.rows)
        classes = ClassMap.from_json(None if book is None else book.classes)
        who = self._access.name(request.who)
        blind = self._project.annotation_queues.blind_rows(data.record.id, who, request.rows)
        held = _Held(states, base)
        desk = Desk(held, data.record.class_names, classes, who, 1 << 60, "", {}, blind)
        changes = KINDS[request.kind].decide(desk, request.rows, request.arguments)
        after: dict[int, RowState] = {}
        for change in changes:
            state = after.get(change.row, held.state(change.row))
            after[change.row] = state.with_change(change, who, desk.number, "")
        return changes, after

    def _written(
        self,
        name: str,
        request: ActionRequest,
        work: Callable[["_Draft"], None],
    ) -> dict[str, Any]:
        """One transaction around an action: its log line, and everything that follows."""
        record = self._datasets.get(name)
        who = self._access.name(request.who)
        base = self._sets.base(name)
        with self._project.annotations.writing(record.id) as log:
            _check_known(log, request)
            done = log.by_key(request.key)
            if done is not None:
                if done.who != who:
                    raise SettingError("This key belongs to an action of somebody else.")
                return self._answer(log, done, base, who, repeated=True)
            draft = _Draft(log, request, who, base)
            work(draft)
            draft.columns["version"] = record.version.hash
            action = draft.write()
            answer = self._answer(log, action, base, who, repeated=False)
            answer["note"] = draft.note
        return answer

    def _settled(self, name: str, answer: dict[str, Any]) -> dict[str, Any]:
        """An answer, once figures, exports and pages see one state of classes and splits."""
        if answer["classes"] or answer["split"]:
            self._sets.settle(name)
        return answer

    def _row_action(self, draft: "_Draft") -> None:
        request, kind = draft.request, KINDS[draft.request.kind]
        _check_item(draft.log, request, draft.who, self._clock())
        draft.log.load(request.rows)
        draft.changes = kind.decide(draft.desk(), request.rows, request.arguments)
        draft.touched = list(request.rows)
        details: dict[str, Any] = {"arguments": _plain(request.arguments)}
        details["rows" if len(request.rows) <= 2 else "n_rows"] = (
            request.rows if len(request.rows) <= 2 else len(request.rows)
        )
        if request.shown:
            details["shown"] = request.shown
        draft.details = details
        if request.kind == "comment":
            draft.columns["why"] = str(request.arguments["text"])
            draft.details["arguments"] = {}
        if request.kind == "toggle":
            [change] = draft.changes
            if change.row not in draft.log.blind_rows(draft.who, [change.row]):
                draft.note = _left_out(change, draft.log.class_names)
        if kind.can_undo:
            draft.log.forget_redo(draft.who)
        draft.finishes_item = "passed" if request.kind == "skip" else "done"
        if request.kind in _OPEN_AFTER:
            draft.finishes_item = None

    def _class_action(self, draft: "_Draft") -> None:
        log, request = draft.log, draft.request
        found = class_outcome(self._sets, draft.base, log.book, log.class_names, request)
        draft.details = {
            "arguments": _plain(request.arguments),
            "touched": len(found.touched),
            "classes": [
                {"names": log.class_names, "map": log.book.classes},
                {"names": found.names, "map": found.classes.to_json()},
            ],
        }
        log.forget_redo(draft.who)
        log.set_classes(found.names, found.classes.to_json())

    def _reversal(self, draft: "_Draft") -> None:
        """Undo the last action of this annotator that holds, or redo the last undone."""
        log, who, is_undo = draft.log, draft.who, draft.request.kind == "undo"
        target = log.last_undoable(who, UNDOABLE) if is_undo else log.last_undone(who)
        if target is None:
            raise SettingError(f"There is nothing to {draft.request.kind}.")
        draft.columns["reverses"] = target.number
        draft.details = {"kind": target.kind}
        if "classes" in target.details:
            before, after = target.details["classes"][:: 1 if is_undo else -1]
            if log.book.classes != after["map"] or log.class_names != after["names"]:
                raise SettingError(
                    "The classes were changed again since, by somebody else. Undo that first."
                )
            draft.details["classes"] = [after, before]
            log.set_classes(before["names"], before["map"])
        if "split" in target.details:
            before, after = target.details["split"][:: 1 if is_undo else -1]
            if log.book.split != after:
                raise SettingError(
                    "The samples were divided again since, by somebody else. Undo that first."
                )
            draft.details["split"] = [after, before]
            log.set_split(before)
        changes = target.parsed_changes()
        log.load([change.row for change in changes])
        desk, left = draft.desk(), 0
        for change in changes:
            here, there = (
                (change.after, change.before) if is_undo else (change.before, change.after)
            )
            now_is = log.state(change.row).value(change.about, who)
            if now_is == here:
                draft.changes.append(desk.change(change.row, change.about, here, there))
            elif now_is != there:
                left += 1
        if left:
            draft.note = f"{left:,} of {len(changes):,} samples were changed since and stay so."
        (log.mark_undone if is_undo else log.mark_redone)(target)
        draft.touched = [change.row for change in changes]
        if target.queue_id is not None and target.kind not in _OPEN_AFTER:
            draft.reopens = (target.queue_id, target.position, "leased" if is_undo else "done")

    def _answer(
        self, log: LogWriter, action: Action, base: PartialLabels, who: str, repeated: bool
    ) -> dict[str, Any]:
        changed = action.parsed_changes()
        rows = list(dict.fromkeys([*action.details.get("rows", []), *(c.row for c in changed)]))
        classes = ClassMap.from_json(log.book.classes)
        blind = log.blind_rows(who, rows[:100])
        return {
            "number": action.number,
            "digest": action.digest,
            "kind": action.kind,
            "reverses": action.reverses,
            "repeated": repeated,
            "changed": len({change.row for change in changed}),
            "classes": "classes" in action.details,
            "split": "split" in action.details,
            "rows": {
                str(row): brief(log.state(row), row, base, classes, who, row in blind)
                for row in rows[:100]
            },
            "undo": told(log.last_undoable(who, UNDOABLE)),
            "redo": told(log.last_undone(who)),
            "item": None if action.queue_id is None else [action.queue_id, action.position],
            "note": "",
        }


class _Draft:
    """An action on its way into the log."""

    def __init__(
        self, log: LogWriter, request: ActionRequest, who: str, base: PartialLabels
    ) -> None:
        self.log, self.request, self.who, self.base = log, request, who, base
        self.changes: list[Change] = []
        self.touched: list[int] = []
        self.details: dict[str, Any] = {}
        self.note = ""
        self.finishes_item: str | None = None
        self.reopens: tuple[int, int | None, str] | None = None
        self.columns: dict[str, Any] = {
            "number": log.book.head + 1, "who": who, "window": request.window, "at": now(),
            "kind": request.kind, "why": request.why, "seconds": request.seconds,
            "key": request.key, "queue_id": request.queue, "position": request.position,
            "reverses": None,
        }  # fmt: skip

    def desk(self) -> Desk:
        """What the action sees."""
        return Desk(
            _Held(self.log, self.base), self.log.class_names,
            ClassMap.from_json(self.log.book.classes), self.who, self.log.book.head + 1,
            self.request.window, self.request.seen,
            self.log.blind_rows(self.who, self.request.rows),
        )  # fmt: skip

    def write(self) -> Action:
        """Append it, with all that follows."""
        columns = {
            **self.columns,
            "details": json.loads(json.dumps(self.details)),
            "changes": [json.loads(json.dumps(change.to_json())) for change in self.changes],
        }
        columns["digest"] = digest_of(self.log.book.digest, columns)
        action = self.log.append(columns, self.changes, self.touched)
        queue, position = columns["queue_id"], columns["position"]
        if self.finishes_item and queue is not None and position is not None:
            self.log.mark_item(queue, position, self.who, self.finishes_item, 0.0)
        if self.reopens and self.reopens[1] is not None:
            self.log.mark_item(self.reopens[0], self.reopens[1], self.who, self.reopens[2], 0.0)
        return action


class _Held:
    """States and imported sets, from where they are at hand."""

    def __init__(self, states: LogWriter | dict[int, RowState], base: PartialLabels) -> None:
        self._states, self._base = states, base

    def state(self, row: int) -> RowState:
        if isinstance(self._states, dict):
            return self._states.get(row, RowState())
        return self._states.state(row)

    def base(self, row: int) -> tuple[int, ...]:
        return tuple(self._base.of(row))


def brief(
    state: RowState,
    row: int,
    base: PartialLabels,
    classes: ClassMap,
    who: str,
    is_blind: bool,
) -> dict[str, Any]:
    """What holds of a sample, for a window; `is_blind` leaves out what others did to it.

    Returns:
        `candidates`, `flagged`, `tags`, `last` (number of the last action on it), `contradicts`,
        `mine` (this annotator's statement or None), `said` (annotator to set) and `blind`.
    """
    state = state.alone(who) if is_blind else state
    mine = state.statements.get(who)
    return {
        "candidates": list(classes.apply(state.effective(tuple(base.of(row))))),
        "flagged": state.flagged,
        "tags": sorted(state.tags),
        "last": state.last,
        "contradicts": state.contradicts(),
        "blind": is_blind,
        "mine": None if mine is None else list(classes.apply(mine.classes)),
        "said": {
            name: list(classes.apply(said.classes)) for name, said in state.statements.items()
        },
    }


def told(action: Action | None) -> dict[str, Any] | None:
    """An action in the few words of an undo button: `number`, `kind`, `rows`."""
    if action is None:
        return None
    rows = list(dict.fromkeys(change[0] for change in action.changes))
    return {
        "number": action.number, "kind": action.kind, "rows": rows[:2], "n_rows": len(rows),
        "item": None if action.queue_id is None else [action.queue_id, action.position],
    }  # fmt: skip


def _check_known(log: LogWriter, request: ActionRequest) -> None:
    """Notice a project that was put back to an older copy while windows were open.

    Raises:
        RecordNotFoundError: The log lacks an action the window was told is saved.
    """
    if request.known is None or request.known[0] == 0:
        return
    number, digest = request.known
    action = log.by_number(number)
    if action is None or action.digest != digest:
        raise RecordNotFoundError(
            f"This project was put back to an older copy: action {number}, saved before, is not "
            "in its log. What this window saved since can be sent again."
        )


def _check_item(log: LogWriter, request: ActionRequest, who: str, at: float) -> None:
    """Hold an answer against the item it is given for.

    Raises:
        SettingError: The item is about other samples, or is somebody else's by now.
    """
    if request.queue is None or request.position is None:
        return
    item = log.item_of(request.queue, request.position)
    if item is None or not set(request.rows) <= {item.row, item.other}:
        raise SettingError(
            f"Item {request.position + 1} of queue {request.queue} is not about sample "
            f"{request.rows[0]}, so this was not saved. Reload the page."
        )
    if request.kind not in _OPEN_AFTER and not log.is_held(item.queue_id, item.position, who, at):
        raise SettingError(
            f"Item {request.position + 1} went to somebody else, because it waited too long for "
            "your answer. Yours was not saved; go on with the next item."
        )


def _left_out(change: Change, names: list[str]) -> str:
    """Words for classes that the annotator calls possible and others have excluded."""
    assert change.after is not None
    kept = set(change.sets_after)
    out = [names[index] for index in change.after[0] if index not in kept]
    if not out or not kept < set(change.after[0]):
        return ""
    return f"Noted; but others have excluded {', '.join(out)}, so the set does not get it."


def _plain(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments worth keeping: long lists of sets are in the changes already."""
    return {name: value for name, value in arguments.items() if name not in {"sets", "said"}}
