"""Feature sets: what an extractor made of a body of images, kept by content."""

import sqlalchemy as sql

from cad_studio.core.errors import RecordNotFoundError
from cad_studio.core.records import FeatureSet
from cad_studio.store.database import Database, now
from cad_studio.store.tables import FEATURE_SET


class Features:
    """The feature sets of one project; datasets with the same images share them."""

    def __init__(self, database: Database) -> None:
        """Read and write through `database`."""
        self._database = database

    def find(self, source_hash: str, key: str) -> FeatureSet | None:
        """The set of this content by this extractor, if it was made before."""
        with self._database.read() as connection:
            row = connection.execute(
                sql.select(FEATURE_SET).where(
                    FEATURE_SET.c.source_hash == source_hash, FEATURE_SET.c.key == key
                )
            ).first()
        return None if row is None else FeatureSet(**row._mapping)

    def get(self, feature_set_id: int) -> FeatureSet:
        """One feature set.

        Raises:
            RecordNotFoundError: There is none of this id.
        """
        with self._database.read() as connection:
            row = connection.execute(
                sql.select(FEATURE_SET).where(FEATURE_SET.c.id == feature_set_id)
            ).first()
        if row is None:
            raise RecordNotFoundError(f"Feature set {feature_set_id} is not in this project.")
        return FeatureSet(**row._mapping)

    def of(self, source_hash: str) -> list[FeatureSet]:
        """All feature sets of this content, oldest first."""

        def read() -> list[FeatureSet]:
            with self._database.read() as connection:
                rows = connection.execute(
                    sql.select(FEATURE_SET)
                    .where(FEATURE_SET.c.source_hash == source_hash)
                    .order_by(FEATURE_SET.c.id)
                )
                return [FeatureSet(**row._mapping) for row in rows]

        return list(self._database.remembered(("features of", source_hash), read))

    def add(
        self,
        source_hash: str,
        spec: str,
        key: str,
        description: str,
        file: str,
        n_dims: int,
        seconds: float,
    ) -> FeatureSet:
        """Add a set, or return the one another process added meanwhile."""
        try:
            with self._database.write() as connection:
                connection.execute(
                    sql.insert(FEATURE_SET).values(
                        source_hash=source_hash,
                        spec=spec,
                        key=key,
                        description=description,
                        file=file,
                        n_dims=n_dims,
                        seconds=seconds,
                        created_at=now(),
                    )
                )
        except sql.exc.IntegrityError:
            pass
        found = self.find(source_hash, key)
        assert found is not None
        return found

    def renew(self, feature_set_id: int, file: str, seconds: float) -> FeatureSet:
        """Give a set the file that its numbers were saved in again; its old one was damaged."""
        with self._database.write() as connection:
            connection.execute(
                sql.update(FEATURE_SET)
                .where(FEATURE_SET.c.id == feature_set_id)
                .values(file=file, seconds=seconds)
            )
        return self.get(feature_set_id)
