"""Everything a user can do, built once per process and passed down."""

import logging
from functools import partial

from cad_studio.config import AppConfig
from cad_studio.core.errors import ReadOnlyError
from cad_studio.jobs.local import start_worker
from cad_studio.jobs.queue import JobQueue
from cad_studio.services.datasets import DatasetService
from cad_studio.services.exporting import ExportService
from cad_studio.services.importing import ImportService
from cad_studio.services.jobs import JobService
from cad_studio.services.mining import MiningService
from cad_studio.services.pairs import PairService
from cad_studio.services.pictures import PictureService
from cad_studio.services.sample import SampleService
from cad_studio.services.synthesis import SynthesisService
from cad_studio.store.projects import Project

_LOG = logging.getLogger(__name__)


class Services:
    """The services over one project."""

    def __init__(self, config: AppConfig) -> None:
        """Open the project of `config`.

        Raises:
            ProjectError: The folder cannot be used.
        """
        self.config = config
        self.project = Project(config.project)
        log_file = self.project.folder / "logs" / "worker.txt"
        self.queue = JobQueue(self.project.jobs, partial(start_worker, config.project, log_file))
        self.datasets = DatasetService(self.project)
        self.importing = ImportService(self.project)
        self.exporting = ExportService(self.project, self.datasets)
        self.synthesis = SynthesisService(self.project, self.datasets)
        self.mining = MiningService(self.project, self.datasets)
        self.pairs = PairService(self.project, self.datasets, self.mining)
        self.pictures = PictureService(self.datasets)
        self.sample = SampleService(self.importing, self.datasets, self.mining)
        self.jobs = JobService(self.queue, self.project.jobs, self.require_writable)

    def require_writable(self) -> None:
        """Refuse a change where the studio is only to be looked at.

        Raises:
            ReadOnlyError: It is.
        """
        if self.config.read_only:
            raise ReadOnlyError(
                "This studio is read-only. Run your own copy to import data or find pairs, "
                "or set CAD_READONLY=0 where it runs."
            )

    def close(self) -> None:
        """Let go of the project."""
        self.project.close()
