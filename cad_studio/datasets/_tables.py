"""Tables with the line of every row: CSV and its kin, JSON Lines, Excel sheets."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cad_studio.core.errors import DatasetFormatError, DoubtfulSourceError, SettingError, closest
from cad_studio.core.understanding import Understanding
from cad_studio.datasets._memory import ROW_BYTES, require_memory
from cad_studio.datasets._sheets import sheet_rows
from cad_studio.datasets._text import decoded
from cad_studio.datasets.picture_formats import is_picture_name

JSON_LINES = (".jsonl", ".ndjson")
DELIMITED = (".csv", ".tsv")
SHEETS = (".xlsx",)
SUFFIXES = (*DELIMITED, *JSON_LINES, *SHEETS)
"""Endings of tables that are read."""

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
"""What may stand between columns, and its name."""

_LOOKED_AT = 20
START_BYTES = 65536
"""How much of a file tells what it is."""
_NO_HEADER = ("file_name", "candidates")
_SMALL_SHEET_BYTES = 2**22


@dataclass(frozen=True)
class Table:
    """Rows of a table.

    Attributes:
        name: File name, for messages.
        columns: Values by column name; an absent value is None.
        lines: Line of each row in the file, counted from 1.
        unit: What a line is called in messages.
    """

    name: str
    columns: dict[str, list[object]]
    lines: list[int]
    unit: str = "line"

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.lines)

    def where(self, row: int) -> str:
        """File and line of a row."""
        return f"{self.name}, {self.unit} {self.lines[row]}"

    def require(self, *wanted: str) -> None:
        """Make sure that columns are there.

        Raises:
            DatasetFormatError: One is not.
        """
        for column in wanted:
            if column not in self.columns:
                hint = closest(column, self.columns)
                raise DatasetFormatError(
                    f"{self.name}: there is no column {column!r}. {hint}".rstrip()
                )

    def texts(self, column: str) -> list[str]:
        """A column as texts without blanks around them; absent values are empty."""
        return ["" if value is None else str(value).strip() for value in self.columns[column]]


@dataclass(frozen=True)
class TextForm:
    """How a text table is written, as far as the user says so.

    Attributes:
        separator: A character or a name of `SEPARATORS`; None to find out.
        encoding: Name of a codec; None to find out.
    """

    separator: str | None = None
    encoding: str | None = None

    def character(self) -> str | None:
        r"""The separator as a character.

        Raises:
            SettingError: Neither one character nor a name of one.
        """
        named = {name: char for char, name in SEPARATORS.items()} | {"\\t": "\t"}
        separator = self.separator
        char = named.get(separator.strip().lower(), separator) if separator else None
        if char is not None and (len(char) != 1 or char in '"\r\n'):
            raise SettingError(
                f"separator is {char!r}; expected one character, or {', '.join(named)}."
            )
        return char


def read_table_file(
    path: Path, form: TextForm | None = None, told: Understanding | None = None
) -> Table:
    """The table in a file.

    Raises:
        DatasetFormatError: As `read_text_table`, or it cannot be read.
    """
    try:
        require_memory(2 * path.stat().st_size, path.name)
        return read_text_table(path.read_bytes(), path.name, form, told)
    except OSError as error:
        raise DatasetFormatError(f"{path.name} cannot be read: {error}.") from error


def read_text_table(
    data: bytes, name: str, form: TextForm | None = None, told: Understanding | None = None
) -> Table:
    """A table, its kind told by the ending of its name.

    Args:
        data: The file.
        name: Its name.
        form: What the user says about it.
        told: Takes down separator, encoding and what is left out.

    Raises:
        DatasetFormatError: Not text, no header, or a row that does not fit; with the line. Or it
            would take too much memory.
        DoubtfulSourceError: Encoding or separator could be several.
        SettingError: The form cannot be.
    """
    form = form or TextForm()
    lower = name.lower()
    if lower.endswith(SHEETS):
        rows, left = sheet_rows(data, name)
        if told is not None and left:
            told.leave_out(f"further sheets of {name}", left, "Save them as files of their own.")
        return _from_cells(iter(rows), name, told, "row")
    require_memory(_cost_bytes(data), name)
    text = decoded(data, name, form.encoding, told)
    if lower.endswith(JSON_LINES):
        return _read_jsonl(text, name)
    return _read_csv(text, name, form.character(), told)


def beginning_of(path: Path) -> Table | None:
    """The first rows of the table in a file, up to what cannot be read; None where it is none.

    For recognising: never an error.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        return None
    try:
        if suffix in SHEETS:
            return read_table_file(path) if path.stat().st_size < _SMALL_SHEET_BYTES else None
        with path.open("rb") as file:
            return beginning_of_text(file.read(START_BYTES), path.name)
    except (OSError, DatasetFormatError, SettingError):
        return None


def beginning_of_text(start: bytes, name: str) -> Table | None:
    """The same of the first `START_BYTES` of a file that is no sheet."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in SUFFIXES or suffix in SHEETS:
        return None
    try:
        text = decoded(_whole_lines(start), name)
        if suffix in JSON_LINES:
            return _read_jsonl(text.partition("\n")[0], name)
        rows = _until_error(_csv_rows(text, name, _separator(text, name)))
        return _from_cells(rows, name, None)
    except (DatasetFormatError, SettingError):
        return None


def _whole_lines(start: bytes) -> bytes:
    """What was read of a file, without the line that is cut at its end."""
    end = start.rfind(b"\n")
    if len(start) < START_BYTES or end < 0:
        return start
    return start[: end + 1 + (start[end + 1 : end + 2] == b"\0")]  # UTF-16 has two bytes


def _until_error(rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    """Rows as long as they are like the first."""
    width = 0
    with suppress(DatasetFormatError):
        for line, cells in rows:
            width = width or len(cells)
            if len(cells) != width:
                return
            yield line, cells


def _cost_bytes(data: bytes) -> int:
    """What a table takes as Python objects, at most: a line of two bytes makes hundreds."""
    cells = sum(data.count(char) for char in (b",", b":", b";", b"\t", b"|"))
    braces = data.count(b"{") + data.count(b"[")
    return 8 * len(data) + ROW_BYTES * data.count(b"\n") + 80 * cells + 200 * braces


def _read_csv(text: str, name: str, separator: str | None, told: Understanding | None) -> Table:
    found = separator or _separator(text, name)
    if told is not None:
        words = SEPARATORS.get(found, repr(found))
        told.take("separator", f"{words} between columns of {name}", "--separator")
    return _from_cells(_csv_rows(text, name, found), name, told)


def _csv_rows(text: str, name: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Line and cells of each record that is not empty."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    start = 1
    try:
        for cells in reader:
            line, start = start, reader.line_num + 1
            if cells and cells != [""]:
                yield line, cells
    except csv.Error as error:
        raise DatasetFormatError(f"{name}, line {start}: {error}.") from error


def _separator(text: str, name: str) -> str:
    """What stands between the columns: what splits the header, and the rows into as many cells.

    Raises:
        DoubtfulSourceError: Two characters do.
    """
    start = text[:START_BYTES]
    # A list in a cell may hold any of these characters, a header does not.
    widths: dict[str, int] = {}
    without_header: list[str] = []  # what splits a picture from its set in the first line
    for char in SEPARATORS:
        try:
            rows = []
            for _, cells in _csv_rows(start, name, char):
                if not rows and len(cells) == len(_NO_HEADER) and is_picture_name(cells[0].strip()):
                    without_header.append(char)
                rows.append(len(_trimmed(cells)))
                if len(rows) == _LOOKED_AT:
                    break
        except DatasetFormatError:
            continue
        if rows and rows[0] > 1 and max(rows) <= rows[0]:
            widths[char] = min(rows)
    fitting = without_header or [char for char, least in widths.items() if least > 1]
    fitting = fitting or list(widths)
    if len(fitting) > 1:
        header = start.lstrip().splitlines()[0]
        raise DoubtfulSourceError(
            f"{name}, line 1: {header[:80]!r} could be separated by "
            f"{' or '.join(SEPARATORS[char] for char in fitting)}. Say which with --separator."
        )
    return fitting[0] if fitting else ","


def _trimmed(cells: list[str]) -> list[str]:
    """The cells without empty ones at the end."""
    n_cells = len(cells)
    while n_cells > 1 and not cells[n_cells - 1].strip():
        n_cells -= 1
    return cells[:n_cells]


def _from_cells(
    rows: Iterator[tuple[int, list[str]]] | Iterator[tuple[int, list[object]]],
    name: str,
    told: Understanding | None,
    unit: str = "line",
) -> Table:
    """A table of a header and the rows below it; a picture and its set need no header."""
    columns: list[list[object]] = []
    header: list[str] = []
    lines: list[int] = []
    for line, cells in rows:
        if not header:
            header = [str("" if cell is None else cell).strip() for cell in cells]
            columns = [[] for _ in header]
            if len(header) != len(_NO_HEADER) or not is_picture_name(header[0]):
                continue
            header = list(_NO_HEADER)
            if told is not None:
                told.take("header", f"none in {name}, taken for {' and '.join(header)}")
        if len(cells) != len(header):
            n_more = len(cells) - len(header)
            if n_more < 0 or any(str("" if c is None else c).strip() for c in cells[len(header) :]):
                raise DatasetFormatError(
                    f"{name}, {unit} {line}: {len(cells)} fields where the header has "
                    f"{len(header)}. Quote fields that hold the separator, or name it with "
                    "--separator."
                )
            cells = cells[: len(header)]
        for column, cell in zip(columns, cells, strict=True):
            column.append(cell)
        lines.append(line)
    if not header:
        raise DatasetFormatError(f"{name} is empty.")
    return Table(name, _named(header, columns, name, unit, told), lines, unit)


def _named(
    header: list[str],
    columns: list[list[object]],
    name: str,
    unit: str,
    told: Understanding | None,
) -> dict[str, list[object]]:
    """Columns by name; those without a name are left out: empty ones, and the row numbers."""
    found: dict[str, list[object]] = {}
    for position, (title, values) in enumerate(zip(header, columns, strict=True), start=1):
        is_index = title.lower().startswith("unnamed:") and _counts(values)
        if not title or is_index:
            if told is not None:
                is_empty = not any(str("" if v is None else v).strip() for v in values)
                kind = "empty columns" if is_empty else "columns of row numbers"
                if not is_empty and not _counts(values):
                    kind = "columns without a name"
                told.leave_out(f"{kind} in {name}", [title or f"column {position}"])
        elif title in found:
            raise DatasetFormatError(f"{name}, {unit} 1: the column {title!r} is there twice.")
        else:
            found[title] = values
    if not found:
        raise DatasetFormatError(f"{name}, {unit} 1: no column has a name.")
    return found


def _counts(values: list[object]) -> bool:
    """Whether the values are those of a counter from 0 or 1."""
    start = str(values[0]).strip() if values else ""
    if start not in ("0", "1"):
        return False
    return all(str(value).strip() == str(row) for row, value in enumerate(values, int(start)))


def _read_jsonl(text: str, name: str) -> Table:
    rows: list[dict[str, object]] = []
    lines: list[int] = []
    names: dict[str, None] = {}
    for line, record in enumerate(text.split("\n"), start=1):
        if not record.strip():
            continue
        try:
            value = json.loads(record)
        except (ValueError, RecursionError) as error:
            raise DatasetFormatError(f"{name}, line {line}: no JSON ({error}).") from error
        if not isinstance(value, dict):
            raise DatasetFormatError(f"{name}, line {line}: expected an object in braces.")
        names.update(dict.fromkeys(value))
        rows.append(value)
        lines.append(line)
    if not rows:
        raise DatasetFormatError(f"{name} is empty.")
    return Table(name, {key: [row.get(key) for row in rows] for key in names}, lines)
