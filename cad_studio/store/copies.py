"""A copy of a whole project, which costs little more than its database."""

import sqlite3
from contextlib import closing
from pathlib import Path


def copy_project(source: Path, target: Path) -> None:
    """A copy of a project's database, and its files by second names for the same bytes."""
    (target / "blobs").mkdir(parents=True)
    with (
        closing(sqlite3.connect(source / "project.db")) as old,
        closing(sqlite3.connect(target / "project.db")) as new,
    ):
        old.backup(new)
    for file in (source / "blobs").rglob("*"):
        if file.is_file():
            name = target / file.relative_to(source)
            name.parent.mkdir(exist_ok=True)
            name.hardlink_to(file)
