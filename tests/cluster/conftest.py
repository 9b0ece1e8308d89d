"""A Ray cluster of two nodes on this machine, for tests marked `slow`."""

import contextlib
import os
import signal

import pytest

from cad_studio.cluster.ray_workers import RayWorkers

_MEMORY_BYTES = 100 * 2**20


class TwoNodes:
    """A head that does not work, and nodes of one processor each.

    Attributes:
        address: Where it is joined.
    """

    def __init__(self):
        from ray.cluster_utils import Cluster

        self._where = {
            "node_ip_address": "127.0.0.1",
            "object_store_memory": _MEMORY_BYTES,
            "include_dashboard": False,
        }
        self._cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **self._where})
        self._nodes = []
        self.fill()
        self.address = self._cluster.address

    def fill(self, n_nodes=2):
        """Add nodes until there are so many."""
        while len(self._nodes) < n_nodes:
            self._nodes.append(self._cluster.add_node(num_cpus=1, **self._where))

    def kill_one(self):
        """End a node as a power cut does: its manager and all workers with it."""
        node = self._nodes.pop()
        (manager,) = node.all_processes["raylet"]
        os.kill(manager.process.pid, signal.SIGKILL)

    @contextlib.contextmanager
    def another(self, **environment):
        """One more node, in another environment."""
        node = self._cluster.add_node(num_cpus=1, env_vars=environment, **self._where)
        yield
        self._cluster.remove_node(node)

    def close(self):
        self._cluster.shutdown()


@pytest.fixture(scope="session")
def _two_nodes():
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Which of this machine's addresses is its own, Ray would ask the way to another machine.
        patch.setattr(
            "ray._private.services.node_ip_address_from_perspective", lambda _: "127.0.0.1"
        )
        nodes = TwoNodes()
        yield nodes
        nodes.close()


@pytest.fixture
def two_nodes(_two_nodes):
    """The cluster, whole again after a test that broke it."""
    _two_nodes.fill()
    return _two_nodes


@pytest.fixture(scope="session")
def _joined(_two_nodes):
    found = RayWorkers(_two_nodes.address)
    yield found
    found.close()


@pytest.fixture
def workers(two_nodes, _joined):
    """Workers of the whole cluster, which was joined once."""
    return _joined
