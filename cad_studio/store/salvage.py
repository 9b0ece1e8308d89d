"""Read out of a damaged database what can still be read, into a new one."""

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cad_studio.store.database import Database
from cad_studio.store.sqlite_files import connect_read_only, is_readable, json_columns, tables_of
from cad_studio.store.tables import DATASET

_MOST_PROBES = 20_000
"""Reads of a damaged stretch of one table before the rest of it is given up."""
_VERSION_TABLE = "alembic_version"


@dataclass
class Salvaged:
    """What came out of a damaged database.

    Attributes:
        rows: Rows saved, by table.
        is_complete: Whether every table could be read to its end.
        left_out: Rows dropped because what they belong to is lost.
    """

    rows: dict[str, int] = field(default_factory=dict)
    is_complete: bool = True
    left_out: int = 0


def salvage(damaged: Path, target: Path) -> Salvaged:
    """Make a new database with all that can be read of a damaged one.

    Args:
        damaged: The file; it is only read, along with what lies beside it.
        target: Where the new one is made; nothing is there yet.
    """
    Database(target).close()
    found = Salvaged()
    with closing(sqlite3.connect(target)) as new:
        new.execute("PRAGMA foreign_keys=OFF")
        tables = [table for table in tables_of(new) if table != _VERSION_TABLE]
        try:
            old = connect_read_only(damaged)
            old.text_factory = lambda data: data.decode("utf-8", "replace")
            known = set(tables_of(old))
        except sqlite3.Error:
            found.is_complete = False
            return found
        with closing(old):
            for table in tables:
                if table not in known:
                    found.is_complete = False
                    continue
                rows, is_complete = _rows_of(old, table)
                found.rows[table] = _insert(new, table, rows)
                found.is_complete &= is_complete and found.rows[table] == len(rows)
        found.left_out = _mend_links(new)
        new.commit()
    return found


def _rows_of(old: sqlite3.Connection, table: str) -> tuple[list[dict[str, object]], bool]:
    """Every row that can be read, as columns by name, and whether that is all of them."""
    try:
        names = [row[1] for row in old.execute(f'PRAGMA table_info("{table}")')]
    except sqlite3.Error:
        return [], False
    query = f'SELECT rowid, * FROM "{table}" WHERE rowid BETWEEN ? AND ? ORDER BY rowid'
    found: dict[int, dict[str, object]] = {}
    left, is_complete = _MOST_PROBES, True
    stretches = [_bounds(old, table)]
    while stretches and left > 0:
        low, high = stretches.pop()
        left -= 1
        try:
            for row in old.execute(query, (low, high)):
                found[row[0]] = dict(zip(names, row[1:], strict=True))
        except sqlite3.Error:
            if low == high:
                is_complete = False
                continue
            middle = (low + high) // 2
            stretches += [(low, middle), (middle + 1, high)]
    return [found[number] for number in sorted(found)], is_complete and not stretches


def _bounds(old: sqlite3.Connection, table: str) -> tuple[int, int]:
    """A range that holds all row numbers; wide where the ends cannot be read."""
    bounds = [0, 1 << 40]
    for place, function in enumerate(("min", "max")):
        try:
            value = old.execute(f'SELECT {function}(rowid) FROM "{table}"').fetchone()[0]
            bounds[place] = 0 if value is None else value
        except sqlite3.Error:
            pass
    return bounds[0], bounds[1]


def _insert(new: sqlite3.Connection, table: str, rows: list[dict[str, object]]) -> int:
    """Add rows but those the table refuses or with a damaged value; returns how many."""
    known = {row[1] for row in new.execute(f'PRAGMA table_info("{table}")')}
    of_json = json_columns().get(table, set())
    n_added = 0
    for row in rows:
        kept = {name: value for name, value in row.items() if name in known}
        if table == DATASET.name and not is_readable(kept["report"], True):
            kept["report"] = '{"findings": []}'  # worth less than the dataset it is about
        if not all(is_readable(value, name in of_json) for name, value in kept.items()):
            continue
        columns = ", ".join(f'"{name}"' for name in kept)
        marks = ", ".join("?" * len(kept))
        try:
            new.execute(f'INSERT INTO "{table}" ({columns}) VALUES ({marks})', (*kept.values(),))
            n_added += 1
        except sqlite3.Error:
            continue
    return n_added


def _mend_links(new: sqlite3.Connection) -> int:
    """Cut links to rows that are lost, or delete the rows that cannot be without; returns those."""
    n_removed = 0
    while broken := list(new.execute("PRAGMA foreign_key_check")):
        before = new.total_changes
        for table, number, _, link in broken:
            links = list(new.execute(f'PRAGMA foreign_key_list("{table}")'))
            column, on_delete = next((row[3], row[6]) for row in links if row[0] == link)
            with suppress(sqlite3.Error):  # the log of annotations lets nothing be deleted
                if on_delete == "SET NULL":
                    change = f'UPDATE "{table}" SET "{column}" = NULL WHERE rowid = ?'
                    new.execute(change, (number,))
                else:
                    new.execute(f'DELETE FROM "{table}" WHERE rowid = ?', (number,))
                    n_removed += 1
        if new.total_changes == before:
            break
    return n_removed
