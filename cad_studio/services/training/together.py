"""One run that is trained by this process and by workers of a cluster, step by step together."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

from cad_studio.core.errors import ResourceError, SettingError, is_out_of_memory
from cad_studio.core.progress import Part, Progress
from cad_studio.core.workers import Beside, Task, WorkerLostError, Workers
from cad_studio.services.training.training import TrainingRequest, TrainingService
from cad_studio.services.training.travelling import TravelService
from cad_studio.store.projects import Project

if TYPE_CHECKING:
    from cad_studio.training.processes import Seat

_LOG = logging.getLogger(__name__)
_MOST_TRIES = 3
_SECONDS_TO_HEAR = 30.0
"""How long it takes at most until Ray says that a worker was lost, once its connection is."""
_PACKING = 0.02
_LEAST_SHARE = 2


class TogetherService:
    """Trains a run of one project on the nodes of a cluster.

    This process is one of those that train, and the only one that writes. The others get the run
    as `run pack` packs it, true labels with it.
    """

    def __init__(
        self,
        project: Project,
        training: TrainingService,
        travel: TravelService,
        workers: Workers,
        cluster: str = "",
    ) -> None:
        """Train by `training` here and by `workers` elsewhere; jobs work on `cluster`."""
        self._cluster = cluster
        self._project = project
        self._training = training
        self._travel = travel
        self._workers = workers

    @property
    def has_cluster(self) -> bool:
        """Whether jobs of the window work on a cluster of more than this machine."""
        return self._cluster not in {"", "local"}

    def submit(self, request: TrainingRequest) -> dict[str, int]:
        """Train in the background, on all nodes of the cluster.

        Returns:
            `run` and `job`, their numbers.

        Raises:
            SettingError: There is no cluster of several machines; or as `TrainingService.submit`.
        """
        if not self.has_cluster:
            raise SettingError(
                "There is no cluster to train on: the studio was started without the address of "
                "one in CAD_CLUSTER."
            )
        return self._training.submit(request, together=True)

    def train(self, run_id: int, progress: Progress) -> dict[str, Any]:
        """Train a run to its end, or go on with it where its last checkpoint is.

        When a worker is lost, the run goes on from its last checkpoint with those that are left.

        Returns:
            As `TrainingService.train`.

        Raises:
            ResourceError: Three times a worker was lost.
            JobCancelled: The user asked to stop; a checkpoint was saved.
            CadStudioError: It cannot be trained, with the reason.
        """
        if self._project.runs.get(run_id).finished_at is not None:
            return self._training.train(run_id, progress)
        for n_lost in range(_MOST_TRIES):
            try:
                found = self._tried(run_id, progress)
            except WorkerLostError as error:
                lost = error
                _LOG.warning("%s The run goes on from its last checkpoint.", error)
                continue
            how_often = ("", "once", "twice")[n_lost]
            note = f"A worker was lost {how_often}; the run went on from its last checkpoint."
            return {**found, "notes": [*found["notes"], *([note] if n_lost else [])]}
        raise ResourceError(
            f"{_MOST_TRIES} times a worker was lost while the run was trained. Resume the job; it "
            "goes on from its last checkpoint."
        ) from lost

    def _tried(self, run_id: int, progress: Progress) -> dict[str, Any]:
        def packed() -> "_Companion":
            return _Companion(self._packed(run_id, Part(progress, 0.0, _PACKING)))

        def tick() -> None:
            progress.report(_PACKING, "Waiting for the other nodes")

        config = self._project.runs.get(run_id).config
        with self._workers.beside(packed, config["device"] != "cpu", tick) as others:
            count = _most_that_share(config["batch_size"], others.count + 1)
            if count < others.count + 1:
                _LOG.info(
                    "%d of %d processes train: the others cannot have equal parts of a batch of %d",
                    count, others.count + 1, config["batch_size"],
                )  # fmt: skip
            if count == 1:
                return self._training.train(run_id, progress)
            return self._shared(run_id, others, count, Part(progress, _PACKING, 1.0))

    def _shared(
        self, run_id: int, others: Beside, count: int, progress: Progress
    ) -> dict[str, Any]:
        """Train with some workers that are ready.

        Raises:
            WorkerLostError: One was lost.
        """
        from cad_studio.training.processes import Seat, has_device, meeting_point, seated

        if others.on_devices and not has_device():
            raise SettingError(
                "The other nodes have graphics devices and this machine has none, but takes its "
                "part in every step. Take the run there: python -m cad_studio run pack; or train "
                "on processors alone: --set device=cpu."
            )
        point = meeting_point()
        seats = [
            Seat(rank, count, others.host, point.port, others.on_devices) for rank in range(count)
        ]
        others.begin(seats[1:])
        try:
            with seated(seats[0], point) as processes:
                return self._training.train(run_id, progress, processes)
        except RuntimeError as error:  # as torch tells of a connection that is gone
            problem = None if is_out_of_memory(error) else others.problem(_SECONDS_TO_HEAR)
            if problem is None:
                raise
            raise problem from error

    def _packed(self, run_id: int, progress: Progress) -> bytes:
        with TemporaryDirectory(prefix="cad-pack-") as folder:
            file = Path(folder, "run.run.zip")
            self._travel.pack_for_cluster(run_id, file, progress)
            return file.read_bytes()


@dataclass(frozen=True)
class _Companion(Task["Seat", None]):
    """Trains a packed run together with the process that has the project.

    Attributes:
        packed: The run with all it needs.
    """

    packed: bytes
    on_device: ClassVar[bool] = True

    def prepare(self) -> "Callable[[Seat], None]":
        """As `Task.prepare`; the run is unpacked before the others are met."""
        from cad_studio.elsewhere import Told, train
        from cad_studio.training.processes import seated

        folder = TemporaryDirectory(prefix="cad-run-")
        file = Path(folder.name, "run.run.zip")
        file.write_bytes(self.packed)

        def work(seat: "Seat") -> None:
            with folder, seated(seat) as processes:
                train(file, Path(folder.name, "out"), {}, Told(is_json=True), processes)

        return work


def _most_that_share(batch_size: int, most: int) -> int:
    """How many processes can have equal parts of a batch, two samples or more each."""
    fitting = (
        count
        for count in range(most, 1, -1)
        if batch_size % count == 0 and batch_size // count >= _LEAST_SHARE
    )
    return next(fitting, 1)
