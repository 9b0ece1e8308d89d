"""Everything a user can do, built once per process and passed down."""

import logging

from cad_studio.config import AppConfig
from cad_studio.core.errors import ReadOnlyError
from cad_studio.jobs._base import Runner
from cad_studio.jobs.local import LocalRunner
from cad_studio.jobs.queue import JobQueue
from cad_studio.services.augmentation import AugmentationService
from cad_studio.services.datasets import DatasetService
from cad_studio.services.diagnosis import Diagnosis
from cad_studio.services.edit_models import EditModelService
from cad_studio.services.edit_sets import EditSetService
from cad_studio.services.editors import EditorService
from cad_studio.services.exporting import ExportService
from cad_studio.services.importing import ImportService
from cad_studio.services.jobs import KINDS_WITH_CHECKPOINT, JobService
from cad_studio.services.judges import JudgeService
from cad_studio.services.mining import MiningService
from cad_studio.services.pairs import PairService
from cad_studio.services.pictures import PictureService
from cad_studio.services.previews import PreviewService
from cad_studio.services.prompts import PromptService
from cad_studio.services.publishing import PublishingService
from cad_studio.services.runs import RunService
from cad_studio.services.sample import SampleService
from cad_studio.services.stored_views import StoredViewService
from cad_studio.services.synthesis import SynthesisService
from cad_studio.services.training import TrainingService
from cad_studio.store.projects import Project

_LOG = logging.getLogger(__name__)


class Services:
    """The services over one project."""

    def __init__(self, config: AppConfig, runner: Runner | None = None) -> None:
        """Open the project of `config`; `runner` runs its jobs, this machine when left out.

        Raises:
            ProjectError: The folder cannot be used.
        """
        self.config = config
        self.project = Project(config.project)
        self.queue = JobQueue(
            self.project.jobs, runner or LocalRunner(self.project), KINDS_WITH_CHECKPOINT
        )
        self.datasets = DatasetService(self.project)
        self.importing = ImportService(self.project)
        self.exporting = ExportService(self.project, self.datasets)
        self.synthesis = SynthesisService(self.project, self.datasets)
        self.mining = MiningService(self.project, self.datasets)
        self.pairs = PairService(self.project, self.datasets, self.mining)
        self.jobs = JobService(self.queue, self.project.jobs, self.require_writable)
        self.runs = RunService(self.project)
        self.prompts = PromptService(self.project, self.datasets)
        self.editors = EditorService(self.project, self.datasets, self.prompts)
        self.judges = JudgeService(self.project, self.datasets, self.runs)
        self.edit_sets = EditSetService(self.project, self.datasets, self.editors)
        self.edit_models = EditModelService(
            self.project, self.datasets, self.mining, self.judges, self.jobs
        )
        self.augmentation = AugmentationService(
            self.project, self.datasets, self.mining, self.editors, self.judges, self.edit_sets,
            self.jobs,
        )  # fmt: skip
        self.previews = PreviewService(self.datasets, self.editors, self.judges, self.edit_sets)
        stored_views = StoredViewService(self.project, self.edit_sets, self.judges)
        self.training = TrainingService(
            self.project, self.datasets, self.mining, self.runs, self.jobs, stored_views
        )
        self.publishing = PublishingService(self.runs)
        self.pictures = PictureService(self.datasets)
        self.diagnosis = Diagnosis(
            self.project, self.datasets, self.mining, self.runs, self.jobs, self.pictures
        )
        self.sample = SampleService(self.importing, self.datasets, self.mining)

    def require_writable(self) -> None:
        """Refuse a change where the studio is only to be looked at.

        Raises:
            ReadOnlyError: It is.
        """
        if self.config.read_only:
            raise ReadOnlyError(
                "This studio is read-only. Run your own copy to import, search or train, "
                "or set CAD_READONLY=0 where it runs."
            )

    def close(self) -> None:
        """Let go of the project."""
        self.project.close()
