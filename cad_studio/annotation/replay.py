"""Play a log from its beginning: the same log gives the same state, and a broken one is found."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from cad_studio.core.annotation import Action, Change, ClassMap, RowState
from cad_studio.core.errors import ProjectError

_COVERED = (
    "number", "who", "window", "at", "kind", "details", "changes", "why", "version", "seconds",
    "key", "queue_id", "position", "reverses",
)  # fmt: skip


def digest_of(before: str, columns: dict[str, Any]) -> str:
    """Sixteen hexadecimal digits over an action and everything before it.

    Args:
        before: Digest of the action before; empty for the first.
        columns: The action's columns by name.
    """
    content = [before, *(columns[name] for name in _COVERED)]
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass
class Replayed:
    """What follows from a log.

    Attributes:
        states: State of every sample something was done to.
        classes: What became of the classes.
        number: Number of the last action played.
        digest: Its digest.
        split: The split made within the studio, as its book has it.
    """

    states: dict[int, RowState] = field(default_factory=dict)
    classes: ClassMap = field(default_factory=ClassMap)
    number: int = 0
    digest: str = ""
    split: dict[str, Any] | None = None

    def play(self, action: Action) -> None:
        """One more action.

        Raises:
            ProjectError: It does not follow from the ones before it.
        """
        if action.number != self.number + 1:
            raise ProjectError(
                f"The log goes from action {self.number} to action {action.number}; what was "
                "between is missing. Restore the project from a copy."
            )
        columns = {name: getattr(action, name) for name in _COVERED}
        written = [columns]
        if action.seconds is not None and action.seconds.is_integer():
            # Before 0.2 whole seconds were covered as they were sent, without a point.
            written.append({**columns, "seconds": int(action.seconds)})
        if action.digest not in (digest_of(self.digest, each) for each in written):
            raise ProjectError(
                f"Action {action.number} of the log is not what was written. "
                "Restore the project from a copy."
            )
        for change in action.parsed_changes():
            self._apply(change, action)
        if "classes" in action.details:
            self.classes = ClassMap.from_json(action.details["classes"][1]["map"])
        if "split" in action.details:
            self.split = action.details["split"][1]
        self.number, self.digest = action.number, action.digest

    def _apply(self, change: Change, action: Action) -> None:
        state = self.states.get(change.row, RowState())
        if state.value(change.about, action.who) != change.before:
            raise ProjectError(
                f"Action {action.number} does not follow from the ones before it (row "
                f"{change.row}). Restore the project from a copy."
            )
        self.states[change.row] = state.with_change(
            change, action.who, action.number, action.window
        )


def replay(actions: Iterable[Action]) -> Replayed:
    """Play actions in order, from the first.

    Raises:
        ProjectError: The log has a gap, or an action is not what was written.
    """
    found = Replayed()
    for action in actions:
        found.play(action)
    return found
