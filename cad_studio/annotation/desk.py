"""What an action sees of a dataset while it is worked out."""

from dataclasses import dataclass
from typing import Any, Protocol

from cad_studio.core.annotation import (
    DECIDED,
    FLAG,
    MINE,
    SAID,
    TAGGED,
    Change,
    ClassMap,
    RowState,
    Statement,
)
from cad_studio.core.errors import SettingError


class States(Protocol):
    """Where the state and the imported set of a sample come from."""

    def state(self, row: int) -> RowState:
        """Everything that was said of a sample."""
        ...

    def base(self, row: int) -> tuple[int, ...]:
        """Its candidates before anybody said anything, ascending."""
        ...


@dataclass
class Desk:
    """One annotator at one action.

    Attributes:
        states: The samples.
        class_names: All classes, in order.
        class_map: What became of them.
        who: The annotator.
        number: The number the action will have.
        window: Which window it comes from.
        seen: Number of the last action on a row that the window knew of, by row.
        blind: Rows that the annotator sees as imported, without what others did to them.
    """

    states: States
    class_names: list[str]
    class_map: ClassMap
    who: str
    number: int
    window: str
    seen: dict[int, int]
    blind: frozenset[int] = frozenset()

    def sets(self, row: int, state: RowState | None = None) -> tuple[int, ...]:
        """The candidates of a sample as the annotator sees them, in the classes of now.

        Args:
            row: The sample.
            state: Instead, the effective candidates that follow from this state.
        """
        if state is None:
            state = self.states.state(row)
            state = state.alone(self.who) if row in self.blind else state
        return self.class_map.apply(state.effective(self.states.base(row)))

    def say(self, row: int, classes: tuple[int, ...]) -> Change:
        """The annotator's statement becomes a set."""
        assert classes
        before = self.states.state(row).statements.get(self.who)
        after = Statement(classes, self.number).to_json()
        return self.change(row, MINE, None if before is None else before.to_json(), after)

    def say_for(self, row: int, said: dict[str, tuple[int, ...]]) -> list[Change]:
        """Several annotators' statements become sets, one change each; those that are so stay."""
        state, changes = self.states.state(row), []
        for who, classes in said.items():
            before = state.statements.get(who)
            if before is not None and before.classes == classes:
                continue
            about = MINE if who == self.who else SAID + who
            told = None if before is None else before.to_json()
            after = Statement(classes, self.number).to_json()
            changes.append(self.change(row, about, told, after, state))
            state = state.with_change(changes[-1], self.who, self.number, self.window)
        return changes

    def decide(self, row: int, classes: tuple[int, ...]) -> Change:
        """A set is decided for all."""
        before = self.states.state(row).decided
        after = Statement(classes, self.number).to_json()
        return self.change(row, DECIDED, None if before is None else before.to_json(), after)

    def flag(self, row: int) -> Change:
        """The flag of a sample is set, or taken away."""
        before = self.states.state(row).flagged
        return self.change(row, FLAG, before, not before)

    def tag(self, row: int, name: str, is_given: bool) -> Change:
        """A sample gets a tag, or loses it."""
        return self.change(row, TAGGED + name, not is_given, is_given)

    def change(
        self, row: int, about: str, before: Any, after: Any, state: RowState | None = None
    ) -> Change:
        """A change with the effective sets on both sides of it.

        Args:
            row: The sample.
            about: What is changed.
            before: JSON form of what was.
            after: JSON form of what will be.
            state: What holds of the sample before, where the same action has changed it already.
        """
        state = self.states.state(row) if state is None else state
        blank = Change(row, about, before, after, (), ())
        later = state.with_change(blank, self.who, self.number, self.window)
        return Change(row, about, before, after, self.sets(row, state), self.sets(row, later))

    def check_class(self, index: Any) -> int:
        """A class that can be chosen.

        Raises:
            SettingError: There is none of this index, or it was merged or removed.
        """
        names = self.class_names
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(names):
            raise SettingError(
                f"There is no class {index!r:.40}; classes are 0 to {len(names) - 1}."
            )
        target = self.class_map.target(index)
        if target is None:
            raise SettingError(f"The class {names[index]!r} was removed. Choose another.")
        if target != index:
            raise SettingError(
                f"The class {names[index]!r} was merged into {names[target]!r}. Choose that one."
            )
        return index

    def check_fresh(self, row: int) -> None:
        """Refuse a decision that rests on what the same annotator has changed elsewhere since.

        Raises:
            SettingError: Another window of the same annotator acted on the sample meanwhile.
        """
        state = self.states.state(row)
        if row not in self.seen or state.last <= self.seen[row]:
            return
        if state.last_who == self.who and state.last_window != self.window:
            now = ", ".join(self.class_names[c] for c in self.sets(row)) or "no candidate"
            raise SettingError(
                f"You changed this sample in another window meanwhile; it has now: {now}. "
                "That is kept. Decide again if you want something else."
            )
