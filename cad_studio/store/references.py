"""Which blobs and folders the records of a project name, and what each is to its owner."""

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sql

from cad_studio.store.tables import (
    ANNOTATION_BOOK,
    DATASET,
    DATASET_VERSION,
    EDIT_MODEL,
    EDIT_SET,
    FEATURE_SET,
    MINING,
    RUN,
)

_ROLES = {
    "ids": "names of the samples",
    "splits": "splits",
    "truth": "true labels",
    "votes": "imported votes",
    "vote_weights": "weights of the imported votes",
    "pixels": "images",
    "encoded": "images",
    "offsets": "places of the images",
    "features": "vectors",
}
_ADVICE = {
    "dataset": (
        "Put the file back from a copy of the project folder; without one, import the data again "
        "under another name."
    ),
    "features": "Compute them again: python -m cad_studio extract {name} --features {spec}.",
    "mining": "Search for the pairs again: python -m cad_studio mine {name} --features {spec}.",
    "run": "Put the file back from a copy of the project folder, or train a new run.",
    "editor": "Put the file back from a copy of the project folder, or train a new editor.",
}


@dataclass(frozen=True)
class Reference:
    """A blob that a record names.

    Attributes:
        blob: Its name.
        kind: A key of the advice: `dataset`, `features`, `mining`, `run` or `editor`.
        owner_id: Number of the record.
        words: What it is, e.g. `the true labels of dataset 'pets'`.
        advice: What to do when it is damaged, a sentence.
    """

    blob: str
    kind: str
    owner_id: int
    words: str
    advice: str


def references(connection: sql.Connection) -> Iterator[Reference]:
    """Every blob that a record names, once for each record."""
    datasets = {row.id: row for row in connection.execute(sql.select(DATASET))}
    names = {number: row.name for number, row in datasets.items()}
    for number, row in datasets.items():
        for role, blob in row.files.items():
            words = f"the {_ROLES.get(role, role)} of dataset {row.name!r}"
            yield Reference(blob, "dataset", number, words, _ADVICE["dataset"])
        for each in row.fields:
            words = f"the field {each['name']!r} of dataset {row.name!r}"
            for part in ("values", "names"):
                if part in each:
                    yield Reference(each[part], "dataset", number, words, _ADVICE["dataset"])
    for row in connection.execute(sql.select(ANNOTATION_BOOK)):
        if row.split and row.dataset_id in names:
            words = f"the split of dataset {names[row.dataset_id]!r}"
            blob = row.split["file"]
            yield Reference(blob, "dataset", row.dataset_id, words, _ADVICE["dataset"])
    for row in connection.execute(sql.select(DATASET_VERSION)):
        if row.details.get("split"):
            words = f"the split of dataset {names.get(row.dataset_id)!r}, v{row.number}"
            blob = row.details["split"]["file"]
            yield Reference(blob, "dataset", row.dataset_id, words, _ADVICE["dataset"])
        words = f"the candidate sets of dataset {names.get(row.dataset_id)!r}, v{row.number}"
        yield Reference(row.candidates, "dataset", row.dataset_id, words, _ADVICE["dataset"])
    specs = {}
    for row in connection.execute(sql.select(FEATURE_SET)):
        specs[row.id] = row.spec
        of = [each.name for each in datasets.values() if row.source_hash in each.files.values()]
        words = f"the features {row.spec} of dataset {', '.join(map(repr, of)) or 'none'}"
        advice = _ADVICE["features"].format(name=of[0] if of else "NAME", spec=row.spec)
        yield Reference(row.file, "features", row.id, words, advice)
    for row in connection.execute(sql.select(MINING)):
        name, spec = names.get(row.dataset_id, "NAME"), specs.get(row.feature_set_id, "pixels")
        advice = _ADVICE["mining"].format(name=name, spec=spec)
        for blob in row.files.values():
            words = f"the pairs of dataset {name!r} found in {spec} (search {row.id})"
            yield Reference(blob, "mining", row.id, words, advice)
    for table, kind in ((RUN, "run"), (EDIT_MODEL, "editor")):
        columns = (table.c.id, table.c.dataset_id, table.c.candidates)
        for row in connection.execute(sql.select(*columns)):
            name = names.get(row.dataset_id)
            words = f"the candidate sets that {kind} {row.id} on {name!r} learned from"
            yield Reference(row.candidates, kind, row.id, words, _ADVICE[kind])


def folder_numbers(connection: sql.Connection) -> dict[str, set[int]]:
    """Numbers of the records that have a folder, by room."""
    rooms = {"runs": RUN, "editors": EDIT_MODEL, "edits": EDIT_SET}
    return {room: set(connection.scalars(sql.select(table.c.id))) for room, table in rooms.items()}


def highest_numbers(connection: sql.Connection) -> dict[str, int]:
    """The highest number a record with a folder ever had, by room; 0 before the first."""
    query = sql.text("SELECT seq FROM sqlite_sequence WHERE name = :name")
    rooms = {"runs": RUN.name, "editors": EDIT_MODEL.name, "edits": EDIT_SET.name}
    return {room: connection.scalar(query, {"name": name}) or 0 for room, name in rooms.items()}
