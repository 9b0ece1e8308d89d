"""What an import understood of a source, told before anything is stored.

Every reader fills one `Understanding` and hands it over in `SourceDataset.understanding`. The
command line, the page and the report of the dataset show it in the same words.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

MAX_NAMES = 5
"""How many names of what is left out are kept; all are counted."""


@dataclass(frozen=True)
class Taken:
    """One thing that was found out, or guessed, about a source.

    Attributes:
        what: What it is about, e.g. `separator`, `encoding`, `value scale`, `class names`.
        value: What was taken, in words, e.g. `semicolon`.
        option: Option of `import` that corrects it, e.g. `--separator`; empty where nothing else
            is possible.
    """

    what: str
    value: str
    option: str = ""


@dataclass(frozen=True)
class LeftOut:
    """Things of a source that do not become part of the dataset, all for one reason.

    Attributes:
        kind: What they are and why they are left out, in the plural, e.g.
            `files with the ending .txt, which are not images`.
        count: How many, 1 or more.
        names: The first of them, `MAX_NAMES` at most.
        how: How to have them, as a sentence; empty where that is not possible.
    """

    kind: str
    count: int
    names: tuple[str, ...]
    how: str = ""

    def line(self) -> str:
        """One sentence, e.g. `links to other folders: 3 (first: rust/a.png).`."""
        names = ", ".join(self.names)
        first = f" (first: {names})" if self.count > len(self.names) else f" ({names})"
        text = f"{self.kind}: {self.count:,}{first if names else ''}."
        return f"{text} {self.how}".rstrip()


@dataclass
class Understanding:
    """How a source was read. A reader fills it while it reads, and leaves nothing unsaid.

    A reader says its `layout` once, which column has which role by `use_column`, each thing it
    worked out about the source by `take`, and everything it does not hand on by `leave_out`. What
    could be read in two ways that give different datasets is not taken at all: the reader raises
    `DoubtfulSourceError` with both readings and the option that chooses.

    Samples that cannot be imported are no part of this; they are `SourceDataset.problems`.

    Attributes:
        layout: What the source is, as one phrase, e.g. `a folder for each split, in it one for each
            class`.
        columns: Column names by role. Roles are those of `ReadOptions.columns` (`image`, `id`,
            `candidates`, `label`, `split`, `class` for one 0/1 column a class, ...), and `field`
            for further columns that are kept.
        taken: What was found out, in the order it was found.
        left_out: What is left out, each kind once.
    """

    layout: str = ""
    columns: dict[str, list[str]] = field(default_factory=dict)
    taken: list[Taken] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def use_column(self, role: str, *names: str) -> None:
        """Say that columns have a role; further names are added to those it has."""
        known = self.columns.setdefault(role, [])
        known += [name for name in names if name not in known]

    def take(self, what: str, value: str, option: str = "") -> None:
        """Say what was found out; the same thing said twice stands once."""
        taken = Taken(what, value, option)
        if taken not in self.taken:
            self.taken.append(taken)

    def leave_out(self, kind: str, names: Iterable[str], how: str = "") -> None:
        """Say what is left out; more of a kind is added to what was said of it before."""
        found = list(names)
        if not found:
            return
        for place, known in enumerate(self.left_out):
            if known.kind == kind:
                first = (*known.names, *found)[:MAX_NAMES]
                self.left_out[place] = LeftOut(kind, known.count + len(found), first, known.how)
                return
        self.left_out.append(LeftOut(kind, len(found), tuple(found[:MAX_NAMES]), how))

    def to_json(self) -> dict[str, Any]:
        """The record as plain values, ready for `json.dumps`."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The record as sentences: layout, columns, what was taken, what is left out."""
        said = [f"Layout: {self.layout}."] if self.layout else []
        if self.columns:
            roles = (f"{role}: {', '.join(names)}" for role, names in self.columns.items())
            said.append(f"Columns: {'; '.join(roles)}.")
        said += [
            f"{item.what.capitalize()}: {item.value}"
            + (f" (change with {item.option})." if item.option else ".")
            for item in self.taken
        ]
        return said + [f"Left out: {item.line()}" for item in self.left_out]
