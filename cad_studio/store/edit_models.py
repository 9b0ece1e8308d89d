"""In-domain editors: what each learned from, and how far its training is."""

from typing import Any

import sqlalchemy as sql

from cad_studio.core.errors import RecordNotFoundError
from cad_studio.core.records import EditModel
from cad_studio.store.database import Database, inserted, now
from cad_studio.store.tables import EDIT_MODEL


class EditModels:
    """The in-domain editors of one project."""

    def __init__(self, database: Database) -> None:
        """Read and write through `database`."""
        self._database = database

    def add(self, columns: dict[str, Any]) -> EditModel:
        """Add one that is still to be trained.

        Args:
            columns: `dataset_id`, `version_hash`, `candidates`, `belief`, `config`.

        Raises:
            RecordNotFoundError: The dataset was removed in this moment.
        """
        try:
            with self._database.write() as connection:
                model_id = inserted(
                    connection,
                    sql.insert(EDIT_MODEL).values(**columns, reports=[], created_at=now()),
                )
        except sql.exc.IntegrityError as error:
            raise RecordNotFoundError("The dataset was removed; nothing was saved.") from error
        return self.get(model_id)

    def get(self, model_id: int) -> EditModel:
        """One editor.

        Raises:
            RecordNotFoundError: There is none of this number.
        """
        wanted = sql.select(EDIT_MODEL).where(EDIT_MODEL.c.id == model_id)
        with self._database.read() as connection:
            row = connection.execute(wanted).first()
        if row is None:
            raise RecordNotFoundError(
                f"Editor {model_id} is not in this project. Train one: "
                "python -m cad_studio edit-model DATASET."
            )
        return EditModel(**row._mapping)

    def all(self, dataset_id: int | None = None) -> list[EditModel]:
        """All editors, or those of a dataset, newest first."""
        wanted = sql.select(EDIT_MODEL).order_by(EDIT_MODEL.c.id.desc())
        if dataset_id is not None:
            wanted = wanted.where(EDIT_MODEL.c.dataset_id == dataset_id)
        with self._database.read() as connection:
            return [EditModel(**row._mapping) for row in connection.execute(wanted)]

    def change(self, model_id: int, **values: Any) -> None:
        """Set columns."""
        with self._database.write() as connection:
            connection.execute(
                sql.update(EDIT_MODEL).where(EDIT_MODEL.c.id == model_id).values(values)
            )

    def delete(self, model_id: int) -> None:
        """Delete the row; its folder goes when unused files are removed."""
        with self._database.write() as connection:
            connection.execute(sql.delete(EDIT_MODEL).where(EDIT_MODEL.c.id == model_id))
