"""The kinds of actions on samples, each with what it changes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cad_studio.annotation.desk import Desk
from cad_studio.core.annotation import Change
from cad_studio.core.errors import SettingError

MOST_COMMENT = 10_000
MOST_ROWS = 200_000
MOST_TAG = 60

Decide = Callable[[Desk, list[int], dict[str, Any]], list[Change]]


@dataclass(frozen=True)
class Kind:
    """A kind of action.

    Attributes:
        decide: Works out the changes, or refuses with a `SettingError`.
        n_rows: How many samples it is about: 1, 2, or None for any number.
        role: Who may do it.
        can_undo: Whether it is a step of undo.
        says: What it will do, for the page and the history.
    """

    decide: Decide
    n_rows: int | None
    role: str
    can_undo: bool
    says: str


def _toggle(desk: Desk, rows: list[int], given: dict[str, Any]) -> list[Change]:
    chosen, now = desk.check_class(given.get("class")), desk.sets(rows[0])
    later = set(now) ^ {chosen}
    if not later:
        raise SettingError(
            f"{desk.class_names[chosen]!r} is the last candidate, and a set cannot be empty. "
            "If it is wrong, choose 'None of these' and add the right class."
        )
    return [desk.say(rows[0], tuple(sorted(later)))]


def _label(desk: Desk, rows: list[int], given: dict[str, Any]) -> list[Change]:
    chosen = desk.check_class(given.get("class"))
    desk.check_fresh(rows[0])
    return [desk.say(rows[0], (chosen,))]


def _none(desk: Desk, rows: list[int], given: dict[str, Any]) -> list[Change]:
    """The set is wrong: the classes given, or else every class that was no candidate."""
    desk.check_fresh(rows[0])
    now = set(desk.sets(rows[0]))
    chosen = _classes(desk, given)
    live = desk.class_map.live(len(desk.class_names))
    later = chosen or [index for index in live if index not in now]
    if not later:
        raise SettingError(
            "Every class is a candidate already, so 'none of these' would leave none. "
            "Flag the sample, or add the missing class to the dataset."
        )
    return [desk.say(rows[0], tuple(sorted(set(later))))]


def _add(desk: Desk, rows: list[int], given: dict[str, Any]) -> list[Change]:
    chosen = desk.check_class(given.get("class"))
    without = [row for row in rows if chosen not in desk.sets(row)]
    return [desk.say(row, tuple(sorted({*desk.sets(row), chosen}))) for row in without]


def _remove(desk: Desk, rows: list[int], given: dict[str, Any]) -> list[Change]:
    chosen = desk.check_class(given.get("class"))
    held = [(row, desk.sets(row)) for row in rows]
    last = [row for row, now in held if now == (chosen,)]
    if last and not given.get("skip_last"):
        raise SettingError(
            f"{len(last):,} of {len(rows):,} samples have no candidate but "
            f"{desk.class_names[chosen]!r} (first: row {last[0]}). Nothing was changed. Leave "
            "these out, or set another class on them first."
        )
    return [
        desk.say(row, tuple(index for index in now if index != chosen))
        for row, now in held
        if chosen in now and now != (chosen,)
    ]


def _set_all(desk: Desk, rows: list[int], given: dict[str, Any]) -> list[Change]:
    chosen = desk.check_class(given.get("class"))
    return [desk.say(row, (chosen,)) for row in rows if desk.sets(row) != (chosen,)]


def _same(desk: Desk, rows: list[int], _given: dict[str, Any]) -> list[Change]:
    """Both are of one class, so only what both sets hold is left in each."""
    for row in rows:
        desk.check_fresh(row)
    common = set(desk.sets(rows[0])) & set(desk.sets(rows[1]))
    if not common:
        raise SettingError(
            "The two sets share no candidate, so they cannot be of the same class as they stand. "
            "Add the class to one of them first."
        )
    return [desk.say(row, tuple(sorted(common))) for row in rows]


def _assign(desk: Desk, rows: list[int], given: dict[str, Any]) -> list[Change]:
    chosen = [desk.check_class(given.get("class")), desk.check_class(given.get("other_class"))]
    for row in rows:
        desk.check_fresh(row)
    return [desk.say(row, (index,)) for row, index in zip(rows, chosen, strict=True)]


def _swap(desk: Desk, rows: list[int], _given: dict[str, Any]) -> list[Change]:
    """The labels of the two change places."""
    now = [desk.sets(row) for row in rows]
    if any(len(classes) != 1 for classes in now):
        raise SettingError(
            "To swap, both samples must have one candidate. Say which is which first."
        )
    return [desk.say(rows[0], now[1]), desk.say(rows[1], now[0])]


def _decide(desk: Desk, rows: list[int], given: dict[str, Any]) -> list[Change]:
    chosen = tuple(sorted(set(_classes(desk, given))))
    if not chosen:
        raise SettingError("A decision needs at least one class.")
    return [desk.decide(row, chosen) for row in rows]


def _classes(desk: Desk, given: dict[str, Any]) -> list[int]:
    classes = given.get("classes") or []
    if not isinstance(classes, list):
        raise SettingError(f"The classes are {classes!r:.40}; expected a list of class numbers.")
    return [desk.check_class(index) for index in classes]


def _flag(desk: Desk, rows: list[int], _given: dict[str, Any]) -> list[Change]:
    return [desk.flag(rows[0])]


def _tag(desk: Desk, rows: list[int], given: dict[str, Any]) -> list[Change]:
    name = _tag_name(given)
    return [desk.tag(row, name, True) for row in rows if name not in desk.states.state(row).tags]


def _untag(desk: Desk, rows: list[int], given: dict[str, Any]) -> list[Change]:
    name = _tag_name(given)
    return [desk.tag(row, name, False) for row in rows if name in desk.states.state(row).tags]


def _tag_name(given: dict[str, Any]) -> str:
    name = given.get("tag")
    text = " ".join(name.split()) if isinstance(name, str) else ""
    if not 0 < len(text) <= MOST_TAG or "|" in text:
        raise SettingError(
            f"A tag is a text of 1 to {MOST_TAG} characters without '|', not {name!r:.40}."
        )
    return text


def _comment(_desk: Desk, _rows: list[int], given: dict[str, Any]) -> list[Change]:
    text = given.get("text")
    if not isinstance(text, str) or not text.strip():
        raise SettingError("The comment is empty. Write something, or leave it.")
    if len(text) > MOST_COMMENT:
        raise SettingError(
            f"The comment has {len(text):,} characters; the most is {MOST_COMMENT:,}. Shorten it, "
            "or keep the long text elsewhere and comment with where it is."
        )
    return []


def _skip(_desk: Desk, _rows: list[int], _given: dict[str, Any]) -> list[Change]:
    return []


def _statements(desk: Desk, rows: list[int], given: dict[str, Any]) -> list[Change]:
    """What several annotators said elsewhere becomes statements of each of them."""
    changes = []
    for row, said in zip(rows, given["said"], strict=True):
        checked = {
            who: tuple(sorted({desk.check_class(index) for index in classes}))
            for who, classes in said.items()
        }
        changes += desk.say_for(row, checked)
    return changes


def _correct(desk: Desk, rows: list[int], given: dict[str, Any]) -> list[Change]:
    """Sets corrected elsewhere become the annotator's statements."""
    sets = given["sets"]
    return [
        desk.say(row, tuple(sorted({desk.check_class(index) for index in classes})))
        for row, classes in zip(rows, sets, strict=True)
        if tuple(sorted(set(classes))) != desk.sets(row)
    ]


def _restore(desk: Desk, rows: list[int], given: dict[str, Any]) -> list[Change]:
    """The sets of an earlier time are decided for all."""
    return [
        desk.decide(row, tuple(classes))
        for row, classes in zip(rows, given["sets"], strict=True)
        if tuple(classes) != desk.sets(row) and classes
    ]


KINDS: dict[str, Kind] = {
    "toggle": Kind(_toggle, 1, "annotator", True, "Add the class to the candidates, or remove it"),
    "label": Kind(_label, 1, "annotator", True, "Leave one candidate"),
    "none": Kind(_none, 1, "annotator", True, "None of these: replace the set by other classes"),
    "flag": Kind(_flag, 1, "annotator", True, "Mark the sample, or take the mark away"),
    "comment": Kind(_comment, 1, "annotator", False, "Write a comment"),
    "tag": Kind(_tag, None, "annotator", True, "Put a tag on the samples"),
    "untag": Kind(_untag, None, "annotator", True, "Take a tag off the samples"),
    "skip": Kind(_skip, None, "annotator", False, "Leave it to someone else, change nothing"),
    "same": Kind(_same, 2, "annotator", True, "Same class: keep what both sets hold"),
    "assign": Kind(_assign, 2, "annotator", True, "Say which is which: one candidate each"),
    "swap": Kind(_swap, 2, "annotator", True, "Exchange the two labels"),
    "add": Kind(_add, None, "annotator", True, "Add a class to every set"),
    "remove": Kind(_remove, None, "annotator", True, "Remove a class from every set"),
    "set": Kind(_set_all, None, "annotator", True, "Leave one candidate in every set"),
    "decide": Kind(_decide, None, "owner", True, "Decide for all annotators"),
    "restore": Kind(_restore, None, "owner", True, "Bring back the sets of an earlier time"),
    "statements": Kind(_statements, None, "owner", True, "Take over what others said elsewhere"),
    "correct": Kind(_correct, None, "owner", True, "Take over sets corrected elsewhere"),
}
"""What can be done to samples; `undo`, `redo` and the actions on classes are made elsewhere."""

INNER = {"restore", "correct", "statements"}
"""Kinds whose arguments the studio makes itself; a client cannot ask for them by name."""
