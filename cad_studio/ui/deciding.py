"""Decisions about samples as a page sends them: read, checked, and done in their order.

Every page that decides sends them the same way, into the same log.
"""

from collections.abc import Callable
from typing import Any

from cad_studio.core.errors import SettingError
from cad_studio.services.action_requests import ActionRequest
from cad_studio.services.container import Services
from cad_studio.ui.errors import answers_errors
from cad_studio.ui.parts import Parts

Wanted = dict[str, Any]
Action = Callable[[Parts], Wanted]

_MOST_AT_ONCE = 50
_KINDS = {
    "kind": str, "rows": list, "arguments": dict, "who": str, "key": str, "window": str,
    "seconds": float, "why": str, "seen": dict, "shown": dict, "queue": int, "position": int,
    "known": list,
}  # fmt: skip


def deciding(services: Services) -> Action:
    """The function a page sends its decisions to; it is called `act` there."""

    def act(wanted: Parts) -> Wanted:
        """Several actions in order, each on the disk before the next; the first refusal ends it."""
        name, answers = str(wanted["dataset"]), []

        @answers_errors
        def one(action: Wanted) -> Wanted:
            return services.annotation.act(name, request_of(action))

        for each in wanted.part("actions", list)[:_MOST_AT_ONCE]:
            answers.append(one(each))
            if "error" in answers[-1]:
                break
        return {"answers": answers}

    return act


def request_of(wanted: Wanted) -> ActionRequest:
    """An action as the page sends it; nothing in it is taken on trust.

    Raises:
        SettingError: A part is missing or of another kind.
    """
    clean: dict[str, Any] = {}
    for name, value in wanted.items():
        kind = _KINDS.get(name)
        if value is None and name in {"seconds", "queue", "position", "known"}:
            continue
        is_number = kind is float and isinstance(value, int | float)
        if kind is None or isinstance(value, bool) or not (is_number or isinstance(value, kind)):
            raise SettingError(f"{name:.40} is {value!r:.80}; it is no part of an action.")
        clean[name] = value
    if not all(is_row(row) for row in clean.get("rows", [])):
        raise SettingError("The rows of an action are whole numbers.")
    seen = clean.get("seen", {})
    if not all(str(row).isdecimal() and is_row(last) for row, last in seen.items()):
        raise SettingError("What was seen of rows are whole numbers.")
    clean["seen"] = {int(row): last for row, last in seen.items()}
    if "known" in clean:
        number, digest = clean["known"] if len(clean["known"]) == 2 else (None, None)
        if not is_row(number) or not isinstance(digest, str):
            raise SettingError("What a window knows to be saved is a number and a digest.")
        clean["known"] = (number, digest)
    if "kind" not in clean or "key" not in clean:
        raise SettingError("An action needs a kind and a key.")
    return ActionRequest(**clean)


def is_row(value: Any) -> bool:
    """Whether a value can be the number of a row."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
