"""CSV and JSON Lines tables with the line of every row, and the cells that hold candidates."""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

from cad_studio.core.errors import DatasetFormatError, closest
from cad_studio.datasets._classes import Label, shown
from cad_studio.datasets._memory import ROW_BYTES, require_memory


@dataclass(frozen=True)
class Table:
    """Rows of a text table.

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


def read_table_file(path: Path) -> Table:
    """The `.csv` or `.jsonl` table in a file.

    Raises:
        DatasetFormatError: As `read_text_table`, or it cannot be read.
    """
    try:
        require_memory(2 * path.stat().st_size, path.name)
        return read_text_table(path.read_bytes(), path.name)
    except OSError as error:
        raise DatasetFormatError(f"{path.name} cannot be read: {error}.") from error


def read_text_table(data: bytes, name: str) -> Table:
    """A `.csv` or `.jsonl` table.

    Raises:
        DatasetFormatError: Not UTF-8, no header, or a row that does not fit; with the line. Or it
            would take too much memory.
    """
    require_memory(_cost_bytes(data), name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DatasetFormatError(
            f"{name}, line {line}: this is not UTF-8 text. Save the file as UTF-8."
        ) from error
    return _read_jsonl(text, name) if name.endswith(".jsonl") else _read_csv(text, name)


def _cost_bytes(data: bytes) -> int:
    """What a table takes as Python objects, at most: a line of two bytes makes hundreds."""
    cells = data.count(b",") + data.count(b":")
    braces = data.count(b"{") + data.count(b"[")
    return 8 * len(data) + ROW_BYTES * data.count(b"\n") + 80 * cells + 200 * braces


def candidate_cell(value: object, where: str) -> list[Label]:
    """The labels in one cell: a JSON list, or names separated by `|`; none when it is empty.

    Raises:
        DatasetFormatError: It starts like a JSON list and is none, or holds other things than
            names and numbers.
    """
    if value is None:
        return []
    if isinstance(value, str):
        if not value.lstrip().startswith("["):
            return [part.strip() for part in value.split("|") if part.strip()]
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise DatasetFormatError(
                f"{where}: the candidates start with '[' but are no JSON list ({error})."
            ) from error
    members = value if isinstance(value, list) else [value]
    return [plain_label(member, where) for member in members]


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


def _read_csv(text: str, name: str) -> Table:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns: list[list[object]] = []
    header: list[str] = []
    lines: list[int] = []
    start = 1
    try:
        for cells in reader:
            line, start = start, reader.line_num + 1
            if not cells or cells == [""]:
                continue
            if not header:
                header = _header(cells, name)
                columns = [[] for _ in header]
                continue
            if len(cells) != len(header):
                raise DatasetFormatError(
                    f"{name}, line {line}: {len(cells)} fields where the header has "
                    f"{len(header)}. Quote fields that hold a comma."
                )
            for column, cell in zip(columns, cells, strict=True):
                column.append(cell)
            lines.append(line)
    except csv.Error as error:
        raise DatasetFormatError(f"{name}, line {start}: {error}.") from error
    if not header:
        raise DatasetFormatError(f"{name} is empty.")
    return Table(name, dict(zip(header, columns, strict=True)), lines)


def _header(cells: list[str], name: str) -> list[str]:
    header = [cell.strip() for cell in cells]
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        raise DatasetFormatError(
            f"{name}, line 1: the columns must be separated by commas, not by semicolons or tabs."
        )
    for position, column in enumerate(header):
        if column in header[:position]:
            raise DatasetFormatError(f"{name}, line 1: the column {column!r} is there twice.")
    return header


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
