"""Datasets and their versions."""

import hashlib
import json
from typing import Any

import sqlalchemy as sql

from cad_studio.core.errors import RecordNotFoundError, SettingError, closest
from cad_studio.core.records import Dataset, DatasetVersion
from cad_studio.store.database import Database, inserted, now
from cad_studio.store.tables import DATASET, DATASET_VERSION, FEATURE_SET, MINING


class Datasets:
    """The datasets of one project."""

    def __init__(self, database: Database) -> None:
        """Read and write through `database`."""
        self._database = database

    def names(self) -> list[str]:
        """All names, in order of import."""
        return list(self._database.remembered("dataset names", self._names))

    def _names(self) -> tuple[str, ...]:
        with self._database.read() as connection:
            return tuple(connection.scalars(sql.select(DATASET.c.name).order_by(DATASET.c.id)))

    def all(self) -> list[Dataset]:
        """All datasets, in order of import."""
        return [self.get(name) for name in self.names()]

    def get(self, name: str) -> Dataset:
        """The dataset of this name.

        Raises:
            RecordNotFoundError: There is none; the message suggests the closest.
        """
        found = self._database.remembered(("dataset", name), lambda: self._find(name))
        if found is not None:
            return found
        names = self.names()
        hint = closest(name, names) if names else "Import one first."
        raise RecordNotFoundError(f"There is no dataset {name!r} in this project. {hint}".rstrip())

    def by_id(self, dataset_id: int) -> Dataset | None:
        """The dataset of this number, or None where it was removed."""
        return next((each for each in self.all() if each.id == dataset_id), None)

    def _find(self, name: str) -> Dataset | None:
        with self._database.read() as connection:
            row = connection.execute(_BY_NAME, {"wanted": name}).first()
            return None if row is None else _dataset(row, _current(connection, row.id))

    def add(self, columns: dict[str, Any], candidates: str, details: dict[str, Any]) -> Dataset:
        """Add a dataset with its first version, all or nothing.

        Args:
            columns: Every column of the table but `id` and `created_at`.
            candidates: Blob name of the packed sets.
            details: Kept with the version.

        Raises:
            SettingError: The name is taken.
        """
        try:
            with self._database.write() as connection:
                dataset_id = inserted(
                    connection, sql.insert(DATASET).values(**columns, created_at=now())
                )
                row = connection.execute(
                    sql.select(DATASET).where(DATASET.c.id == dataset_id)
                ).one()
                _insert_version(connection, row, 1, candidates, "import", details)
        except sql.exc.IntegrityError as error:
            raise name_taken(columns["name"]) from error
        return self.get(columns["name"])

    def add_version(
        self, name: str, candidates: str, reason: str, details: dict[str, Any]
    ) -> Dataset:
        """Make new candidate sets the current ones.

        What became of the classes and the split holds on, until the details say otherwise.

        Args:
            name: Name of the dataset.
            candidates: Blob name of the packed sets.
            reason: What made them.
            details: What is needed to make them again.
        """
        dataset = self.get(name)
        with self._database.write() as connection:
            row = connection.execute(sql.select(DATASET).where(DATASET.c.id == dataset.id)).one()
            current = _current(connection, dataset.id)
            kept = {key: current.details.get(key) for key in ("classes", "split")}
            held = {key: value for key, value in kept.items() if value is not None}
            details = {**held, **details}
            _insert_version(connection, row, current.number + 1, candidates, reason, details)
        return self.get(name)

    def at(self, name: str, version: DatasetVersion) -> Dataset:
        """The dataset as it is in one of its versions, that version's split included."""
        with self._database.read() as connection:
            row = connection.execute(
                sql.select(DATASET).where(DATASET.c.id == self.get(name).id)
            ).one()
            return _dataset(row, version)

    def versions(self, name: str) -> list[DatasetVersion]:
        """All versions of a dataset, oldest first."""
        dataset = self.get(name)
        with self._database.read() as connection:
            rows = connection.execute(
                sql.select(DATASET_VERSION)
                .where(DATASET_VERSION.c.dataset_id == dataset.id)
                .order_by(DATASET_VERSION.c.number)
            )
            return [DatasetVersion(**row._mapping) for row in rows]

    def remove(self, name: str) -> None:
        """Take a dataset out of the project, with its versions, minings and features.

        Features of content that another dataset has too are kept.
        """
        dataset = self.get(name)
        with self._database.write() as connection:
            for table in (MINING, DATASET_VERSION):
                connection.execute(sql.delete(table).where(table.c.dataset_id == dataset.id))
            connection.execute(sql.delete(DATASET).where(DATASET.c.id == dataset.id))
            files = connection.scalars(sql.select(DATASET.c.files))
            left = {name for names in files for name in names.values()}
            connection.execute(
                sql.delete(FEATURE_SET).where(FEATURE_SET.c.source_hash.not_in(left))
            )

    def describe_classes(self, name: str, descriptions: dict[str, str]) -> None:
        """Replace the free-text descriptions of the classes."""
        dataset = self.get(name)
        with self._database.write() as connection:
            connection.execute(
                sql.update(DATASET)
                .where(DATASET.c.id == dataset.id)
                .values(class_descriptions=descriptions)
            )


def name_taken(name: str) -> SettingError:
    """The words for a name that another dataset has."""
    return SettingError(
        f"This project already has a dataset {name!r}. Choose another name, "
        f"or remove that one first: python -m cad_studio remove {name}."
    )


# Asked at nearly every request, and building them takes longer than the answer.
_BY_NAME = sql.select(DATASET).where(DATASET.c.name == sql.bindparam("wanted"))
_NEWEST = (
    sql.select(DATASET_VERSION)
    .where(DATASET_VERSION.c.dataset_id == sql.bindparam("dataset"))
    .order_by(DATASET_VERSION.c.number.desc())
    .limit(1)
)


def _current(connection: sql.Connection, dataset_id: int) -> DatasetVersion:
    row = connection.execute(_NEWEST, {"dataset": dataset_id}).one()
    return DatasetVersion(**row._mapping)


def _dataset(row: sql.Row[Any], version: DatasetVersion) -> Dataset:
    files, split_names = _splits(row, version.details)
    columns = {**row._mapping, "files": files, "split_names": split_names}
    return Dataset(**columns, version=version)


def _splits(row: sql.Row[Any], details: dict[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Files and split names: as imported, or as split within the studio since."""
    split = details.get("split")
    if not split:
        return row.files, row.split_names
    return {**row.files, "splits": split["file"]}, split["names"]


def _insert_version(
    connection: sql.Connection,
    row: sql.Row[Any],
    number: int,
    candidates: str,
    reason: str,
    details: dict[str, Any],
) -> None:
    files, split_names = _splits(row, details)
    content = [files, row.class_names, split_names, row.annotators, candidates]
    classes = details.get("classes") or {}
    if any(classes.values()):  # true labels and votes depend on them
        content.append(classes)
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    connection.execute(
        sql.insert(DATASET_VERSION).values(
            dataset_id=row.id,
            number=number,
            hash=hashlib.sha256(text.encode()).hexdigest()[:12],
            candidates=candidates,
            reason=reason,
            details=details,
            created_at=now(),
        )
    )
