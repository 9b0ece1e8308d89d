"""What a client asks for when it annotates, checked before anything is done."""

import json
from dataclasses import dataclass, field
from typing import Any

from cad_studio.annotation.classes import CLASS_KINDS
from cad_studio.annotation.kinds import INNER, KINDS
from cad_studio.annotation.splitting import SPLIT_KINDS
from cad_studio.core.errors import SettingError, closest

_MOST_KEY, _MOST_WHY, _MOST_GIVEN = 100, 1_000, 50_000
_MOST_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class ActionRequest:
    """An action, as a client asks for it.

    Attributes:
        kind: A key of `KINDS`, `CLASS_KINDS` or `SPLIT_KINDS`.
        rows: The samples it is about; a pair's two in order; empty for classes.
        arguments: `class`, `other_class`, `classes`, `text`, `skip_last`, `name`, `into`,
            `tag`.
        who: Name of the annotator, where there is no login.
        key: Made by the client, once for each action: sent again, it is not done again.
        window: Which window or program it comes from.
        seconds: Time spent on it.
        why: A reason, if one was given.
        seen: Number of the last action on a row the window knew of, by row.
        shown: Suggestions that were on the screen.
        queue: Queue it was taken from, with `position`.
        known: Number and digest of the last action the window was told is saved.
    """

    kind: str
    rows: list[int] = field(default_factory=list)
    arguments: dict[str, Any] = field(default_factory=dict)
    who: str = ""
    key: str = ""
    window: str = ""
    seconds: float | None = None
    why: str = ""
    seen: dict[int, int] = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=dict)
    queue: int | None = None
    position: int | None = None
    known: tuple[int, str] | None = None

    def __post_init__(self) -> None:
        """Check what every action has."""
        names = [*KINDS, *CLASS_KINDS, *SPLIT_KINDS, "undo", "redo"]
        if self.kind not in names:
            raise SettingError(
                f"{self.kind!r:.40} is no action. {closest(self.kind, names)}".strip()
            )
        if not 0 < len(self.key) <= _MOST_KEY or len(self.window) > _MOST_KEY:
            raise SettingError(f"An action needs a key of 1 to {_MOST_KEY} characters.")
        if len(self.why) > _MOST_WHY:
            raise SettingError(f"A reason has at most {_MOST_WHY:,} characters.")
        if self.seconds is not None and not 0 <= self.seconds <= _MOST_SECONDS:
            raise SettingError("The time spent on an action is 0 seconds to a day.")
        if self.seconds is not None:
            # A window sends 2 for 2.0; the log's digest covers the number as it is read again.
            object.__setattr__(self, "seconds", float(self.seconds))
        if self.kind not in INNER:
            given = json.dumps([self.arguments, self.shown], default=str)
            if len(given) > _MOST_GIVEN + len(str(self.arguments.get("text", ""))):
                raise SettingError(
                    f"What belongs to an action has at most {_MOST_GIVEN:,} characters."
                )
