"""The workers of one piece of work: started, given items, and replaced when they are lost."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from types import TracebackType
from typing import Any

from cad_studio.cluster.joining import Cluster, Node, nodes_of
from cad_studio.cluster.places import Place, places, started
from cad_studio.core.errors import CadStudioError, ResourceError, is_out_of_memory
from cad_studio.core.workers import Item, Result, Task

_LOG = logging.getLogger(__name__)

_HELD = 4  # batches a worker's worth of results may be early, before no more are begun
_MOST_TRIES = 3  # workers that a batch may cost
_MOST_STARTS = 3  # of a worker at one place
_SECONDS_TO_START = 300.0
_SECONDS_BETWEEN_TICKS = 0.25


@dataclass(eq=False)
class _Member:
    """A worker: an actor at a place, there once its process runs, ready once it has prepared."""

    actor: Any  # Ray's handle
    place: Place
    is_there: bool = False
    is_ready: bool = False
    batches: "dict[Any, _Batch]" = field(default_factory=dict)


@dataclass
class _Batch:
    """Some items: their number in the order of all, and how many workers were lost over them."""

    number: int
    items: list[Any]
    n_lost: int = 0


class Crew:
    """The workers of one task, from start to end; a context that lets go of them.

    A batch belongs to one worker until its results are here. If the worker is lost before, another
    one is given the batch, and results that came late are not taken: nothing is lost or doubled.
    """

    def __init__(
        self, cluster: Cluster, task: Task[Item, Result], tick: Callable[[], None]
    ) -> None:
        """Send the task to the cluster; workers are started by `work`.

        Args:
            cluster: Where they work.
            task: What is done with each item.
            tick: Called often, also while waiting; may raise to stop.
        """
        self._cluster = cluster
        self._ray = cluster.ray
        self._task = task
        self._tick = tick
        self._reference = cluster.ray.put(task)
        self._members: list[_Member] = []
        self._arriving: dict[Any, _Member] = {}
        self._starting: dict[Any, _Member] = {}
        self._n_starts: dict[Place, int] = {}
        self._again: deque[_Batch] = deque()
        self._is_through = False
        self._started_at = time.monotonic()

    def __enter__(self) -> "Crew":
        """The crew."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all workers at once, whatever they do."""
        for member in self._members:
            self._dismiss(member)

    def work(self, items: Iterable[Item], take: Callable[[Item, Result], None]) -> None:
        """Work on all items.

        Raises:
            CadStudioError: A worker said so, or the cluster cannot do it.
        """
        numbered = self._batches(items)
        wanted = self._places()
        self._again.extend(islice(numbered, len(wanted)))
        if not self._again:
            return
        for place in wanted[: len(self._again)]:  # more workers than batches would be idle
            self._start(place)
        deliver = _Delivery(take, self._task.in_order)
        while True:
            self._hand_out(numbered, deliver)
            flights = {ref: m for m in self._members for ref in m.batches}
            if self._is_through and not flights and not self._again:
                return
            if not self._members:
                self._start_anew()
            waited = [*flights, *self._arriving, *self._starting]
            done, _ = self._ray.wait(waited, timeout=_SECONDS_BETWEEN_TICKS)
            for reference in done:
                if reference in self._arriving:
                    self._arrived(reference)
                elif reference in self._starting:
                    self._started(reference)
                elif reference in flights and reference in flights[reference].batches:
                    self._landed(reference, flights[reference], deliver)
                # else it was lost with its worker by now
            self._tick()
            self._require_any()

    def _batches(self, items: Iterable[Item]) -> Iterator[_Batch]:
        queue = iter(items)
        number = 0
        while batch := list(islice(queue, self._task.at_once)):
            yield _Batch(number, batch)
            number += 1

    def _places(self) -> list[Place]:
        nodes = self._cluster.fit_nodes(self._tick)
        return places(nodes, self._task.on_device)

    def _start(self, place: Place) -> None:
        self._n_starts[place] = self._n_starts.get(place, 0) + 1
        self._started_at = time.monotonic()
        member = _Member(started(self._ray, place), place)
        self._members.append(member)
        self._arriving[member.actor.arrive.remote()] = member
        self._starting[member.actor.prepare.remote(self._reference)] = member

    def _start_anew(self) -> None:
        """When no worker is left: start some where nodes are, but not for ever."""
        left = [p for p in self._places() if self._n_starts.get(p, 0) < _MOST_STARTS]
        if not left:
            raise ResourceError(
                "All workers of the cluster were lost. See that its nodes run and have enough "
                "memory (ray status), then resume the job; what is done is kept where its kind "
                "keeps it."
            )
        for place in left:
            self._start(place)

    def _arrived(self, reference: Any) -> None:
        member = self._arriving.pop(reference)
        with suppress(self._ray.exceptions.RayError):  # told by what it is to prepare, too
            self._ray.get(reference)
            member.is_there = True

    def _started(self, reference: Any) -> None:
        member = self._starting[reference]
        try:
            said = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._failed(member, error)
            return
        del self._starting[reference]
        member.is_ready = True
        _LOG.info("worker on %s is ready", member.place.node.name)
        self._log(member, said)

    def _hand_out(self, numbered: Iterator[_Batch], deliver: "_Delivery") -> None:
        """Give every worker that is ready something to do, as long as there is any."""
        for n_held in range(self._task.ahead):
            for member in self._members:
                if not member.is_ready or len(member.batches) > n_held:
                    continue
                # What came too early is held here; it must not become ever more.
                may_go_on = deliver.n_held < _HELD * len(self._members)
                batch = self._again.popleft() if self._again else None
                if batch is None and may_go_on:
                    batch = next(numbered, None)
                    self._is_through = batch is None
                if batch is None:
                    return
                member.batches[member.actor.work.remote(batch.items)] = batch

    def _landed(self, reference: Any, member: _Member, deliver: "_Delivery") -> None:
        try:
            results, said = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._failed(member, error)
            return
        batch = member.batches.pop(reference)
        self._log(member, said)
        deliver.take(batch, results)

    def _failed(self, member: _Member, error: Any) -> None:
        """A worker raised an error, which is raised here; or it was lost, and another takes over.

        Raises:
            Exception: What the worker raised, or that too many were lost.
        """
        exceptions, node = self._ray.exceptions, member.place.node
        if isinstance(error, exceptions.RayTaskError):
            cause = error.cause
            if isinstance(cause, CadStudioError):
                raise type(cause)(f"{str(cause).rstrip()} (On node {node.name}.)") from error
            if is_out_of_memory(cause):
                raise _no_memory(node) from error
            if isinstance(cause, exceptions.RayError):
                raise cause from error
            _LOG.error("worker on %s: %s", node.name, error)
            raise cause from error
        _LOG.warning("worker on %s is lost: %s", node.name, " ".join(str(error).split())[:500])
        lost = list(member.batches.values())
        self._dismiss(member)
        self._members.remove(member)
        self._starting = {ref: each for ref, each in self._starting.items() if each is not member}
        self._arriving = {ref: each for ref, each in self._arriving.items() if each is not member}
        for batch in lost:
            batch.n_lost += 1
            if batch.n_lost >= _MOST_TRIES:
                if "low on memory" in str(error):
                    raise _no_memory(node) from error
                raise ResourceError(
                    f"{_MOST_TRIES} workers were lost over the same piece of work, the last on "
                    f"node {node.name}: they crashed, or the system ended them, mostly for want "
                    "of memory. The job's log says what Ray knows of it."
                ) from error
        self._again.extendleft(sorted(lost, key=lambda batch: -batch.number))
        still_there = any(node.id == each.id for each in nodes_of(self._ray))
        if still_there and self._n_starts[member.place] < _MOST_STARTS:
            self._start(member.place)

    def _require_any(self) -> None:
        late = time.monotonic() - self._started_at > _SECONDS_TO_START
        if late and self._members and not any(member.is_there for member in self._members):
            raise ResourceError(
                f"No worker of the cluster was ready within {_SECONDS_TO_START:.0f} s: its "
                "processors or graphics devices are taken by others (ray status). Wait for them, "
                "or take another cluster."
            )

    def _log(self, member: _Member, lines: list[str]) -> None:
        for line in lines:
            _LOG.info("[%s] %s", member.place.node.name, line)

    def _dismiss(self, member: _Member) -> None:
        with suppress(self._ray.exceptions.RayError):  # it may be gone, and its cluster with it
            self._ray.kill(member.actor, no_restart=True)


class _Delivery:
    """Hands results on, in the order of their batches where that is wanted."""

    def __init__(self, take: Callable[[Any, Any], None], in_order: bool) -> None:
        self._take = take
        self._in_order = in_order
        self._early: dict[int, tuple[_Batch, list[Any]]] = {}
        self._next = 0

    @property
    def n_held(self) -> int:
        """Batches that came too early."""
        return len(self._early)

    def take(self, batch: _Batch, results: list[Any]) -> None:
        self._early[batch.number] = (batch, results)
        numbers = [batch.number]
        if self._in_order:
            numbers = []
            while self._next in self._early:
                numbers.append(self._next)
                self._next += 1
        for number in numbers:
            held, values = self._early.pop(number)
            for item, result in zip(held.items, values, strict=True):
                self._take(item, result)


def _no_memory(node: Node) -> ResourceError:
    return ResourceError(
        f"A worker on node {node.name} had too little memory for this. Take smaller images, models "
        "or batches, or nodes with more memory; what is done is kept where the job's kind keeps it."
    )
