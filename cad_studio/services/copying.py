"""The daily copy of a project's database."""

import logging
import threading

from cad_studio.core.errors import CadStudioError
from cad_studio.store.projects import Project

_LOG = logging.getLogger(__name__)
_SECONDS_TO_FIRST_LOOK = 60.0  # the first pages come before
_SECONDS_BETWEEN_LOOKS = 3600.0


class CopyService:
    """Copies the database of one project, once a day at most."""

    def __init__(self, project: Project) -> None:
        """Copy into the folder `backups` of `project`."""
        self._project = project
        self._ended = threading.Event()

    def copy_if_due(self) -> None:
        """Copy now unless that was done within a day; trouble is logged, and nothing is lost."""
        try:
            self._project.copy_if_due()
        except (CadStudioError, OSError) as error:
            _LOG.error("The database was not copied. %s", error)

    def keep_copying(self) -> None:
        """See to it for as long as this process runs, without holding up anything else."""
        threading.Thread(target=self._look, name="copy-database", daemon=True).start()

    def close(self) -> None:
        """Stop seeing to it."""
        self._ended.set()

    def _look(self) -> None:
        wait = _SECONDS_TO_FIRST_LOOK
        while not self._ended.wait(wait):
            self.copy_if_due()
            wait = _SECONDS_BETWEEN_LOOKS
