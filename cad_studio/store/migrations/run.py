"""Run the migrations on an open connection, inside its transaction."""

from pathlib import Path

import sqlalchemy as sql
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory


def known_revisions() -> list[str]:
    """Every revision this version of the studio can read, oldest first."""
    return [script.revision for script in reversed(list(_scripts().walk_revisions()))]


def upgrade(connection: sql.Connection) -> None:
    """Bring the tables to the newest revision; the caller owns the transaction."""
    scripts = _scripts()

    def steps(revision, _context: MigrationContext):  # type: ignore[no-untyped-def]
        return scripts._upgrade_revs("head", revision)  # noqa: SLF001  as Alembic's own command

    environment = EnvironmentContext(_config(), scripts, fn=steps, destination_rev="head")
    environment.configure(connection=connection, target_metadata=None, transactional_ddl=False)
    environment.run_migrations()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
