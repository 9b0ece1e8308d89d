"""Stored edits: which there are, of what, and what models say of them."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sql
from numpy.typing import NDArray

from cad_studio.core.errors import RecordNotFoundError
from cad_studio.core.records import EditSet
from cad_studio.store.database import Database, now
from cad_studio.store.edit_files import EditPixels, append
from cad_studio.store.tables import EDIT, EDIT_EVIDENCE, EDIT_SET

_AT_ONCE = 500


@dataclass(frozen=True)
class EditIndex:
    """E edits of a set, by rising number.

    Attributes:
        id: int64 (E,).
        row: int64 (E,). Sample.
        label: int64 (E,). Class it is edited towards.
        bond: int64 (E,). What it was made from: image and class text.
        place: int64 (E,). Where its bytes begin.
        length: int64 (E,).
        similarity: float64 (E,). To the source, -1 to 1.
    """

    id: NDArray[np.int64]
    row: NDArray[np.int64]
    label: NDArray[np.int64]
    bond: NDArray[np.int64]
    place: NDArray[np.int64]
    length: NDArray[np.int64]
    similarity: NDArray[np.float64]

    def __len__(self) -> int:
        """E."""
        return len(self.id)

    @classmethod
    def of_columns(cls, columns: Sequence[Sequence[Any]]) -> "EditIndex":
        """From seven columns, in the order of the attributes."""
        *numbers, similarity = columns
        ids, row, label, bond, place, length = (np.array(each, np.int64) for each in numbers)
        return cls(ids, row, label, bond, place, length, np.array(similarity, np.float64))

    def take(self, which: NDArray[Any]) -> "EditIndex":
        """Some of them, by position or mask."""
        return EditIndex(**{name: getattr(self, name)[which] for name in self.__dataclass_fields__})


NO_EDITS = EditIndex.of_columns([()] * 7)


@dataclass(frozen=True)
class Evidence:
    """What one model says of E edits.

    Attributes:
        edit: int64 (E,). Number of each edit, rising.
        before: float64 (E,). Probability of the guide class in the source, 0 to 1.
        after: float64 (E,). In the edit.
        top_before: int64 (E,). Most probable class of the source.
        top_after: int64 (E,). Of the edit.
    """

    edit: NDArray[np.int64]
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    top_before: NDArray[np.int64]
    top_after: NDArray[np.int64]


class Edits:
    """The edits of one project: a folder a set, and rows that name what is in it."""

    def __init__(self, database: Database, folder: Path) -> None:
        """Read and write through `database`; pixels lie below `folder`."""
        self._database = database
        self._folder = folder

    def sets(self, dataset_id: int | None = None) -> list[EditSet]:
        """All sets, or those of a dataset, newest first."""
        wanted = sql.select(EDIT_SET).order_by(EDIT_SET.c.id.desc())
        if dataset_id is not None:
            wanted = wanted.where(EDIT_SET.c.dataset_id == dataset_id)
        with self._database.read() as connection:
            return [EditSet(**row._mapping) for row in connection.execute(wanted)]

    def get(self, set_id: int) -> EditSet:
        """One set.

        Raises:
            RecordNotFoundError: There is none of this number.
        """
        with self._database.read() as connection:
            row = connection.execute(sql.select(EDIT_SET).where(EDIT_SET.c.id == set_id)).first()
        if row is None:
            raise RecordNotFoundError(
                f"Edit set {set_id} is not in this project. "
                "List them with: python -m cad_studio edits list."
            )
        return EditSet(**row._mapping)

    def find(self, dataset_id: int, key: str) -> EditSet | None:
        """The set of this model and these settings, if there is one."""
        return next((each for each in self.sets(dataset_id) if each.key == key), None)

    def open(
        self,
        dataset_id: int,
        editor: str,
        key: str,
        settings: dict[str, Any],
        shape: Sequence[int] | None,
    ) -> EditSet:
        """The set of this model and these settings, made when there is none.

        Raises:
            RecordNotFoundError: The dataset was removed in this moment.
        """
        columns = {
            "dataset_id": dataset_id, "editor": editor, "key": key, "settings": settings,
            "shape": None if shape is None else list(shape), "file": "edits-1.bin",
            "created_at": now(),
        }  # fmt: skip
        found = self.find(dataset_id, key)
        if found is None:
            try:
                with self._database.write() as connection:
                    connection.execute(sql.insert(EDIT_SET).values(**columns))
            except sql.exc.IntegrityError as error:
                # Either another process was faster, or the dataset is gone.
                if self.find(dataset_id, key) is None:
                    raise RecordNotFoundError(
                        "The dataset was removed; nothing was saved."
                    ) from error
            found = self.find(dataset_id, key)
        assert found is not None
        return found

    def folder(self, set_id: int) -> Path:
        """Where the pixels of a set lie; not made."""
        return self._folder / str(set_id)

    def last(self, set_id: int) -> int:
        """Highest number of an edit of a set, 0 without any."""
        wanted = sql.select(sql.func.max(EDIT.c.id)).where(EDIT.c.set_id == set_id)
        with self._database.read() as connection:
            return connection.scalar(wanted) or 0

    def index(self, set_id: int) -> EditIndex:
        """All edits of a set; the services remember it, see `EditSetService.index`."""
        return self._index(EDIT.c.set_id == set_id)

    def of_row(self, set_id: int, row: int) -> EditIndex:
        """The edits of one sample."""
        return self._index((EDIT.c.set_id == set_id) & (EDIT.c.row == row))

    def some(self, set_id: int, numbers: Sequence[int]) -> EditIndex:
        """Those of some numbers that the set has, by rising number."""
        # The sum keeps SQLite from going through the whole set for a few numbers.
        return self._index((EDIT.c.set_id + 0 == set_id) & EDIT.c.id.in_(_listed(numbers)))

    def _index(self, which: sql.ColumnElement[bool]) -> EditIndex:
        columns = [EDIT.c[name] for name in EditIndex.__dataclass_fields__]
        wanted = sql.select(*columns).where(which).order_by(EDIT.c.id)
        with self._database.read() as connection:
            rows = connection.execute(wanted).fetchall()
        whole = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
        return EditIndex.of_columns(whole)

    def ends(self) -> dict[int, int]:
        """Of each set with edits: how many bytes its file has at least."""
        wanted = sql.select(EDIT.c.set_id, sql.func.max(EDIT.c.place + EDIT.c.length)).group_by(
            EDIT.c.set_id
        )
        with self._database.read() as connection:
            return {row[0]: row[1] for row in connection.execute(wanted)}

    def counts(self) -> dict[int, tuple[int, int]]:
        """Of each set with edits: how many, and bytes."""
        wanted = sql.select(EDIT.c.set_id, sql.func.count(), sql.func.sum(EDIT.c.length)).group_by(
            EDIT.c.set_id
        )
        with self._database.read() as connection:
            return {row[0]: (row[1], row[2]) for row in connection.execute(wanted)}

    def add(
        self,
        edit_set: EditSet,
        columns: dict[str, Sequence[int] | Sequence[float]],
        parts: Sequence[bytes],
    ) -> None:
        """Keep some edits: all of them are there afterwards, or none.

        Args:
            edit_set: Their set.
            columns: `row`, `label`, `bond` and `similarity`, M of each.
            parts: M encoded edits.

        Raises:
            StorageError: The disk is full.
            RecordNotFoundError: The set was deleted meanwhile.
        """
        names = ("row", "label", "bond", "similarity")
        try:
            # The write lock is held while the file grows: two processes never share a place.
            with self._database.write() as connection:
                end = connection.scalar(
                    sql.select(sql.func.max(EDIT.c.place + EDIT.c.length)).where(
                        EDIT.c.set_id == edit_set.id
                    )
                )
                file = self.folder(edit_set.id) / edit_set.file
                places = append(file, end or 0, parts)
                connection.execute(
                    sql.insert(EDIT),
                    [
                        {"set_id": edit_set.id, "place": place, "length": len(part),
                         **dict(zip(names, values, strict=True))}
                        for place, part, *values in zip(
                            places, parts, *(columns[name] for name in names), strict=True
                        )
                    ],
                )  # fmt: skip
        except sql.exc.IntegrityError as error:
            raise RecordNotFoundError(
                f"Edit set {edit_set.id} was deleted, or another process made the same edits. "
                "Start again; what is there is kept."
            ) from error

    def pixels(self, edit_set: EditSet) -> EditPixels:
        """The pixels of a set."""
        return EditPixels(self.folder(edit_set.id) / edit_set.file, edit_set.shape)

    def add_evidence(self, judge: str, found: Evidence) -> None:
        """Keep what a model says of some edits; what it said before is replaced."""
        columns = [getattr(found, name).tolist() for name in Evidence.__dataclass_fields__]
        names = ("edit_id", "before", "after", "top_before", "top_after")
        rows = [
            {"judge": judge, **dict(zip(names, values, strict=True))}
            for values in zip(*columns, strict=True)
        ]
        if rows:
            with self._database.write() as connection:
                connection.execute(sql.insert(EDIT_EVIDENCE).prefix_with("OR REPLACE"), rows)

    def judged(self, set_id: int) -> dict[str, int]:
        """How many edits of a set each model has judged, by its key."""
        table = EDIT_EVIDENCE.c
        wanted = (
            sql.select(table.judge, sql.func.count())
            .join(EDIT, EDIT.c.id == table.edit_id)
            .where(EDIT.c.set_id == set_id)
            .group_by(table.judge)
        )
        with self._database.read() as connection:
            return {row[0]: row[1] for row in connection.execute(wanted)}

    def evidence(self, set_id: int, judge: str) -> Evidence:
        """What a model said of the edits of a set."""
        table = EDIT_EVIDENCE.c
        wanted = (
            sql.select(table.edit_id, table.before, table.after, table.top_before, table.top_after)
            .join(EDIT, EDIT.c.id == table.edit_id)
            .where(EDIT.c.set_id == set_id, table.judge == judge)
            .order_by(table.edit_id)
        )
        with self._database.read() as connection:
            rows = connection.execute(wanted).fetchall()
        edit, before, after, top_before, top_after = zip(*rows, strict=True) if rows else [()] * 5
        return Evidence(
            np.array(edit, np.int64),
            np.array(before, np.float64),
            np.array(after, np.float64),
            np.array(top_before, np.int64),
            np.array(top_after, np.int64),
        )

    def delete(self, set_id: int) -> int:
        """Delete a set and its files; returns bytes freed."""
        folder = self.folder(set_id)
        freed = sum(file.stat().st_size for file in folder.glob("*") if file.is_file())
        with self._database.write() as connection:
            connection.execute(sql.delete(EDIT_SET).where(EDIT_SET.c.id == set_id))
        shutil.rmtree(folder, ignore_errors=True)
        return freed

    def keep_only(self, edit_set: EditSet, kept: EditIndex) -> int:
        """Delete all edits of a set but some, and close the gaps; returns bytes freed.

        The rest is copied into a new file first, so a kill leaves the set as it was. What was
        measured of pairs is forgotten: it rests on edits that are gone.
        """
        old = self.folder(edit_set.id) / edit_set.file
        renewed = replace(edit_set, file=f"edits-{_serial(edit_set.file) + 1}.bin")
        new = self.folder(edit_set.id) / renewed.file
        source = EditPixels(old, None)
        places: list[int] = []
        end = 0
        for start in range(0, len(kept), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            parts = [
                source.raw(place, length)
                for place, length in zip(kept.place[some], kept.length[some], strict=True)
            ]
            places += append(new, end, parts)
            end += sum(map(len, parts))
        with self._database.write() as connection:
            connection.execute(
                sql.delete(EDIT).where(
                    EDIT.c.set_id == edit_set.id, EDIT.c.id.not_in(_listed(kept.id.tolist()))
                )
            )
            if places:
                connection.execute(
                    sql.update(EDIT)
                    .where(EDIT.c.id == sql.bindparam("of"))
                    .values(place=sql.bindparam("at")),
                    [
                        {"of": number, "at": place}
                        for number, place in zip(kept.id.tolist(), places, strict=True)
                    ],
                )
            connection.execute(
                sql.update(EDIT_SET).where(EDIT_SET.c.id == edit_set.id).values(file=renewed.file)
            )
        for file in self.folder(edit_set.id).glob("pairs-*.json"):
            file.unlink(missing_ok=True)
        return self.remove_older_files(renewed) - end

    def remove_older_files(self, edit_set: EditSet) -> int:
        """Delete the pixels that a set had before its gaps were closed; returns their bytes."""
        freed = 0
        for file in self.folder(edit_set.id).glob("edits-*.bin"):
            # a higher one is being written by another process
            if _serial(file.name) < _serial(edit_set.file):
                freed += file.stat().st_size
                file.unlink(missing_ok=True)
        return freed

    def judges(self) -> set[str]:
        """Keys of all models that have said something."""
        with self._database.read() as connection:
            return set(connection.scalars(sql.select(EDIT_EVIDENCE.c.judge).distinct()))

    def forget_judges(self, judges: Iterable[str]) -> None:
        """Delete what some models said, of edits and of pairs."""
        for judge in judges:
            with self._database.write() as connection:
                connection.execute(sql.delete(EDIT_EVIDENCE).where(EDIT_EVIDENCE.c.judge == judge))
            for file in self._folder.glob(f"*/pairs-{judge}.json"):
                file.unlink(missing_ok=True)


def _listed(numbers: Sequence[int]) -> sql.Select[Any]:
    """Numbers as a table, however many."""
    return sql.select(sql.literal_column("value", sql.Integer)).select_from(
        sql.func.json_each(str(list(numbers)))
    )


def _serial(file: str) -> int:
    """Of `edits-<serial>.bin`."""
    number = file.partition("-")[2].partition(".")[0]
    return int(number) if number.isdecimal() else 0
