"""Everything a user can do, built once per process and passed down."""

import logging
import os
from pathlib import Path

from cad_studio.cluster.choosing import workers_at
from cad_studio.config import AppConfig, cluster_of
from cad_studio.jobs._base import Runner
from cad_studio.jobs.local import LocalRunner
from cad_studio.jobs.queue import JobQueue
from cad_studio.services.access import Access, Login
from cad_studio.services.annotation.annotated_sets import AnnotatedSets
from cad_studio.services.annotation.annotation import AnnotationService
from cad_studio.services.annotation.annotators import AnnotatorService
from cad_studio.services.annotation.beliefs import BeliefService
from cad_studio.services.annotation.blindness import Blindness
from cad_studio.services.annotation.cards import CardService
from cad_studio.services.annotation.consensus import ConsensusService
from cad_studio.services.annotation.corrections import CorrectionService
from cad_studio.services.annotation.history import AnnotationHistory
from cad_studio.services.annotation.live import LiveService
from cad_studio.services.annotation.queues import QueueService
from cad_studio.services.annotation.simulation import SimulationService
from cad_studio.services.annotation.suggestions import SuggestionService
from cad_studio.services.annotation.trial import TrialService
from cad_studio.services.copying import CopyService
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.datasets.exporting import ExportService
from cad_studio.services.datasets.importing import ImportService
from cad_studio.services.datasets.pictures import PictureService
from cad_studio.services.datasets.publishing import PublishingService
from cad_studio.services.datasets.sample import SampleService
from cad_studio.services.datasets.search import SearchService
from cad_studio.services.datasets.splitting import SplitService
from cad_studio.services.datasets.synthesis import SynthesisService
from cad_studio.services.datasets.vote_sets import VoteSetService
from cad_studio.services.datasets.zero_shot import ZeroShotService
from cad_studio.services.diagnosis.diagnosis import Diagnosis
from cad_studio.services.edits.augmentation import AugmentationService
from cad_studio.services.edits.editors import EditorService
from cad_studio.services.edits.judges import JudgeService
from cad_studio.services.edits.models import EditModelService
from cad_studio.services.edits.previews import PreviewService
from cad_studio.services.edits.prompts import PromptService
from cad_studio.services.edits.sets import EditSetService
from cad_studio.services.jobs import JobService
from cad_studio.services.loop import LoopService
from cad_studio.services.operations import KINDS
from cad_studio.services.pairs.hub_models import HubModelService
from cad_studio.services.pairs.mining import MiningService
from cad_studio.services.pairs.pairs import PairService
from cad_studio.services.pairs.run_features import RunFeatures
from cad_studio.services.training.run_groups import GroupService
from cad_studio.services.training.runs import RunService
from cad_studio.services.training.sample_runs import SampleRuns
from cad_studio.services.training.stored_views import StoredViewService
from cad_studio.services.training.together import TogetherService
from cad_studio.services.training.training import TrainingService
from cad_studio.services.training.travelling import TravelService
from cad_studio.services.verifying import VerifyService
from cad_studio.store.database import is_writable
from cad_studio.store.projects import Project

_LOG = logging.getLogger(__name__)


class Services:
    """The services over one project."""

    def __init__(
        self, config: AppConfig, runner: Runner | None = None, login: Login | None = None
    ) -> None:
        """Open the project of `config`; `runner` runs its jobs, this machine when left out.

        `login` says who may do what in a window; without one, everybody is an owner.

        Raises:
            ProjectError: The folder cannot be used.
        """
        self.config = config
        self.project = Project(config.project, config.read_only and not is_writable(config.project))
        self.queue = JobQueue(
            self.project.jobs,
            runner or LocalRunner(self.project),
            [name for name, kind in KINDS.items() if kind.is_resumable],
        )
        self.workers = workers_at(config.cluster)
        self.login = login
        self.access = (
            Access(config.read_only)
            if login is None
            else Access(config.read_only, login.users, login.other_role)
        )
        self.blindness = Blindness(self.project, self.access)
        self.datasets = DatasetService(self.project, self.access)
        self.importing = ImportService(self.project, self.access)
        self.synthesis = SynthesisService(self.project, self.datasets)
        self.mining = MiningService(
            self.project, self.datasets, self.access,
            lambda name, spec: RunFeatures(self.diagnosis.predictions, name, spec), self.workers,
        )  # fmt: skip
        self.search = SearchService(self.project, self.datasets, self.mining, self.access)
        self.pairs = PairService(self.project, self.datasets, self.mining)
        self.jobs = JobService(
            self.queue, self.project.jobs, self.require_writable,
            {name: kind.title for name, kind in KINDS.items()},
            [name for name, kind in KINDS.items() if kind.is_of_the_house],
        )  # fmt: skip
        self.runs = RunService(self.project, self.access)
        self.sets = AnnotatedSets(self.project, self.datasets)
        self.annotators = AnnotatorService(self.project, self.datasets, self.sets, self.blindness)
        self.consensus = ConsensusService(
            self.project, self.datasets, self.annotators, self.blindness, self.mining
        )
        self.prompts = PromptService(self.project, self.datasets)
        self.zero_shot = ZeroShotService(
            self.datasets, self.mining, self.search, self.prompts, self.sets, self.access
        )
        self.hub_models = HubModelService(self.access)
        self.editors = EditorService(self.project, self.datasets, self.prompts, self.access)
        self.judges = JudgeService(self.project, self.datasets, self.runs)
        self.edit_sets = EditSetService(self.project, self.datasets, self.editors)
        self.edit_models = EditModelService(
            self.project, self.datasets, self.mining, self.judges, self.jobs, self.sets
        )
        self.augmentation = AugmentationService(
            self.project, self.datasets, self.mining, self.editors, self.judges, self.edit_sets,
            self.jobs, self.workers,
        )  # fmt: skip
        self.previews = PreviewService(self.datasets, self.editors, self.judges, self.edit_sets)
        stored_views = StoredViewService(self.project, self.edit_sets, self.judges)
        self.training = TrainingService(
            self.project, self.datasets, self.mining, self.runs, self.jobs, stored_views, self.sets,
            self.consensus, self.access,
        )  # fmt: skip
        self.travel = TravelService(
            self.project, self.datasets, self.mining, self.training, self.runs, self.jobs,
            self.sets, self.access,
        )  # fmt: skip
        self.together = TogetherService(
            self.project, self.training, self.travel, self.workers, cluster_of(os.environ)
        )
        self.groups = GroupService(
            self.project, self.runs, self.training, self.travel, self.jobs, self.workers
        )
        self.publishing = PublishingService(self.runs, self.access)
        self.annotation = AnnotationService(self.project, self.datasets, self.sets, self.access)
        self.history = AnnotationHistory(
            self.project, self.datasets, self.sets, self.annotation, self.access, self.blindness
        )
        self.beliefs = BeliefService(self.project, self.datasets, self.mining, self.sets)
        self.queues = QueueService(
            self.project, self.datasets, self.sets, self.beliefs, self.annotators, self.consensus,
            self.mining, self.access,
        )  # fmt: skip
        self.live = LiveService(self.datasets, self.beliefs, self.blindness)
        self.splitting = SplitService(self.project, self.datasets, self.annotation, self.access)
        self.vote_sets = VoteSetService(self.project, self.datasets, self.sets, self.access)
        self.corrections = CorrectionService(self.datasets, self.sets, self.annotation, self.access)
        self.exporting = ExportService(
            self.project, self.datasets, self.sets, self.history, self.annotators, self.access
        )
        self.cards = CardService(
            self.project, self.datasets, self.sets, self.beliefs, self.access, self.blindness
        )
        self.simulation = SimulationService(
            self.project.folder, _open_copy, self.datasets, self.sets, self.beliefs
        )
        self.trial = TrialService(
            self.datasets, self.sets, self.beliefs, self.cards, self.simulation, self.blindness,
            self.access,
        )  # fmt: skip
        self.pictures = PictureService(self.datasets)
        self.diagnosis = Diagnosis(
            self.project, self.datasets, self.mining, self.runs, self.jobs, self.pictures,
            self.access, self.workers,
        )  # fmt: skip
        self.loop = LoopService(
            self.project, self.datasets, self.sets, self.mining, self.pairs, self.runs,
            self.training, self.diagnosis, self.jobs,
        )  # fmt: skip
        self.suggestions = SuggestionService(
            self.project,
            self.datasets,
            self.sets,
            self.beliefs,
            self.diagnosis.predictions,
            self.blindness,
        )
        self.copying = CopyService(self.project)
        self.verifying = VerifyService(self.project, self.history, self.jobs)
        bundled = SampleRuns(self.project, self.datasets, self.travel, self.diagnosis.predictions)
        self.sample = SampleService(self.importing, self.datasets, self.mining, bundled)

    def require_writable(self) -> None:
        """Refuse a change to those who may not make it: all but annotation is an owner's.

        Raises:
            ReadOnlyError: The studio is only to be looked at.
            NotAllowedError: The one who asks is no owner.
        """
        self.access.require("owner")

    def close(self) -> None:
        """Let go of the project."""
        self.workers.close()
        self.copying.close()
        self.project.close()


def _open_copy(folder: Path) -> Services:
    return Services(AppConfig(folder))
