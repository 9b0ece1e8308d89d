"""Where the workers of a cluster may be, and how one is started there."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from cad_studio.cluster.joining import Node, on_node
from cad_studio.cluster.worker import Worker


@dataclass(frozen=True)
class Place:
    """Where a worker may be, and what it may take there; numbered on its node."""

    node: Node
    number: int
    n_cpus: int
    n_gpus: int


def places(nodes: list[Node], on_device: bool) -> list[Place]:
    """One for each graphics device, where they are wanted and there are any, else for each node."""
    if not on_device or not any(node.n_gpus for node in nodes):
        return [Place(node, 0, node.n_cpus, 0) for node in nodes if node.n_cpus]
    return [
        Place(node, number, node.n_cpus // node.n_gpus, 1)
        for node in nodes
        for number in range(node.n_gpus)
    ]


def started(ray: ModuleType, place: Place) -> Any:
    """A worker at a place, Ray's handle; it is not started again when it is lost."""
    make = ray.remote(Worker).options(
        num_cpus=place.n_cpus,
        num_gpus=place.n_gpus,
        scheduling_strategy=on_node(place.node),
        max_restarts=0,
        max_task_retries=0,
    )
    return make.remote()
