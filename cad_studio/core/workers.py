"""Work on many items by workers that each prepare once: this process, or those of a cluster."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from cad_studio.core.errors import CadStudioError, ResourceError

Item = TypeVar("Item")
Result = TypeVar("Result")


def _nothing() -> None:
    pass


class Task(ABC, Generic[Item, Result]):
    """What is done with every item.

    A cluster pickles a task once and each of its workers unpickles it, so it holds what `prepare`
    needs (arrays, a model, a recipe for one) and nothing that belongs to a process: no locks, no
    open files, no services.

    Attributes:
        in_order: Whether results are wanted in the order of the items; else as they are ready.
        on_device: Whether it computes on a graphics device where a worker has one.
        at_once: Items that a cluster hands to a worker together; 1 for items that take seconds.
        ahead: How often before it has worked on the first; 1 for items that take minutes.
    """

    in_order: ClassVar[bool] = False
    on_device: ClassVar[bool] = False
    at_once: ClassVar[int] = 1
    ahead: ClassVar[int] = 2

    @abstractmethod
    def prepare(self) -> Callable[[Item], Result]:
        """Get ready, once for each worker; returns what is called with every item.

        Equal items give equal results whichever worker they come to, and in whatever order: a
        lost item is given to another worker.

        Raises:
            CadStudioError: The worker cannot do this, with the reason.
        """

    def n_threads(self) -> int:
        """Threads that call what `prepare` returns at the same time."""
        return 1

    def alone(self) -> AbstractContextManager[object]:
        """Entered while threads are at work, to keep libraries from starting threads of theirs."""
        return nullcontext()


class WorkerLostError(ResourceError):
    """A worker on another machine is gone: it crashed, or its machine or the way to it did."""


class Beside(Protocol):
    """Workers that each do a part of something while the caller does another.

    Attributes:
        host: Address under which they reach this machine.
        on_devices: Whether each has a graphics device of its own.
    """

    host: str
    on_devices: bool

    @property
    def count(self) -> int:
        """How many there are."""

    def begin(self, items: Sequence[Any]) -> None:
        """Give each of the first ones its item."""

    def problem(self, seconds: float) -> CadStudioError | None:
        """Why one of them ended before its time, once all have ended or so long is over.

        A `WorkerLostError` for one that is gone; None where none has a reason of its own.
        """


class Workers(Protocol):
    """Who works on items."""

    def run(
        self,
        task: Task[Item, Result],
        items: Iterable[Item],
        take: Callable[[Item, Result], None],
        tick: Callable[[], None] = _nothing,
    ) -> None:
        """Work on all items.

        Args:
            task: What is done with each.
            items: Taken one by one, not before a worker is free or nearly so; from any thread, but
                never from two at once.
            take: Given each item with its result, once. Called from several threads where the
                task has several, else from the one that calls.
            tick: Called often from the thread that calls, also while it waits; may raise to stop.

        Raises:
            Exception: Whatever task, items, `take` or `tick` raised first; nothing runs any more.
        """

    def beside(
        self,
        make: Callable[[], Task[Any, Any]],
        on_device: bool,
        tick: Callable[[], None] = _nothing,
    ) -> AbstractContextManager[Beside]:
        """Workers on other machines, ready for a task; they end with the context.

        Args:
            make: Gives the task that each of them does once; not asked where there are none.
            on_device: Whether graphics devices are wanted where there are any.
            tick: Called often until they are ready; may raise to stop.

        Raises:
            CadStudioError: There are none to be had, with the reason.
        """

    def close(self) -> None:
        """Let go of what was started for `run`."""


class _Nobody:
    host, on_devices, count = "127.0.0.1", False, 0

    def begin(self, items: Sequence[Any]) -> None:
        assert not items

    def problem(self, seconds: float) -> CadStudioError | None:
        del seconds
        return None


class InProcess:
    """Works in this very process, in as many threads as the task has."""

    def run(
        self,
        task: Task[Item, Result],
        items: Iterable[Item],
        take: Callable[[Item, Result], None],
        tick: Callable[[], None] = _nothing,
    ) -> None:
        """As `Workers.run`; `tick` is called after every item of the calling thread.

        One thread per core with a single-threaded product each beats one product over all cores,
        since what follows the product is then spread over the cores as well.
        """
        queue, lock = iter(items), threading.Lock()
        errors: list[BaseException] = []
        work = task.prepare()

        def drain(after: Callable[[], None]) -> None:
            try:
                while not errors:
                    with lock:
                        try:
                            item = next(queue)
                        except StopIteration:
                            return
                    take(item, work(item))
                    after()
            except BaseException as error:
                errors.append(error)

        n_threads = task.n_threads()
        with task.alone():
            threads = [
                threading.Thread(target=drain, args=(_nothing,), daemon=True)
                for _ in range(n_threads - 1)
            ]
            for thread in threads:
                thread.start()
            drain(tick)
            for thread in threads:
                thread.join()
        if errors:
            raise errors[0]

    def beside(
        self,
        make: Callable[[], Task[Any, Any]],
        on_device: bool,
        tick: Callable[[], None] = _nothing,
    ) -> AbstractContextManager[Beside]:
        """As `Workers.beside`: there is nobody else."""
        del make, on_device, tick
        return nullcontext(_Nobody())

    def close(self) -> None:
        """Nothing was started."""


ALONE = InProcess()
"""This process; what is taken where nobody chose other workers."""
