"""Workers of a Ray cluster that each do a part of something while the caller does another."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from cad_studio.cluster.joining import Cluster, Node
from cad_studio.cluster.places import Place, places, started
from cad_studio.core.errors import CadStudioError, JobCancelled, ResourceError, is_out_of_memory
from cad_studio.core.workers import Task, WorkerLostError

_LOG = logging.getLogger(__name__)

_SECONDS_TO_START = 300.0
_SECONDS_TO_END = 5.0
_SECONDS_BETWEEN_TICKS = 0.25


class RayBeside:
    """As `core.workers.Beside`: a worker at each place of the nodes that this process is not on."""

    def __init__(
        self,
        cluster: Cluster,
        make: Callable[[], Task[Any, Any]],
        on_device: bool,
        tick: Callable[[], None],
    ) -> None:
        """Start them, and wait until all are ready.

        Raises:
            ResourceError: They are not within five minutes, or one is lost meanwhile.
            CadStudioError: One cannot do the task.
        """
        self._ray = cluster.ray
        own = self._ray.get_runtime_context().get_node_id()
        others = [node for node in cluster.fit_nodes(tick) if node.id != own]
        found = places(others, on_device)
        self.on_devices = any(place.n_gpus for place in found)
        self.host = str(self._ray.util.get_node_ip_address())
        self._workers: list[tuple[Any, Place]] = []
        self._at_work: dict[Any, Node] = {}
        try:
            if found:
                self._start(found, make(), tick)
        except BaseException:
            self.close()
            raise

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._workers)

    def begin(self, items: Sequence[Any]) -> None:
        """Give each of the first ones its item."""
        for (actor, place), item in zip(self._workers, items, strict=False):
            self._at_work[actor.work.remote([item])] = place.node

    def problem(self, seconds: float) -> CadStudioError | None:
        """As `Beside.problem`."""
        done, _ = self._ray.wait(
            list(self._at_work), num_returns=len(self._at_work), timeout=seconds
        )
        lost: CadStudioError | None = None
        for reference in done:
            node = self._at_work.pop(reference)
            try:
                self._log(node, self._ray.get(reference)[1])
            except self._ray.exceptions.RayTaskError as error:
                told = _told(node, error.cause)
                if told is not None:
                    return told
            except self._ray.exceptions.RayError as error:
                lost = _lost(node, error)
        return lost

    def close(self) -> None:
        """End them; what they do is given a moment to end by itself."""
        with suppress(self._ray.exceptions.RayError):
            if self._at_work:
                self.problem(_SECONDS_TO_END)
        for actor, _ in self._workers:
            with suppress(self._ray.exceptions.RayError):  # it may be gone
                self._ray.kill(actor, no_restart=True)

    def _start(self, found: list[Place], task: Task[Any, Any], tick: Callable[[], None]) -> None:
        reference, starting = self._ray.put(task), {}
        for place in found:
            actor = started(self._ray, place)
            self._workers.append((actor, place))
            starting[actor.prepare.remote(reference)] = place.node
        began = time.monotonic()
        while starting:
            done, _ = self._ray.wait(list(starting), timeout=_SECONDS_BETWEEN_TICKS)
            for each in done:
                node = starting.pop(each)
                try:
                    self._log(node, self._ray.get(each))
                except self._ray.exceptions.RayTaskError as error:
                    raise (_told(node, error.cause) or _lost(node, error)) from error
                except self._ray.exceptions.RayError as error:
                    raise _lost(node, error) from error
            tick()
            if starting and time.monotonic() - began > _SECONDS_TO_START:
                raise ResourceError(
                    f"Not all workers of the cluster were ready within {_SECONDS_TO_START:.0f} s: "
                    "its processors or graphics devices are taken by others (ray status). Wait "
                    "for them, or train without --cluster."
                )

    def _log(self, node: Node, lines: list[str]) -> None:
        for line in lines:
            _LOG.info("[%s] %s", node.name, line)


def _told(node: Node, cause: BaseException) -> CadStudioError | None:
    """What a worker raised, for the user; None for what follows from another's end."""
    if isinstance(cause, CadStudioError):
        return type(cause)(f"{str(cause).rstrip()} (On node {node.name}.)")
    if is_out_of_memory(cause):
        return ResourceError(
            f"A worker on node {node.name} had too little memory for this. Take a smaller network "
            "or smaller batches, or nodes with more memory."
        )
    if isinstance(cause, (JobCancelled, RuntimeError)):  # torch's, of a connection that is gone
        return None
    return ResourceError(f"The worker on node {node.name} failed: {_in_one_line(cause)}.")


def _lost(node: Node, error: Exception) -> WorkerLostError:
    return WorkerLostError(f"The worker on node {node.name} was lost: {_in_one_line(error)}.")


def _in_one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")[:300]
