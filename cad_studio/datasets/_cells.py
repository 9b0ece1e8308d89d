"""Cells of tables that hold labels: one, a list in any of many spellings, or nothing.

A column is looked at as a whole, because one cell does not tell: `beech, red` is one class or two.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.errors import DatasetFormatError, DoubtfulSourceError, SettingError, closest
from cad_studio.core.understanding import Understanding
from cad_studio.datasets._classes import Label, shown

OPTION = "--list-separator"
LIST_SEPARATORS = {"|": "bar", ";": "semicolon", ",": "comma", "/": "slash", " ": "space"}
"""What may stand between the labels in one cell, and its name."""

_FOUND = ("|", ";", ",")
_ONE = "none"
_MISSING = frozenset(
    ("", "nan", "NaN", "NAN", "None", "null", "NULL", "NA", "N/A", "n/a", "<NA>", "#N/A", "NaT")
)
_WHOLE = re.compile(r"[+-]?\d{1,9}(\.0*)?")
_NUMBERS = re.compile(r"\d+( +\d+)+")
# An element of a list as Python and NumPy write it: 'text', "text", np.str_('text'), np.int64(3),
# or plain.
_ELEMENT = re.compile(
    r"""\s*(?:np\.\w+\(\s*)?
    (?:'(?P<single>(?:[^'\\]|\\.)*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,'"()\[\]{}][^,'"()\[\]{}]*?))
    (?:\s*\))?\s*(?P<comma>,|(?=\s*['"])|$)""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|(.))")
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r"}
_BRACKETS = {"[": "]", "(": ")", "{": "}"}


def is_missing(value: object) -> bool:
    """Whether a cell holds nothing: None, NaN, blanks, or a word for it such as `NaN` or `NA`."""
    if value is None:
        return True
    if isinstance(value, float):
        return math.isnan(value)
    return isinstance(value, str) and value.strip() in _MISSING


def label_column(
    cells: Sequence[object],
    where: Callable[[int], str],
    class_names: Collection[str] = (),
    told: Understanding | None = None,
) -> list[Label | None]:
    """The label in each cell of a column, None where it is not known.

    Numbers with nothing behind the point are class numbers where the whole column is of such; -1 is
    not known. Words such as `NaN` and `None` are labels only where a class is called so.

    Args:
        cells: As they are written.
        where: Says where a cell is written.
        class_names: Names of the classes, where they are known already.
        told: Takes down what was taken for what.

    Raises:
        DatasetFormatError: A cell is neither text nor a whole number.
    """
    names = set(class_names)
    words: Counter[str] = Counter()
    found: list[Label | None] = []
    for row, cell in enumerate(cells):
        if is_missing(cell) and not (isinstance(cell, str) and cell.strip() in names):
            if isinstance(cell, str) and cell.strip():
                words[cell.strip()] += 1
            found.append(None)
        else:
            found.append(plain_label(cell, where(row)))
    if words and told is not None:
        text = ", ".join(f"{word} ({count:,})" for word, count in words.most_common())
        told.take("unknown labels", f"{text} is taken as not known", "--class-names")
    return _class_numbers(found, names, told)


def _class_numbers(
    labels: list[Label | None], names: set[str], told: Understanding | None
) -> list[Label | None]:
    """The labels, texts such as `2.0` made numbers where all are such and none is a name."""
    texts = {label for label in labels if isinstance(label, str)}
    plain = {text.strip() for text in texts}
    if not texts or texts & names or not all(_WHOLE.fullmatch(text) for text in plain):
        return [None if label == UNKNOWN else label for label in labels]
    if not any("." in text or text.startswith("-") for text in plain):
        return list(labels)
    if told is not None and any("." in text for text in plain):
        first = sorted(text for text in plain if "." in text)[0]
        told.take("labels", f"numbers such as {first} are taken as class numbers", "--class-names")
    number = {text: int(float(text)) for text in texts}
    made = [number[label] if isinstance(label, str) else label for label in labels]
    return [None if label == UNKNOWN else label if label is None else str(label) for label in made]


def plain_label(value: object, where: str) -> Label:
    """A label from JSON or Arrow: text, or a whole number.

    Raises:
        DatasetFormatError: Anything else.
    """
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise DatasetFormatError(
        f"{where}: {shown(value)} is no label; expected a class name or a class index."
    )


def candidate_column(
    cells: Sequence[object],
    where: Callable[[int], str],
    class_names: Collection[str] = (),
    separator: str | None = None,
    told: Understanding | None = None,
) -> list[list[Label] | None]:
    """The labels in each cell of a column of lists; None where a cell holds nothing.

    Lists may be JSON or as Python, pandas and NumPy print them; or names with one separator
    between, the same in the whole column. Class names that are known decide between readings.

    Args:
        cells: As they are written.
        where: Says where a cell is written.
        class_names: Names of the classes, as far as they are known.
        separator: A key or name of `LIST_SEPARATORS`, or `none` where each cell is one name.
        told: Takes down the separator.

    Raises:
        DatasetFormatError: A cell starts like a list and is none, or holds other things than names
            and numbers.
        DoubtfulSourceError: Names could end at several characters.
        SettingError: There is no such separator.
    """
    chosen = _given(separator)
    names = set(class_names)
    found: list[list[Label] | None] = []
    texts: dict[int, str] = {}
    for row, cell in enumerate(cells):
        if is_missing(cell) and not (isinstance(cell, str) and cell.strip() in names):
            found.append(None)
            continue
        members = (
            None if isinstance(cell, str) and cell.strip() in names else _listed(cell, where, row)
        )
        found.append(members)
        if members is None:
            texts[row] = str(cell).strip()
    if chosen is None:
        chosen = _separator(texts, names, where)
        if told is not None and texts:
            words = (
                f"{LIST_SEPARATORS[chosen]} between" if chosen != _ONE else "no separator between"
            )
            told.take("lists", f"{words} the candidates in a cell", OPTION)
    parts: dict[str, list[Label]] = {}  # the same few sets are written over and over
    for row, text in texts.items():
        if text not in parts:
            whole = chosen == _ONE or text in names
            cut = [text] if whole else text.split(chosen)
            parts[text] = [part.strip() for part in cut if part.strip()]
        found[row] = list(parts[text])
    flat = [label for members in found if members for label in members]
    if any(isinstance(label, str) and label.endswith(".0") for label in flat):
        numbers = iter(_class_numbers(flat, names, told))
        for row, members in enumerate(found):
            if members:
                made = [next(numbers) for _ in members]
                found[row] = [label for label in made if label is not None]
    return found


def candidate_cell(value: object, where: str) -> list[Label]:
    """The labels in one cell, by itself: a list, or names with `|` between; none when empty.

    Raises:
        DatasetFormatError: As `candidate_column`.
    """
    (found,) = candidate_column([value], lambda _row: where, separator="|")
    return found or []


def _given(separator: str | None) -> str | None:
    if separator is None or separator == "":
        return None
    named = {name: char for char, name in LIST_SEPARATORS.items()} | {_ONE: _ONE}
    char = named.get(separator.strip().lower(), separator)
    if char not in (*LIST_SEPARATORS, _ONE):
        raise SettingError(
            f"list_separator is {separator!r}. {closest(separator, (*named, *LIST_SEPARATORS))}"
        )
    return char


def _listed(cell: object, where: Callable[[int], str], row: int) -> list[Label] | None:
    """The members of a cell that is written as a list; None where it is not."""
    if isinstance(cell, str):
        text = cell.strip()
        closing = _BRACKETS.get(text[:1])
        if closing is None:
            return None
        try:
            cell = json.loads(text)
        except (ValueError, RecursionError):
            members = _printed(text) if text.endswith(closing) else None
            if members is not None:
                return members
            if text[0] != "[":
                return None  # a class may be called (none)
            raise DatasetFormatError(
                f"{where(row)}: the candidates start with '[' but are no list ({shown(text)}). "
                'Write them as ["elm", "oak"] or elm|oak.'
            ) from None
        if isinstance(cell, dict):
            return None
    members = cell if isinstance(cell, list | tuple) else [cell]
    return [plain_label(member, where(row)) for member in members if not is_missing(member)]


def _unescaped(text: str) -> str:
    """What Python, NumPy or JSON wrote with backslashes; as it is where that is no text."""
    try:
        found = _ESCAPE.sub(_escaped, text)
        return found.encode("utf-16", "surrogatepass").decode("utf-16")  # joins halves of one
    except ValueError:
        return text


def _escaped(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    return chr(int(code, 16)) if code else _CONTROLS.get(match[4], match[4])


def _printed(text: str) -> list[Label] | None:
    """The members of a list as Python or NumPy print it, or None where it is not one."""
    inside = text[1:-1].strip().removesuffix(",")
    is_list = text[0] == "["
    if "..." in inside:
        return None  # NumPy leaves out the middle of a long array
    if re.fullmatch(r"[-+\d.eE\s]+", inside):  # [0 1] as NumPy prints numbers
        numbers = [float(part) for part in inside.split()]
        return [int(number) for number in numbers] if all(n.is_integer() for n in numbers) else None
    members: list[Label] = []
    place = 0
    while place < len(inside):
        match = _ELEMENT.match(inside, place)
        if match is None or match.end() == place:
            return None
        place = match.end()
        if is_missing(match["plain"] and match["plain"].strip()) and match["plain"]:
            continue
        quoted = match["single"] if match["single"] is not None else match["double"]
        if quoted is not None:
            members.append(_unescaped(quoted))
        elif _WHOLE.fullmatch(match["plain"].strip()):
            members.append(int(float(match["plain"])))
        elif is_list:
            members.append(match["plain"].strip())
        else:
            return None
    return members


def _separator(texts: dict[int, str], names: set[str], where: Callable[[int], str]) -> str:
    """What stands between the labels of a column, or `none`.

    Raises:
        DoubtfulSourceError: Two characters could.
    """
    distinct = set(texts.values())
    rest = distinct - names
    if names and rest:
        known = {char: _known_share(rest, char, names) for char in (*_FOUND, " ", "/")}
        best = max(known, key=lambda char: known[char])
        if known[best] > 0:
            return best
    used = [char for char in _FOUND if any(char in text for text in rest)]
    if len(used) > 1:
        _require_one(texts, rest, used, where)
    if used and used[0] == ",":
        _require_list(texts, rest, where)
    if not used and rest and all(_NUMBERS.fullmatch(text) or text.isdigit() for text in rest):
        return " " if any(" " in text for text in rest) else _ONE
    return used[0] if used else _ONE


def _known_share(texts: Iterable[str], char: str, names: set[str]) -> float:
    """The share of cells all of whose parts are known names or their numbers."""
    numbers = {str(number) for number in range(len(names))}
    cells = [[part.strip() for part in text.split(char) if part.strip()] for text in texts]
    return sum(set(cell) <= names or set(cell) <= numbers for cell in cells) / max(len(cells), 1)


def _require_one(
    texts: dict[int, str], rest: set[str], used: list[str], where: Callable[[int], str]
) -> None:
    """Make sure that what looks like another separator is part of names.

    Raises:
        DoubtfulSourceError: Some cells go by one separator, some by another.
    """
    first, others = used[0], used[1:]
    parts = {part.strip() for text in rest for part in text.split(first) if first in text}
    for other in others:
        for row, text in texts.items():
            if other not in text or first in text or text in parts:
                continue
            if {part.strip() for part in text.split(other)} & parts:
                raise DoubtfulSourceError(
                    f"{where(row)}: {shown(text)} holds a {LIST_SEPARATORS[other]}, other cells "
                    f"separate candidates by {LIST_SEPARATORS[first]}. Write all in one way, or "
                    f"say with {OPTION} what separates them."
                )


def _require_list(texts: dict[int, str], rest: set[str], where: Callable[[int], str]) -> None:
    """Make sure that commas stand between names, not within them.

    Raises:
        DoubtfulSourceError: No part occurs in two different cells, so each may be one name.
    """
    uses = Counter(part.strip() for text in rest for part in set(text.split(",")))
    if not any("," in text and uses[part.strip()] > 1 for text in rest for part in text.split(",")):
        row = next(row for row, text in texts.items() if "," in text)
        raise DoubtfulSourceError(
            f"{where(row)}: {texts[row]!r} may be one class or several. Say with {OPTION} comma "
            f"that commas separate candidates, or with {OPTION} none that each cell is one class; "
            "or write lists as elm|oak."
        )
