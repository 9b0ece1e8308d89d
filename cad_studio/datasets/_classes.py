"""Class names: where they come from, what is allowed, and how a written label finds its class."""

import json
import reprlib
from collections.abc import Iterable, Sequence

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.errors import DatasetFormatError, closest
from cad_studio.core.partial_labels import MAX_CLASSES

Label = str | int
"""A label as it is written in a source: a class name, or a class index."""


class ClassTable:
    """C class names and the way from a written label to its index."""

    def __init__(self, names: Sequence[str], where: str) -> None:
        """Take the names in the order of their indices.

        Raises:
            DatasetFormatError: Fewer than 2 or more than 1,000, an empty one, or one used twice.
        """
        self.names = list(names)
        self._index = {name: index for index, name in enumerate(self.names)}
        _check_names(self.names, self._index, where)

    def find(self, label: object) -> int:
        """The index of a label, or `UNKNOWN`.

        A name counts first, as written and then without blanks around it; then a class index.
        """
        if isinstance(label, str):
            index = self._index.get(label)
            if index is None:
                label = label.strip()
                index = self._index.get(label)
            if index is not None:
                return index
            if not (label.isascii() and label.isdigit() and len(label) < 6):
                return UNKNOWN
            label = int(label)
        if isinstance(label, int) and 0 <= label < len(self.names):
            return int(label)
        return UNKNOWN

    def complaint(self, label: object) -> str:
        """What to say about a label that `find` does not know."""
        hint = closest(label[:80] if isinstance(label, str) else shown(label), self.names)
        return f"{shown(label)} is not one of the {len(self.names)} classes. {hint}".rstrip()


def shown(value: object) -> str:
    """A value for a message, quoted, at most 80 characters of it."""
    try:
        text = _REPR.repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits
        text = f"a very long {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


# Not `repr`: a list may hold itself a thousand times over.
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 200


def names_of(labels: Iterable[object]) -> list[str]:
    """Class names for a source that has none, from the labels that occur in it.

    Integers, or texts that are all whole numbers starting at 0, are indices: the names are `0` to
    the largest. Everything else is a name; names are sorted, numbers by value.
    """
    distinct = set(labels)
    if distinct and all(isinstance(label, int) for label in distinct):
        return [str(index) for index in range(_bounded(max(distinct)) + 1)]
    written = {str(label) for label in distinct}
    # Blanks around a name are kept, unless the name also occurs without them.
    texts = {text for text in written if text.strip() == text or text.strip() not in written}
    texts = {text for text in texts if text.strip()}
    if not all(text.isascii() and text.isdigit() and len(text) < 10 for text in texts):
        return sorted(texts)
    numbers = sorted(texts, key=int)
    # Where integers and texts are mixed, the integers are indices, so the texts must be too.
    counted = any(isinstance(label, int) for label in distinct)
    from_zero = bool(numbers) and (numbers[0] == "0" or counted)
    if from_zero and all(str(int(text)) == text for text in numbers):
        return [str(index) for index in range(_bounded(int(numbers[-1])) + 1)]
    return numbers


def read_class_list(text: str, name: str) -> tuple[list[str], dict[str, str]]:
    """Class names and descriptions from `classes.txt` or `classes.json`.

    A text file has one name a line. JSON is a list of names or an object from name to description.

    Raises:
        DatasetFormatError: Neither of these.
    """
    if not name.endswith(".json"):
        lines = [line.strip() for line in text.splitlines()]
        return [line for line in lines if line], {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetFormatError(f"{name} is no JSON: {error}.") from error
    if isinstance(value, dict):
        told = {key: note for key, note in value.items() if note is not None and note != ""}
        if all(isinstance(note, str) and is_text(note) for note in told.values()):
            return list(value), told
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value, {}
    raise DatasetFormatError(
        f"{name} must be a list of class names, or an object from name to description (text)."
    )


def _bounded(largest: int) -> int:
    # A wild number must not become a list of as many names; ClassTable then refuses the count.
    return min(max(largest, -1), MAX_CLASSES)


def _check_names(names: list[str], index: dict[str, int], where: str) -> None:
    if len(names) > MAX_CLASSES:
        raise DatasetFormatError(
            f"{where}: more than {MAX_CLASSES:,} classes; at most {MAX_CLASSES:,} are handled."
        )
    if len(names) < 2:
        found = f"only one class ({shown(names[0])})" if names else "no class"
        raise DatasetFormatError(
            f"{where}: {found}. At least 2 are needed for anything to be ambiguous. "
            "Name all classes if the data holds only some of them."
        )
    for position, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            raise DatasetFormatError(f"{where}: class {position} has no name.")
        if index[name] != position:
            raise DatasetFormatError(f"{where}: the class name {shown(name)} is used twice.")
        if not is_text(name):
            raise DatasetFormatError(f"{where}: the class name {shown(name)} is not valid Unicode.")


def is_text(value: str) -> bool:
    """Whether a text can be written as UTF-8 (holds no lone surrogate)."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
