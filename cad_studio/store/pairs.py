"""Minings: the entangled pairs that were found, with what they were found by."""

from typing import Any

import sqlalchemy as sql

from cad_studio.core.errors import RecordNotFoundError
from cad_studio.core.records import Mining
from cad_studio.store.database import Database, inserted, now
from cad_studio.store.tables import MINING


class Pairs:
    """The minings of one project."""

    def __init__(self, database: Database) -> None:
        """Read and write through `database`."""
        self._database = database

    def add(self, columns: dict[str, Any]) -> Mining:
        """Add a mining.

        Args:
            columns: Every column of the table but `id` and `created_at`.

        Raises:
            RecordNotFoundError: The dataset was removed while it was searched.
        """
        try:
            with self._database.write() as connection:
                mining_id = inserted(
                    connection, sql.insert(MINING).values(**columns, created_at=now())
                )
        except sql.exc.IntegrityError as error:
            raise RecordNotFoundError(
                "The dataset was removed while its pairs were searched; nothing was saved. "
                "Import it again to find them."
            ) from error
        return self.get(mining_id)

    def get(self, mining_id: int) -> Mining:
        """One mining.

        Raises:
            RecordNotFoundError: There is none of this id.
        """
        with self._database.read() as connection:
            row = connection.execute(sql.select(MINING).where(MINING.c.id == mining_id)).first()
        if row is None:
            raise RecordNotFoundError(
                f"The pairs of mining {mining_id} are not in this project. Find pairs again."
            )
        return Mining(**row._mapping)

    def of(self, dataset_id: int) -> list[Mining]:
        """All minings of a dataset, newest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                sql.select(MINING)
                .where(MINING.c.dataset_id == dataset_id)
                .order_by(MINING.c.id.desc())
            )
            return [Mining(**row._mapping) for row in rows]
