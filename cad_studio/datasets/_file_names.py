"""Names that mean the same file though they are written differently."""

import unicodedata
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath


def plain_path(name: str) -> str:
    """A relative name with forward slashes, composed letters and no `./` in front."""
    plain = unicodedata.normalize("NFC", name.strip().replace("\\", "/"))
    while plain.startswith("./"):
        plain = plain[2:]
    return plain


def _base_name(name: str) -> str:
    return PurePosixPath(plain_path(name)).name.casefold()


def _stem(name: str) -> str:
    return PurePosixPath(plain_path(name)).stem.casefold()


_WAYS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("", plain_path),
    ("in other letters", lambda name: plain_path(name).casefold()),
    ("by file name, in other folders", _base_name),
    ("by file name without its ending", _stem),
)


class NameFinder:
    """Finds names among known ones: as written, else by what tells one of them for sure.

    Tried in this order: backslashes and composed letters put right, letters in other case, the file
    name without its folders, that without its ending. A name that fits several is not found.
    """

    def __init__(self, names: Iterable[str]) -> None:
        """Look among `names`."""
        self._names = list(names)
        self._exact = set(self._names)
        self._by: dict[int, dict[str, str | None]] = {}
        self.used: dict[str, list[str]] = {}
        """Names that were found in each way but the plain one."""

    def find(self, name: str) -> str | None:
        """The known name that is meant, or None where there is none, or several."""
        if name in self._exact:
            return name
        if not plain_path(name):
            return None
        for level, (way, key) in enumerate(_WAYS):
            found = self._table(level).get(key(name))
            if found is not None:
                if way:
                    self.used.setdefault(way, []).append(name)
                return found
        return None

    def _table(self, level: int) -> dict[str, str | None]:
        """Known names by key; None where several have it."""
        if level not in self._by:
            key = _WAYS[level][1]
            table: dict[str, str | None] = {}
            for name in self._names:
                table[key(name)] = None if key(name) in table else name
            self._by[level] = table
        return self._by[level]
