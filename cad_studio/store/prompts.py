"""The texts that editors are given for the classes of a dataset; every version is kept."""

import sqlalchemy as sql

from cad_studio.core.errors import RecordNotFoundError
from cad_studio.core.records import PromptTable
from cad_studio.store.database import Database, now
from cad_studio.store.tables import PROMPT_TABLE


class Prompts:
    """The prompt tables of one project."""

    def __init__(self, database: Database) -> None:
        """Read and write through `database`."""
        self._database = database

    def versions(self, dataset_id: int) -> list[PromptTable]:
        """All versions of a dataset, newest first."""
        wanted = (
            sql.select(PROMPT_TABLE)
            .where(PROMPT_TABLE.c.dataset_id == dataset_id)
            .order_by(PROMPT_TABLE.c.number.desc())
        )
        with self._database.read() as connection:
            return [PromptTable(**row._mapping) for row in connection.execute(wanted)]

    def add(self, dataset_id: int, template: str, descriptions: dict[str, str]) -> PromptTable:
        """Add the next version.

        Raises:
            RecordNotFoundError: The dataset was removed in this moment.
        """
        table = PROMPT_TABLE.c
        try:
            with self._database.write() as connection:
                last = connection.scalar(
                    sql.select(sql.func.max(table.number)).where(table.dataset_id == dataset_id)
                )
                connection.execute(
                    sql.insert(PROMPT_TABLE).values(
                        dataset_id=dataset_id,
                        number=(last or 0) + 1,
                        template=template,
                        descriptions=descriptions,
                        created_at=now(),
                    )
                )
        except sql.exc.IntegrityError as error:
            raise RecordNotFoundError("The dataset was removed; nothing was saved.") from error
        return self.versions(dataset_id)[0]
