"""Workers of a Ray cluster that do one item each while the caller does its own part of the same."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from cad_studio.cluster.joining import Cluster, Node, on_node
from cad_studio.cluster.worker import Worker
from cad_studio.core.errors import CadStudioError, JobCancelled, ResourceError
from cad_studio.core.workers import Item, Result, Task, WorkerLostError

_SECONDS_TO_START = 300.0
_SECONDS_BETWEEN_TICKS = 0.25


class RayBeside:
    """As `core.workers.Beside`: one worker a graphics device, or a node, of the other nodes."""

    def __init__(
        self, cluster: Cluster, task: Task[Item, Result], tick: Callable[[], None]
    ) -> None:
        """Start them, and wait until all are ready.

        Raises:
            ResourceError: They are not within five minutes, or one is lost meanwhile.
            CadStudioError: One cannot do the task.
        """
        self._ray = cluster.ray
        own = self._ray.get_runtime_context().get_node_id()
        nodes = [node for node in cluster.fit_nodes(tick) if node.id != own]
        self.on_devices = task.on_device and any(node.n_gpus for node in nodes)
        self.host = str(self._ray.util.get_node_ip_address())
        self._workers: list[tuple[Any, Node]] = []
        self._at_work: dict[Any, Node] = {}
        try:
            self._start(nodes, task, tick)
        except BaseException:
            self.close()
            raise

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._workers)

    def begin(self, items: Sequence[Item]) -> None:
        """Give each of them its item."""
        for (actor, node), item in zip(self._workers, items, strict=True):
            self._at_work[actor.work.remote([item])] = node

    def problem(self, seconds: float) -> CadStudioError | None:
        """As `Beside.problem`."""
        until = time.monotonic() + seconds
        while self._at_work:
            left = max(0.0, until - time.monotonic())
            done, _ = self._ray.wait(list(self._at_work), timeout=left)
            if not done:
                return None
            for reference in done:
                node = self._at_work.pop(reference)
                try:
                    self._ray.get(reference)
                except self._ray.exceptions.RayError as error:
                    cause = getattr(error, "cause", None)
                    if isinstance(cause, CadStudioError):
                        return cause
                    if not isinstance(cause, JobCancelled):
                        return _lost(node, error)
        return None

    def close(self) -> None:
        """End them at once, whatever they do."""
        for actor, _ in self._workers:
            with suppress(self._ray.exceptions.RayError):  # it may be gone
                self._ray.kill(actor, no_restart=True)

    def _start(self, nodes: list[Node], task: Task[Any, Any], tick: Callable[[], None]) -> None:
        reference = self._ray.put(task)
        starting = {}
        for node in nodes:
            n_here = node.n_gpus if self.on_devices else min(node.n_cpus, 1)
            for _ in range(n_here):
                make = self._ray.remote(Worker).options(
                    num_cpus=max(1, node.n_cpus // n_here) if node.n_cpus else 0,
                    num_gpus=1 if self.on_devices else 0,
                    scheduling_strategy=on_node(node),
                    max_restarts=0,
                    max_task_retries=0,
                )
                actor = make.remote()
                self._workers.append((actor, node))
                starting[actor.prepare.remote(reference)] = node
        began = time.monotonic()
        while starting:
            done, _ = self._ray.wait(list(starting), timeout=_SECONDS_BETWEEN_TICKS)
            for each in done:
                node = starting.pop(each)
                try:
                    self._ray.get(each)
                except self._ray.exceptions.RayError as error:
                    cause = getattr(error, "cause", None)
                    raise (
                        cause if isinstance(cause, CadStudioError) else _lost(node, error)
                    ) from error
            tick()
            if starting and time.monotonic() - began > _SECONDS_TO_START:
                raise ResourceError(
                    f"Not all workers of the cluster were ready within {_SECONDS_TO_START:.0f} s: "
                    "its processors or graphics devices are taken by others (ray status). Wait "
                    "for them, or train without --cluster."
                )


def _lost(node: Node, error: Exception) -> WorkerLostError:
    return WorkerLostError(
        f"The worker on node {node.name} was lost: {' '.join(str(error).split()):.300}"
    )
