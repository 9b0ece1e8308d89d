"""Excel workbooks (`.xlsx`): the rows of the first sheet."""

import io
import zipfile
import zlib

from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.optional import require
from cad_studio.datasets._memory import require_memory

_COST = 12  # a cell of a few bytes of XML becomes Python objects
# Its parsers let errors of many kinds through.
_DAMAGE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    SyntaxError,
    zipfile.BadZipFile,
    zlib.error,
)


def sheet_rows(data: bytes, name: str) -> tuple[list[tuple[int, list[object]]], list[str]]:
    """Number and cells of each row of the first sheet that holds something; the other sheets.

    Formulas give the value that was saved with them. Rows of empty cells are left out; empty cells
    are None.

    Raises:
        DatasetFormatError: No readable workbook, or it would take too much memory.
        MissingPackageError: `openpyxl` is not installed.
    """
    openpyxl = require("openpyxl", install="openpyxl", purpose=f"Reading {name}")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        require_memory(_COST * size, name)
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        filled = [(sheet.title, _rows(sheet)) for sheet in book.worksheets]
    except (*_DAMAGE, openpyxl.utils.exceptions.InvalidFileException) as error:
        raise DatasetFormatError(f"{name} is no readable Excel workbook ({error}).") from error
    filled = [(title, rows) for title, rows in filled if rows]
    if not filled:
        raise DatasetFormatError(f"{name} is empty.")
    return filled[0][1], [title for title, _ in filled[1:]]


def _rows(sheet) -> list[tuple[int, list[object]]]:  # type: ignore[no-untyped-def]  # has no types
    rows = [(line, list(row)) for line, row in enumerate(sheet.iter_rows(values_only=True), 1)]
    rows = [(line, row) for line, row in rows if any(cell is not None for cell in row)]
    width = max((_width(row) for _, row in rows), default=0)
    return [(line, row[:width] + [None] * (width - len(row))) for line, row in rows]


def _width(row: list[object]) -> int:
    return max(place + 1 for place, cell in enumerate(row) if cell is not None)
