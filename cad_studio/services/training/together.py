"""One run that is trained by this process and by workers of a cluster, step by step together."""

import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

from cad_studio.core.errors import ResourceError
from cad_studio.core.progress import Progress
from cad_studio.core.workers import Task, WorkerLostError, Workers
from cad_studio.services.training.training import TrainingService
from cad_studio.services.training.travelling import TravelService

if TYPE_CHECKING:
    from cad_studio.training.processes import Seat

_LOG = logging.getLogger(__name__)
_MOST_TRIES = 3
_SECONDS_TO_HEAR = 30.0
"""How long it takes at most until Ray says that a worker was lost, once its connection is."""


class TogetherService:
    """Trains a run of one project on all nodes of a cluster.

    This process is one of those that train, and the only one that writes. The others get the run
    as `run pack` packs it, true labels with it, into their own memory.
    """

    def __init__(self, training: TrainingService, travel: TravelService, workers: Workers) -> None:
        """Train by `training` here and by `workers` elsewhere."""
        self._training = training
        self._travel = travel
        self._workers = workers

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
        progress.report(0.0, "Packing the run for the other nodes")
        task = _Companion(self._packed(run_id))
        for n_lost in range(_MOST_TRIES):
            found, lost = self._tried(run_id, task, progress)
            if found is not None:
                notes = [f"{n_lost} times a worker was lost; the run went on."] if n_lost else []
                return {**found, "notes": [*found["notes"], *notes]}
            _LOG.warning("%s The run goes on from its last checkpoint.", lost)
        raise ResourceError(
            f"{_MOST_TRIES} times a worker was lost while the run was trained. Resume the job; it "
            "goes on from its last checkpoint."
        ) from lost

    def _tried(
        self, run_id: int, task: "_Companion", progress: Progress
    ) -> tuple[dict[str, Any] | None, WorkerLostError | None]:
        """The result, or why a worker was lost."""
        from cad_studio.training.processes import Seat, seated

        def tick() -> None:
            progress.report(0.0, "Waiting for the other nodes")

        with self._workers.beside(task, tick) as others:
            if not others.count:
                _LOG.info("no other node is there; the run is trained by this process alone")
                return self._training.train(run_id, progress), None
            count, port = others.count + 1, _free_port()
            seats = [
                Seat(rank, count, others.host, port, others.on_devices) for rank in range(count)
            ]
            others.begin(seats[1:])
            try:
                with seated(seats[0]) as processes:
                    return self._training.train(run_id, progress, processes), None
            except RuntimeError as error:  # as torch tells of a connection that is gone
                problem = others.problem(_SECONDS_TO_HEAR)
                if problem is None:
                    raise
                if not isinstance(problem, WorkerLostError):
                    raise problem from error
                return None, problem

    def _packed(self, run_id: int) -> bytes:
        with TemporaryDirectory(prefix="cad-pack-") as folder:
            file = Path(folder, "run.run.zip")
            self._travel.pack_for_cluster(run_id, file)
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
        """As `Task.prepare`."""
        from cad_studio.elsewhere import Told, train
        from cad_studio.training.processes import seated

        def work(seat: "Seat") -> None:
            with TemporaryDirectory(prefix="cad-run-") as folder:
                file = Path(folder, "run.run.zip")
                file.write_bytes(self.packed)
                with seated(seat) as processes:
                    train(file, Path(folder, "out"), {}, Told(is_json=True), processes)

        return work


def _free_port() -> int:
    with socket.create_server(("", 0)) as server:
        return int(server.getsockname()[1])
