"""Workers of a Ray cluster: one for each graphics device, or one for each node without."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, redirect_stdout
from typing import Any

from cad_studio.cluster.beside import RayBeside
from cad_studio.cluster.crew import Crew
from cad_studio.cluster.joining import Cluster, check_address
from cad_studio.core.errors import ResourceError
from cad_studio.core.workers import Beside, Item, Result, Task

_LOG = logging.getLogger(__name__)


class RayWorkers:
    """Works on items by the workers of one cluster, which is joined when there is work."""

    def __init__(self, address: str) -> None:
        """Take an address, or `local`; it is looked at when there is work."""
        self._address = address
        self._cluster: Cluster | None = None

    def run(
        self,
        task: Task[Item, Result],
        items: Iterable[Item],
        take: Callable[[Item, Result], None],
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        """As `Workers.run`; `take` is called from the thread that calls.

        Raises:
            SettingError: The address can be none.
            MissingPackageError: Ray is not installed.
            ResourceError: The cluster cannot be joined, was lost, or has no room for the work.
        """
        # What Ray has to say of lost nodes it prints, and would spoil what a command prints.
        with redirect_stdout(sys.stderr):
            cluster = self._joined(tick)
            with _told(cluster, self._address), Crew(cluster, task, tick) as crew:
                crew.work(items, take)

    @contextmanager
    def beside(
        self,
        make: Callable[[], Task[Any, Any]],
        on_device: bool,
        tick: Callable[[], None] = lambda: None,
    ) -> Iterator[Beside]:
        """As `Workers.beside`.

        Raises:
            SettingError, MissingPackageError, ResourceError: As `run`.
        """
        with redirect_stdout(sys.stderr):
            cluster = self._joined(tick)
            with (
                _told(cluster, self._address),
                closing(RayBeside(cluster, make, on_device, tick)) as others,
            ):
                yield others

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None

    def _joined(self, tick: Callable[[], None]) -> Cluster:
        if self._cluster is None:
            check_address(self._address)
            began = time.monotonic()
            self._cluster = Cluster(self._address, tick)
            _LOG.info("joined the cluster %s in %.1f s", self._address, time.monotonic() - began)
        return self._cluster


@contextmanager
def _told(cluster: Cluster, address: str) -> Iterator[None]:
    """What Ray raises in the block is told in words.

    Raises:
        ResourceError: The object store is full, or the cluster was lost.
    """
    errors = cluster.ray.exceptions
    try:
        yield
    except (errors.ObjectStoreFullError, errors.OutOfDiskError) as error:
        raise ResourceError(
            "The object store of the cluster is full, and so is the disk it spills to. Start its "
            "nodes with a larger --object-store-memory, or free space in their temporary folders."
        ) from error
    except (errors.RaySystemError, ConnectionError) as error:
        raise ResourceError(
            f"The cluster {address} was lost: {' '.join(str(error).split()):.300}. Resume the job "
            "when it is back."
        ) from error
