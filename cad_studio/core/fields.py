"""Fields of samples: what a source says of each beside its label, such as camera, patient or date.

A reader hands over values as they are written. `make_field` finds out what kind they are: numbers
and dates are kept as such, few different texts as categories, all else as text.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.errors import SettingError, closest

KINDS = ("category", "number", "date", "text")
MOST_NAME = 200
MOST_TEXT = 2000
TAG = "tag"
"""What the tags that annotators give are called, where a field is asked for."""

RESERVED = frozenset({TAG, "tags", "id", "split", "candidates", "label", "image", "features"})
"""Names that fields do not have, as exports and filters use them for something else."""

_FEW = 20
"""Different texts that are always categories; of more, every one must occur twice on average."""

_BLANK = frozenset({"", "nan", "none", "null", "na", "n/a", "<na>"})


@dataclass(frozen=True)
class Field:
    """One field of N samples.

    Attributes:
        name: As the source calls it.
        kind: One of `KINDS`.
        values: Of a category int32 (N,), index into `names`, `UNKNOWN` for none; of a number
            float64 (N,), NaN for none; of a date float64 (N,), seconds since 1970 in UTC, NaN for
            none; of a text int32 (N,) as of a category.
        names: The different texts of a category or text field; else empty.
    """

    name: str
    kind: str
    values: NDArray[np.generic]
    names: list[str]

    def __len__(self) -> int:
        """N."""
        return len(self.values)

    @property
    def is_measured(self) -> bool:
        """Whether its values have an order: numbers and dates."""
        return self.kind in ("number", "date")

    def known(self) -> NDArray[np.bool_]:
        """Which samples have a value, bool (N,)."""
        if self.is_measured:
            return ~np.isnan(self.values.astype(np.float64))
        return self.values != UNKNOWN

    def shown(self, row: int) -> str | float | int | None:
        """The value of one sample as it is shown and exported; None for none."""
        value = self.values[row]
        if not self.is_measured:
            return None if value == UNKNOWN else self.names[int(value)]
        return None if math.isnan(value) else self.written(float(value))

    def written(self, value: float) -> str | float | int:
        """A number as a number, a date in ISO 8601."""
        if self.kind == "date":
            moment = datetime.fromtimestamp(value, UTC)
            is_day = moment.time() == datetime.min.time()
            return moment.date().isoformat() if is_day else moment.isoformat()
        return int(value) if value.is_integer() and abs(value) < 2**53 else value

    def groups(self) -> NDArray[np.int64]:
        """Samples of one value have one number, those without a value one each, int64 (N,)."""
        known = self.known()
        out = np.empty(len(self), np.int64)
        _, place = np.unique(self.values[known], return_inverse=True)
        out[known] = place
        n_groups = int(place.max()) + 1 if len(place) else 0
        out[~known] = n_groups + np.arange(int((~known).sum()))
        return out

    def holds(self, wanted: str) -> NDArray[np.bool_]:
        """Which samples have a value, bool (N,).

        Args:
            wanted: Of categories and texts the value itself; of numbers and dates the value, or a
                range such as `3..7`, `..7` or `2024-01-01..2024-06-30`, ends included. Empty for
                the samples without a value.

        Raises:
            SettingError: No such value, or not a number or date.
        """
        if not wanted:
            return ~self.known()
        if not self.is_measured:
            if wanted not in self.names:
                hint = closest(wanted, self.names[:10_000])
                raise SettingError(f"No sample has {self.name} {wanted[:80]!r}. {hint}".rstrip())
            return self.values == self.names.index(wanted)
        low, has_range, high = wanted.partition("..")
        least = self._bound(low) if low else -math.inf
        most = least if not has_range else self._bound(high, True) if high else math.inf
        if not has_range:
            most = self._bound(low, True)
        values = self.values.astype(np.float64)
        return (values >= least) & (values <= most)

    def take(self, rows: NDArray[np.integer]) -> "Field":
        """The field of some samples."""
        return Field(self.name, self.kind, self.values[rows], self.names)

    def _bound(self, text: str, is_end: bool = False) -> float:
        value = _date(text) if self.kind == "date" else _number(text)
        if value is None:
            example = "a date such as 2024-05-31" if self.kind == "date" else "a number"
            raise SettingError(
                f"{self.name} is {text[:40]!r}; expected {example}, or a range such as LOW..HIGH."
            )
        # A day lasts until its last second.
        return value + 86_399.0 if is_end and self.kind == "date" and len(text) == 10 else value


def make_field(name: str, values: Sequence[object]) -> Field:
    """A field from values as they are written in a source.

    Args:
        name: As the source calls it.
        values: N texts, numbers, booleans, dates or None; blanks and NaN count as none.
    """
    texts = [None if is_blank(value) else _text(value) for value in values]
    given = [text for text in texts if text is not None]
    if given:
        for kind, parse in (("number", _number), ("date", _date)):
            parsed = _all(parse, given)
            if parsed is not None:
                out = np.full(len(texts), np.nan)
                out[[text is not None for text in texts]] = parsed
                return Field(name, kind, out, [])
    index: dict[str, int] = {}
    codes = [UNKNOWN if text is None else index.setdefault(text, len(index)) for text in texts]
    order = sorted(index)
    place = {index[text]: at for at, text in enumerate(order)}
    sorted_codes = np.array([UNKNOWN if code < 0 else place[code] for code in codes], np.int32)
    few = len(order) <= max(_FEW, len(given) // 2)
    return Field(name, "category" if few else "text", sorted_codes, order)


def is_blank(value: object) -> bool:
    """Whether a cell holds nothing: None, NaN, an empty text or a word for one of these."""
    if value is None:
        return True
    if isinstance(value, float | np.floating):
        return bool(np.isnan(value))
    return isinstance(value, str) and value.strip().casefold() in _BLANK


def is_plain(value: object) -> bool:
    """Whether a value can be one of a field; lists, bytes and dicts cannot."""
    return value is None or isinstance(
        value, str | int | float | bool | date | np.generic
    )  # a datetime is a date


def field_names(names: Iterable[str]) -> list[str]:
    """Names as fields can have them: no blanks around, not too long, none used twice or empty."""
    found: list[str] = []
    for at, given in enumerate(names):
        name = str(given).strip()[:MOST_NAME] or f"column {at + 1}"
        name = f"{name} (column)" if name in RESERVED else name
        while name in found:
            name += " (again)"
        found.append(name)
    return found


def _text(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[s]").item()
    if isinstance(value, date):
        return value.isoformat()
    return str(value).strip()[:MOST_TEXT]


def _all(parse, texts: list[str]) -> list[float] | None:  # type: ignore[no-untyped-def]
    out = []
    for text in texts:
        value = parse(text)
        if value is None:
            return None
        out.append(value)
    return out


def _number(text: str) -> float | None:
    # a code such as 007 is a name, and `float` takes 1_000 and infinity
    plain = text.lstrip("-+")
    if (not plain[:1].isdigit() and plain[:1] != ".") or "_" in text:
        return None
    if len(plain) > 1 and plain[0] == "0" and plain[1].isdigit():
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _date(text: str) -> float | None:
    if len(text) < 10 or text[4] != "-":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
