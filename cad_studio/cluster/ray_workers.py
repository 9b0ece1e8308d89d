"""Workers of a Ray cluster: one for each graphics device, or one for each node without."""

import logging
import time
from collections.abc import Callable, Iterable
from types import ModuleType

from cad_studio.cluster.crew import Crew
from cad_studio.cluster.joining import check_address, join
from cad_studio.core.errors import ResourceError
from cad_studio.core.workers import Item, Result, Task

_LOG = logging.getLogger(__name__)


class RayWorkers:
    """Works on items by the workers of one cluster, which is joined when there is work."""

    def __init__(self, address: str) -> None:
        """Take an address, or `local`; it is looked at when there is work."""
        self._address = address
        self._ray: ModuleType | None = None

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
        if self._ray is None:
            check_address(self._address)
            began = time.monotonic()
            self._ray = join(self._address, tick)
            _LOG.info("joined the cluster %s in %.1f s", self._address, time.monotonic() - began)
        ray = self._ray
        try:
            with Crew(ray, task, tick) as crew:
                crew.work(items, take)
        except (ray.exceptions.ObjectStoreFullError, ray.exceptions.OutOfDiskError) as error:
            raise ResourceError(
                "The object store of the cluster is full, and so is the disk it spills to. Start "
                "its nodes with a larger --object-store-memory, or free space in their temporary "
                "folders."
            ) from error
        except (ray.exceptions.RaySystemError, ConnectionError) as error:
            raise ResourceError(
                f"The cluster {self._address} was lost: {' '.join(str(error).split()):.300}. "
                "Resume the job when it is back."
            ) from error

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        if self._ray is not None:
            self._ray.shutdown()
            self._ray = None
