"""What annotators say about samples: statements, changes, actions, and the sets that follow.

A statement is one annotator's candidate set for one sample: the true class is taken to be in it.
What several say together is what lies in all their sets; where nothing does, they contradict each
other, and everything any of them said stays a candidate until someone with the right to do so
decides. Nothing that was said is ever overwritten by somebody else.
"""

from dataclasses import dataclass, field, replace
from typing import Any

MINE, DECIDED, FLAG = "mine", "decided", "flag"
"""What a change can be about: the annotator's statement, a decision for all, or the flag."""

TAGGED = "tag:"
"""What a change is about when it gives or takes away a tag, with the name of the tag behind it."""
SAID = "said:"
"""What a change is about when it brings in another's statement, with that name behind it."""


@dataclass(frozen=True)
class Statement:
    """A candidate set and the number of the action that gave it.

    Attributes:
        classes: Ascending class indices, at least one.
        number: Place of that action in the log of its dataset, from 1.
    """

    classes: tuple[int, ...]
    number: int

    def to_json(self) -> list[Any]:
        """`[[classes], number]`."""
        return [list(self.classes), self.number]

    @staticmethod
    def from_json(value: list[Any] | None) -> "Statement | None":
        """What `to_json` wrote; None stays None."""
        return None if value is None else Statement(tuple(value[0]), int(value[1]))


@dataclass(frozen=True)
class RowState:
    """Everything that holds for one sample beside its imported set.

    Attributes:
        statements: The last statement of each annotator, by name.
        decided: A decision for all, which puts aside every statement before it.
        flagged: Whether someone marked the sample.
        last: Number of the last action on it; 0 for none.
        last_window: Which window that action came from.
        last_who: Who acted last.
        tags: Names that somebody put on the sample.
    """

    statements: dict[str, Statement] = field(default_factory=dict)
    decided: Statement | None = None
    flagged: bool = False
    last: int = 0
    last_window: str = ""
    last_who: str = ""
    tags: frozenset[str] = frozenset()

    def counted(self) -> list[Statement]:
        """The statements that count: the decision for all, and those made after it."""
        after = 0 if self.decided is None else self.decided.number
        later = [said for said in self.statements.values() if said.number > after]
        return later if self.decided is None else [self.decided, *later]

    def effective(self, base: tuple[int, ...]) -> tuple[int, ...]:
        """The candidates that follow, ascending; `base` where nobody said anything."""
        sets = [set(said.classes) for said in self.counted()]
        if not sets:
            return base
        common = set.intersection(*sets)
        return tuple(sorted(common or set.union(*sets)))

    def contradicts(self) -> bool:
        """Whether no class lies in every set that counts."""
        sets = [set(said.classes) for said in self.counted()]
        return len(sets) > 1 and not set.intersection(*sets)

    def value(self, about: str, who: str) -> Any:
        """What holds of that which a change can be about, in the JSON form of a change."""
        if about == FLAG:
            return self.flagged
        if about.startswith(TAGGED):
            return about.removeprefix(TAGGED) in self.tags
        name = speaker(about, who)
        said = self.decided if name is None else self.statements.get(name)
        return None if said is None else said.to_json()

    def alone(self, who: str) -> "RowState":
        """The state with nothing in it that anybody else did."""
        own = self.statements.get(who)
        if own is None:
            return RowState()
        return RowState({who: own}, last=own.number, last_who=who)

    def with_change(self, change: "Change", who: str, number: int, window: str) -> "RowState":
        """The state after one change of an action."""
        found = replace(self, last=number, last_window=window, last_who=who)
        if change.about == FLAG:
            return replace(found, flagged=bool(change.after))
        if change.about.startswith(TAGGED):
            tag = {change.about.removeprefix(TAGGED)}
            return replace(found, tags=self.tags | tag if change.after else self.tags - tag)
        if change.about == DECIDED:
            return replace(found, decided=Statement.from_json(change.after))
        said = dict(self.statements)
        after = Statement.from_json(change.after)
        name = speaker(change.about, who)
        assert name is not None
        if after is None:
            said.pop(name, None)
        else:
            said[name] = after
        return replace(found, statements=said)


@dataclass(frozen=True)
class Change:
    """What an action did to one sample.

    Attributes:
        row: The sample.
        about: `MINE`, `DECIDED`, `FLAG`, `SAID` and the name of an annotator, or `TAGGED` and the
            name of a tag.
        before: JSON form of the statement (or flag, or whether tagged) before; None for none.
        after: The same, after.
        sets_before: The effective candidates before.
        sets_after: The effective candidates after.
    """

    row: int
    about: str
    before: Any
    after: Any
    sets_before: tuple[int, ...]
    sets_after: tuple[int, ...]

    def to_json(self) -> list[Any]:
        """A compact list, in the order of the attributes."""
        return [
            self.row, self.about, self.before, self.after,
            list(self.sets_before), list(self.sets_after),
        ]  # fmt: skip

    @staticmethod
    def from_json(value: list[Any]) -> "Change":
        """What `to_json` wrote."""
        row, about, before, after, sets_before, sets_after = value
        return Change(row, about, before, after, tuple(sets_before), tuple(sets_after))


def speaker(about: str, who: str) -> str | None:
    """Whose statement a change is about; None where it is about something else.

    Args:
        about: Of the change.
        who: Who acts.
    """
    if about.startswith(SAID):
        return about.removeprefix(SAID)
    return who if about == MINE else None


@dataclass(frozen=True)
class ClassMap:
    """Classes merged into others or removed; indices never move.

    Attributes:
        merged: Class to the class that takes its place; chains are followed.
        removed: Classes that are no candidates any more.
    """

    merged: dict[int, int] = field(default_factory=dict)
    removed: frozenset[int] = frozenset()

    def is_plain(self) -> bool:
        """Whether all classes are as imported."""
        return not self.merged and not self.removed

    def target(self, index: int) -> int | None:
        """The class that stands for `index` now, or None when it was removed."""
        while index in self.merged:
            index = self.merged[index]
        return None if index in self.removed else index

    def live(self, n_classes: int) -> list[int]:
        """The classes that can still be chosen, ascending."""
        return [c for c in range(n_classes) if c not in self.merged and c not in self.removed]

    def apply(self, classes: tuple[int, ...]) -> tuple[int, ...]:
        """A set in the classes of now, ascending; empty when all of it was removed."""
        if self.is_plain():
            return classes
        found = {self.target(index) for index in classes}
        return tuple(sorted(index for index in found if index is not None))

    def to_json(self) -> dict[str, Any]:
        """Plain values; JSON has no whole numbers as keys."""
        return {
            "merged": sorted([one, other] for one, other in self.merged.items()),
            "removed": sorted(self.removed),
        }

    @staticmethod
    def from_json(value: dict[str, Any] | None) -> "ClassMap":
        """What `to_json` wrote; nothing gives the plain map."""
        if not value:
            return ClassMap()
        merged = {int(one): int(other) for one, other in value["merged"]}
        return ClassMap(merged, frozenset(value["removed"]))


@dataclass(frozen=True)
class Book:
    """The log of one dataset, as its row has it.

    Attributes:
        dataset_id: None once the dataset was removed; the log stays.
        head: Number of the last action, 0 for none.
        digest: Digest of the last action; each covers the one before it.
        classes: JSON form of the `ClassMap`.
        split: `file` (blob name) and `names` of a split made within the studio; None where the
            imported one holds.
    """

    id: int
    dataset_id: int | None
    dataset_name: str
    head: int
    digest: str
    classes: dict[str, Any]
    created_at: str
    split: dict[str, Any] | None = None


@dataclass(frozen=True)
class Action:
    """One line of the log; never changed once written.

    Attributes:
        number: Place in the log of the dataset, from 1, without gaps.
        who: Name of the annotator.
        window: Browser window or program it came from.
        at: UTC time by the clock of the machine, which may jump; the order is by `number`.
        kind: What was done.
        details: Its arguments and what else belongs to it: `classes` (before and after, for
            actions on classes), `shown` (suggestions that were on the screen), `text`.
        changes: Rows in the JSON form of `Change`.
        why: The reason given, or the text of a comment.
        version: Hash of the dataset version the annotator worked on.
        seconds: Time spent, as measured by the window; None where not known.
        key: Made by the client; the same key is the same action, sent again.
        queue_id: Queue it was taken from, with `position`; None outside a queue.
        reverses: Number of the action that an `undo` or `redo` is about.
    """

    id: int
    book_id: int
    number: int
    who: str
    window: str
    at: str
    kind: str
    details: dict[str, Any]
    changes: list[list[Any]]
    why: str
    version: str
    seconds: float | None
    key: str
    queue_id: int | None
    position: int | None
    reverses: int | None
    digest: str

    def parsed_changes(self) -> list[Change]:
        """Its changes."""
        return [Change.from_json(change) for change in self.changes]


def packed_set(classes: tuple[int, ...], width: int) -> bytes:
    """A set as `numpy.packbits` would pack it into `width` bytes."""
    bits = 0
    for index in classes:
        bits |= 1 << (8 * width - 1 - index)
    return bits.to_bytes(width, "big")
