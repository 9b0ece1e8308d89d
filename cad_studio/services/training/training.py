"""Train networks on partial labels, ask them, and hand them on."""

import logging
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.errors import CadStudioError, SettingError
from cad_studio.core.figures import RUN_FIGURES
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Part, Progress
from cad_studio.core.records import FeatureSet, Run
from cad_studio.core.settings import settings_from_json, settings_to_json
from cad_studio.services.access import Access
from cad_studio.services.annotation.annotated_sets import AnnotatedSets
from cad_studio.services.annotation.consensus import STARTS as CONSENSUS
from cad_studio.services.annotation.consensus import ConsensusService
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.services.datasets.publishing import check_repository
from cad_studio.services.jobs import JobService
from cad_studio.services.pairs.mining import MiningService
from cad_studio.services.training.choices import (
    DEFAULT_METHOD,
    check_backbone,
    offers,
    why_not,
)
from cad_studio.services.training.inputs import (
    HEADS,
    RunInputs,
    default_backbone,
    extractor_of,
    open_run,
    rows_of_split,
)
from cad_studio.services.training.presets import head_loop, head_settings
from cad_studio.services.training.runs import RunService, name_of
from cad_studio.services.training.stored_views import StoredViewService
from cad_studio.store.database import now
from cad_studio.store.projects import Project
from cad_studio.training.settings import TrainConfig
from cad_studio.views.training import TrainingOffersView

if TYPE_CHECKING:
    from cad_studio.training.plan import Plan
    from cad_studio.training.processes import Processes
    from cad_studio.training.report import EpochReport

_LOG = logging.getLogger(__name__)
_READING = 0.05


@dataclass(frozen=True)
class TrainingRequest:
    """A run, as a user asks for it.

    Attributes:
        dataset: Name in the project.
        method: A registered method.
        backbone: Spec of the network; empty for the one that suits the data.
        features: Extractor of the neighbour graph and the entangled pairs; empty for the plainest.
        config: Fields of `TrainConfig` that differ from their defaults.
        settings: Fields of the method's settings that differ from theirs.
        name: What to call it; empty for method and number.
    """

    dataset: str
    method: str = DEFAULT_METHOD
    backbone: str = ""
    features: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    name: str = ""


class TrainingService:
    """Training in one project."""

    def __init__(
        self,
        project: Project,
        datasets: DatasetService,
        mining: MiningService,
        runs: RunService,
        jobs: JobService,
        stored_views: StoredViewService,
        sets: AnnotatedSets,
        consensus: ConsensusService,
        access: Access,
    ) -> None:
        """Store into `project`; read datasets, features, runs and edits through their services.

        `jobs` trains in the background; `sets` brings in what was annotated until then;
        `consensus` is what runs can start from; `access` says who may name a network elsewhere.
        """
        self._project = project
        self._datasets = datasets
        self._mining = mining
        self._runs = runs
        self._jobs = jobs
        self._stored_views = stored_views
        self._sets = sets
        self._consensus = consensus
        self._access = access
        self._processes: Processes | None = None

    def offers(self, name: str) -> TrainingOffersView:
        """What a form needs to know to ask for a run on a dataset; see `choices.offers`."""
        stored = [found.spec for found in self._mining.feature_sets(name)]
        return offers(self._datasets.load(name), self._mining.offered(name), stored)

    def create(self, request: TrainingRequest) -> Run:
        """Write down a run on the current version of a dataset, ready to be trained.

        Raises:
            RecordNotFoundError: There is no such dataset.
            SettingError: A setting is out of range, or the method cannot learn from the dataset.
        """
        self._sets.settle(request.dataset)
        self._datasets.load(request.dataset).require_whole()
        return self._project.runs.add(self._checked(request))

    def notes(self, request: TrainingRequest) -> list[str]:
        """What should be known of a run before it starts, sentences; mostly none.

        Raises:
            SettingError: A setting is out of range.
        """
        config = settings_from_json(TrainConfig, request.config)
        if config.epochs_in_force():
            return []
        name = "uniform_epochs" if config.start == "uniform" else "start_epochs and refresh_epochs"
        return [
            f"The method's own confidence will be in force in none of the {config.epochs} epochs: "
            f"the start is held throughout, so methods will hardly differ. Lower {name}, or give "
            "more epochs."
        ]

    def submit(self, request: TrainingRequest, together: bool = False) -> dict[str, int]:
        """Train in the background.

        Args:
            request: The run.
            together: On all nodes of the cluster; see `TogetherService.submit`.

        Returns:
            `run` and `job`, their numbers.

        Raises:
            ReadOnlyError: Nothing may be changed here.
            RecordNotFoundError, SettingError: As `create`, or too many jobs wait.
        """
        run = self.create(request)
        about = {"run": name_of(run), "dataset": request.dataset}
        try:
            arguments = {"run": run.id, **({"together": True} if together else {})}
            job = self._jobs.submit("train", arguments, **about)
        except CadStudioError:
            self._project.runs.delete([run.id])
            raise
        self.attach(run.id, job.id)
        return {"run": run.id, "job": job.id}

    def submit_estimate(self, request: TrainingRequest) -> dict[str, int]:
        """Measure in the background how long a run will take; the job's result is the estimate.

        Returns:
            `job`, its number.
        """
        self._checked(request)
        return {"job": self._jobs.submit("estimate", asdict(request)).id}

    def submit_push(self, run_id: int, repository: str, private: bool) -> dict[str, int]:
        """Upload a run's model to the Hugging Face Hub in the background.

        Returns:
            `job`, its number.
        """
        check_repository(repository)
        self._runs.model_path(run_id)
        arguments = {"run": run_id, "repository": repository, "private": private}
        return {"job": self._jobs.submit("push", arguments).id}

    def attach(self, run_id: int, job_id: int) -> None:
        """Say which job trains a run."""
        self._project.runs.change(run_id, job_id=job_id)

    def share(self, processes: "Processes") -> None:
        """Train from now on together with other processes, each of which calls the same."""
        self._processes = processes

    def train(
        self, run_id: int, progress: Progress, others: "Processes | None" = None
    ) -> dict[str, Any]:
        """Train a run to its end, or go on with it where its last checkpoint is.

        Of several processes the main one alone writes into the project.

        Args:
            run_id: The run.
            progress: Told how far it is.
            others: Processes without the project that only train with this one.

        Returns:
            As `result`, and `notes`: what the user should know.

        Raises:
            JobCancelled: The user asked to stop; a checkpoint was saved.
            CadStudioError: It cannot be trained, with the reason.
        """
        from cad_studio.training.environment import describe_environment
        from cad_studio.training.processes import ALONE
        from cad_studio.training.trainer import Trainer

        processes = self._processes or ALONE
        runs, run = self._project.runs, self._project.runs.get(run_id)
        inputs = self.inputs(run, Part(progress, 0.0, _READING))
        where = {
            **runs.get(run_id).environment, **describe_environment(),
            "left_out": inputs.left_out, "processes": (others or processes).count,
            **({"class_views": inputs.words} if inputs.words else {}),
        }  # fmt: skip
        if inputs.words:
            _LOG.info("%s", inputs.words)
        processes.in_main(lambda: runs.change(run_id, environment=where, finished_at=None))
        folder = self._project.run_folder(run_id)
        together = others or processes
        trainer = Trainer(inputs.data, self.plan(run), folder, inputs.outside, together)

        def on_epoch(report: "EpochReport", is_best: bool) -> None:
            runs.save_report(run_id, report.plain(), is_best)

        fitted = trainer.fit(Part(progress, _READING, 1.0), on_epoch)
        ending = {"finished_at": now(), "best_epoch": fitted.best.epoch}
        processes.in_main(lambda: runs.change(run_id, **ending))
        notes = [f"Checkpoint {name} was damaged and passed over." for name in fitted.damaged]
        notes += [*fitted.words, *([inputs.words] if inputs.words else [])]
        ending = {"environment": {**where, "words": fitted.words}}
        processes.in_main(lambda: runs.change(run_id, **ending))
        return {**self.result(run_id), "notes": notes}

    def inputs(self, run: Run, progress: Progress) -> RunInputs:
        """What a run that starts learns from; the first time it fixes the edits it takes."""
        from cad_studio.training.processes import ALONE

        processes = self._processes or ALONE
        # The first to open it computes what is missing; the others find it.
        processes.in_main(lambda: self._extract(run, progress))
        choice = processes.in_main(lambda: self._stored_views.fixed(run))
        return self._stored_views.added(choice, self._open(run, Part(progress, 1.0, 1.0)))

    def plan(self, run: Run) -> "Plan":
        """What a run trains and how."""
        from cad_studio.algorithms._base import ALGORITHMS
        from cad_studio.training.plan import Plan

        try:
            config = settings_from_json(TrainConfig, run.config)
            settings = settings_from_json(ALGORITHMS.get(run.method).config_type, run.settings)
        except SettingError as error:
            raise SettingError(
                f"{name_of(run)} was made by an earlier version of the studio and cannot be "
                f"resumed: {error} Start a new run; this one's figures and model stay."
            ) from error
        return Plan(run.method, run.backbone, config, settings)

    def result(self, run_id: int) -> dict[str, Any]:
        """The figures of a run's model, and what they rest on; oracle figures among them.

        Returns:
            `run`, `name`, `method`, `backbone`, `dataset`, `data_version`, `epochs`,
            `best_epoch`, `epochs_in_force`, `samples_per_second`, `seconds`, and the figures of
            `core.figures.RUN_FIGURES`.
        """
        row = self._runs.get(run_id)
        taken = (
            "name", "method", "backbone", "dataset", "data_version", "epochs_in_force",
            "samples_per_second", "seconds", *(figure.key for figure in RUN_FIGURES),
        )  # fmt: skip
        best = row["best"]
        return {
            "run": run_id,
            **{key: row[key] for key in taken},
            "epochs": row["epochs_done"],
            "best_epoch": None if best is None else best["epoch"],
        }

    def evaluate(self, run_id: int, split: str | None, progress: Progress) -> dict[str, Any]:
        """Ask a run's model again, on the samples of any split.

        Args:
            run_id: A run with a model.
            split: Name of a split; None takes the one runs are judged by.
            progress: Told how far it is.

        Returns:
            `run`, `split`, `n`, the figures of `evaluation.FROM_SETS`, `mean_confidence` (of the
            model, in the likeliest candidate), `epochs_in_force` (of the run), and where true
            labels are known the figures that use them: `accuracy`, `entangled` (by share of the
            closest pairs, in per cent; only for the split runs are judged by) and
            `class_accuracy`.

        Raises:
            RecordNotFoundError: There is no model yet.
            SettingError: No such split.
        """
        from cad_studio.training import evaluation
        from cad_studio.training.prediction import predict

        run = self._project.runs.get(run_id)
        model = self._runs.model_path(run_id)
        inputs = self._open(run, Part(progress, 0.0, 0.5))
        rows = inputs.data.test_rows
        data = self._load(run)
        if split is not None:
            rows = rows_of_split(data, split)
        elif not len(rows):
            raise SettingError(
                f"{data.record.name} has no test split. Name one with --split, of: "
                f"{', '.join(data.record.split_names)}."
            )
        logits = predict(model, inputs.data, rows, Part(progress, 0.5, 1.0))
        candidates = inputs.data.candidates.dense(rows)
        found: dict[str, Any] = {
            "run": run_id,
            "name": name_of(run),
            "split": split or "test",
            "n": len(rows),
            **evaluation.of_sets(logits, candidates),
            "mean_confidence": evaluation.mean_confidence(logits, candidates),
            "epochs_in_force": self._runs.get(run_id)["epochs_in_force"],
            "accuracy": None,
            "class_accuracy": {},
            "entangled": {},
        }
        if data.truth is None:
            return found
        truth, predicted = np.asarray(data.truth), np.full(len(data), UNKNOWN)
        predicted[rows] = logits.argmax(axis=1)
        found["accuracy"] = evaluation.accuracy(predicted[rows], truth[rows])
        for label, class_name in enumerate(data.record.class_names):
            own = rows[truth[rows] == label]
            if len(own):
                found["class_accuracy"][class_name] = float((predicted[own] == label).mean())
        if split is None:
            found["entangled"] = {
                share: evaluation.pair_figures(predicted, truth, pairs)
                for share, pairs in inputs.data.pairs.items()
            }
        return found

    def estimate(self, request: TrainingRequest, progress: Progress) -> dict[str, Any]:
        """Measure on this machine how long a run will take; a few seconds, nothing is kept.

        Returns:
            `seconds_per_epoch`, `seconds`, `samples_per_second`, `memory_mb`, `source`.
        """
        from cad_studio.training.estimate import estimate

        run = Run(id=0, created_at=now(), finished_at=None, removed_at=None, note="",
                  job_id=None, best_epoch=None,
                  **{k: v for k, v in self._checked(request).items()
                     if k != "note"})  # fmt: skip
        choice = self._stored_views.choose(run)
        inputs = self._stored_views.added(choice, self._open(run, Part(progress, 0.0, 0.5)))
        progress.report(0.5, "Measuring a few steps")
        found = estimate(inputs.data, self.plan(run), inputs.outside)
        return {
            "seconds_per_epoch": found.seconds_per_epoch,
            "seconds": found.seconds,
            "samples_per_second": found.samples_per_second,
            "memory_mb": found.memory_mb,
            "source": "measured on this machine just now",
        }

    def known_estimate(self, request: TrainingRequest) -> dict[str, Any] | None:
        """The same from an earlier run of equal method, network, settings and batch size."""
        columns = self._checked(request)
        for row in self._runs.all(request.dataset):
            if row["method"] != columns["method"] or not row["epochs_done"]:
                continue
            run = self._project.runs.get(row["id"])
            same = ("backbone", "settings", "candidates")
            if any(getattr(run, key) != columns[key] for key in same) or any(
                run.config[key] != columns["config"][key]
                for key in ("batch_size", "device", "precision", "threads")
            ):
                continue
            per_epoch = row["seconds"] / row["epochs_done"]
            config = columns["config"]
            return {
                "seconds_per_epoch": per_epoch,
                "seconds": config["max_seconds"] or per_epoch * config["epochs"],
                "samples_per_second": row["samples_per_second"],
                "memory_mb": None,
                "source": f"as {row['name']} took",
            }
        return None

    def _checked(self, request: TrainingRequest) -> dict[str, Any]:
        """The columns of a run that can be trained."""
        from cad_studio.algorithms._base import ALGORITHMS
        from cad_studio.models._base import has_learned

        data = self._datasets.load(request.dataset)
        member = ALGORITHMS.get(request.method)
        backbone = request.backbone.strip() or default_backbone(data)
        if backbone in HEADS:
            backbone = f"{backbone}:{self._mining.best_features(request.dataset)}"
        if check_backbone(backbone, data).reaches_out:
            self._access.require_to_reach(backbone)
        if extractor_of(backbone):
            self._mining.check_spec(request.dataset, extractor_of(backbone))
            request = replace(request, config={**head_loop(len(data)), **request.config})
        if extractor_of(backbone) or data.pixels is None:
            settings = {**head_settings(member.config_type), **request.settings}
            request = replace(request, settings=settings)
        reason = why_not(
            member, data, settings_from_json(member.config_type, request.settings), backbone
        )
        if reason:
            raise SettingError(reason)
        offered = self._mining.offered(request.dataset)
        plain = extractor_of(backbone) or ("hog" if data.pixels is not None else "raw")
        features = self._mining.check_spec(request.dataset, request.features or plain)
        if data.pixels is None and features not in offered and features in ("hog", "pixels"):
            raise SettingError(f"{request.dataset} has no images; take the features raw.")
        config = settings_from_json(TrainConfig, request.config)
        config.check_heads(backbone, has_learned(backbone))
        settings = settings_from_json(member.config_type, request.settings)
        if config.start in CONSENSUS:
            self._consensus.require_votes(request.dataset, CONSENSUS[config.start])
        self._stored_views.check(request.method, data.record, settings_to_json(settings))
        return {
            "dataset_id": data.record.id,
            "version_hash": data.record.version.hash,
            "candidates": data.record.version.candidates,
            "name": " ".join(request.name.split()),
            "note": "",
            "method": request.method,
            "backbone": backbone,
            "features": features,
            "config": settings_to_json(config),
            "settings": settings_to_json(settings),
            "environment": {},
        }

    def _open(self, run: Run, progress: Progress) -> RunInputs:
        data = self._load(run)
        data.require_whole()
        found = self._extract(run, Part(progress, 0.0, 0.8))
        self._project.blobs.check([run.candidates, found.file])
        sets = self._project.blobs.load_array(run.candidates)
        return open_run(
            data,
            PartialLabels(sets, data.record.n_classes),
            self._mining.load_features(found),
            self._mining.vectors_of(data.record.name, run.backbone, Part(progress, 0.8, 0.8)),
            run.config["start"],
            run.config.get("class_balance"),
            Part(progress, 0.8, 1.0),
            self._consensus_of(run, data, progress),
        )

    def _consensus_of(
        self, run: Run, data: LoadedDataset, progress: Progress
    ) -> NDArray[np.float32] | None:
        """What a run starts from where that is the annotators' consensus, float32 (N, C)."""
        by = CONSENSUS.get(run.config["start"])
        if by is None:
            return None
        return self._consensus.for_run(
            data.record.name, run.version_hash, by, run.features, Part(progress, 0.8, 0.8)
        )

    def _extract(self, run: Run, progress: Progress) -> FeatureSet:
        name = self._load(run).record.name
        self._mining.vectors_of(name, run.backbone, Part(progress, 0.0, 0.5))
        return self._mining.extract(name, run.features, Part(progress, 0.5, 1.0))

    def _load(self, run: Run) -> LoadedDataset:
        return self._datasets.load_for_run(self._runs.dataset_of(run).name, run.version_hash)
