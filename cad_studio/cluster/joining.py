"""Join a Ray cluster, or start a Ray on this machine; every node must have what we have."""

import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from cad_studio.cluster import about_node
from cad_studio.core.cores import n_cores
from cad_studio.core.errors import ResourceError, SettingError
from cad_studio.core.optional import require

LOCAL = "local"
"""In place of an address: a Ray of this command's own on this machine."""

RAY = "ray>=2.51,<3"

_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")
_SECRET = re.compile(r"^CAD_|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|ACCESS_KEY", re.I)
_SECONDS_TO_ANSWER = 5.0
_SECONDS_TO_JOIN = (60.0, 240.0)  # another's, which is up; one that is started here
_SECONDS_TO_LOOK = 120.0
_SECONDS_BETWEEN_TICKS = 0.25


@dataclass(frozen=True)
class Node:
    """A machine of the cluster that can work.

    Attributes:
        id: As Ray calls it.
        name: Its address and the beginning of its id, for messages.
        n_cpus: Processors it offers.
        n_gpus: Graphics devices it offers.
    """

    id: str
    name: str
    n_cpus: int
    n_gpus: int


def check_address(address: str) -> None:
    """See that an address can be one.

    Raises:
        SettingError: It is neither `local` nor a host with a port.
    """
    found = _ADDRESS.fullmatch(address)
    if address != LOCAL and (found is None or not 0 < int(found["port"]) < 65536):
        raise SettingError(
            f"{address!r} is no cluster. Give the address that `ray start --head` prints, such as "
            f"10.0.0.1:6379, or {LOCAL} for a Ray on this machine, with --cluster or CAD_CLUSTER."
        )


class Cluster:
    """A cluster this process is connected with.

    Attributes:
        ray: The package, connected.
    """

    def __init__(self, address: str, tick: Callable[[], None]) -> None:
        """Connect.

        Args:
            address: From `check_address`.
            tick: Called often; may raise to stop, and then nothing is left behind.

        Raises:
            MissingPackageError: Ray is not installed.
            ResourceError: Nobody answers, or this machine is no part of the cluster.
        """
        self.ray = require("ray", f'"{RAY}"', "Work on a cluster")
        self._fit: set[str] = set()
        tick()
        if address != LOCAL:
            _require_answer(address)
        self._connection = _Connection(self.ray, address)
        self._connection.wait(tick)

    def fit_nodes(self, tick: Callable[[], None]) -> list[Node]:
        """The nodes there are; new ones are asked first whether they have what we have.

        Raises:
            ResourceError: One has other versions, or does not answer; or there is no node.
        """
        nodes = nodes_of(self.ray)
        if not nodes:
            raise ResourceError(
                "The cluster has no node with processors or graphics devices. Start one: "
                "ray start --address=HOST:PORT."
            )
        new = [node for node in nodes if node.id not in self._fit]
        if new:
            _require_equal(self.ray, new, tick)
        self._fit |= {node.id for node in new}
        return nodes

    def close(self) -> None:
        """Leave it; a Ray that was started here ends."""
        self._connection.end()


def nodes_of(ray: ModuleType) -> list[Node]:
    """The machines of the cluster that are there and offer processors."""
    found = []
    for each in ray.nodes():
        offers = each["Resources"]
        if each["Alive"] and offers.get("CPU", 0) + offers.get("GPU", 0) >= 1:
            name = f"{each['NodeManagerAddress']} ({each['NodeID'][:6]})"
            node = Node(each["NodeID"], name, int(offers.get("CPU", 0)), int(offers.get("GPU", 0)))
            found.append(node)
    return sorted(found, key=lambda node: node.id)


def on_node(node: Node) -> Any:
    """What binds work to a node, for `options(scheduling_strategy=...)` of Ray."""
    strategies = require("ray.util.scheduling_strategies", f'"{RAY}"', "Work on a cluster")
    return strategies.NodeAffinitySchedulingStrategy(node.id, soft=False)


@contextmanager
def without_secrets(environment: MutableMapping[str, str]) -> Iterator[None]:
    """Take what workers have no business with out of the environment they are started in."""
    kept = {
        name: environment.pop(name)
        for name in list(environment)
        if _SECRET.search(name) and not name.startswith("RAY_")
    }
    # Nothing about the user leaves the machine; a worker without a device of its own may see all.
    settings = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    for name, value in settings.items():
        environment.setdefault(name, value)
    try:
        yield
    finally:
        environment.update(kept)


def _require_answer(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_ANSWER).close()
    except OSError as error:
        raise ResourceError(
            f"Nobody answers at {address}: {error.strerror or error}. See that the cluster runs "
            "(ray status on its head) and that this machine reaches it."
        ) from error


class _Connection:
    """A connection that a thread of its own makes, as Ray may wait for minutes for an answer.

    The thread stays as long as the connection: what Ray starts on this machine ends with the
    thread that started it.
    """

    def __init__(self, ray: ModuleType, address: str) -> None:
        """Begin."""
        self._ray = ray
        self._address = address
        self._error: BaseException | None = None
        self._is_tried, self._is_over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold, name="ray-connection", daemon=True)
        self._thread.start()

    def wait(self, tick: Callable[[], None]) -> None:
        """Wait until the connection is there.

        Raises:
            ResourceError: There will be none.
        """
        began = time.monotonic()
        try:
            while not self._is_tried.wait(_SECONDS_BETWEEN_TICKS):
                tick()
                if time.monotonic() - began > _SECONDS_TO_JOIN[self._address == LOCAL]:
                    raise self._unheard()
            tick()
        except BaseException:
            self._is_over.set()  # whatever comes of it, it is ended then
            raise
        if self._error is not None:
            self._is_over.set()
            raise _in_words(self._address, self._error) from self._error

    def _unheard(self) -> ResourceError:
        seconds = _SECONDS_TO_JOIN[self._address == LOCAL]
        if self._address == LOCAL:
            return ResourceError(
                f"A Ray on this machine was not up within {seconds:.0f} s. It may be too busy; "
                "begin again, or leave --cluster out."
            )
        return ResourceError(
            f"The cluster at {self._address} cannot be joined: whoever answers there was not "
            f"heard as the head of a Ray cluster within {seconds:.0f} s. Give the address that "
            "`ray start --head` prints."
        )

    def end(self) -> None:
        """End the connection, and what was started for it."""
        self._is_over.set()
        self._thread.join()

    def _hold(self) -> None:
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if self._address == LOCAL:
            # Only this machine may talk to it: its workers run what they are sent.
            options |= {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
            options["num_cpus"] = n_cores()
        try:
            with without_secrets(os.environ):
                self._ray.init(address=self._address, **options)
        except (Exception, SystemExit) as error:  # raised again where it is waited for
            self._error = error
        self._is_tried.set()
        self._is_over.wait()
        if self._error is None:
            self._ray.shutdown()


def _in_words(address: str, error: BaseException) -> ResourceError:
    words = " ".join(str(error).split()).rstrip(".")
    if "local Raylet" in words or "Can't find a `node_ip_address.json`" in words:
        return ResourceError(
            f"This machine is no part of the cluster at {address}. Join it first, without "
            f"processors if it is not to work: ray start --address={address} --num-cpus=0."
        )
    return ResourceError(f"The cluster at {address} cannot be joined: {words:.500}.")


def _require_equal(ray: ModuleType, nodes: list[Node], tick: Callable[[], None]) -> None:
    """See that nodes have our versions; those that are gone by now have them.

    Raises:
        ResourceError: One has not, or does not answer.
    """
    ray.cloudpickle.register_pickle_by_value(about_node)  # a node may lack the package
    try:
        look = ray.remote(about_node.about_node)
        asked = {
            look.options(
                num_cpus=0, scheduling_strategy=on_node(node), max_retries=0
            ).remote(): node
            for node in nodes
        }
    finally:
        ray.cloudpickle.unregister_pickle_by_value(about_node)
    ours, began = about_node.about_node(), time.monotonic()
    while asked:
        done, _ = ray.wait(list(asked), timeout=_SECONDS_BETWEEN_TICKS)
        tick()
        for reference in done:
            node = asked.pop(reference)
            try:
                theirs = ray.get(reference)
            except ray.exceptions.RayError as error:
                if all(node.id != each.id for each in nodes_of(ray)):
                    continue
                raise ResourceError(
                    f"Node {node.name} could not be asked what it has installed: "
                    f"{' '.join(str(error).split()):.300}."
                ) from error
            _compare(node, theirs, ours)
        if asked and time.monotonic() - began > _SECONDS_TO_LOOK:
            raise ResourceError(
                f"Node {next(iter(asked.values())).name} has not said in "
                f"{_SECONDS_TO_LOOK:.0f} s what it has installed. Take it out of the cluster, or "
                "see what keeps it busy."
            )


def _compare(node: Node, theirs: dict[str, str], ours: dict[str, str]) -> None:
    differing = [name for name in ours if theirs.get(name) != ours[name]]
    if not differing:
        return
    if theirs["cad_studio"] == "none":
        raise ResourceError(
            f"Node {node.name} has no cad_studio. Install it there as it is here, in the Python "
            "that runs Ray, and start the node again."
        )
    told = "; ".join(
        "cad_studio has other files"
        if name == "cad_studio"
        else f"{name} is {_words(theirs.get(name))}, here {_words(ours[name])}"
        for name in differing
    )
    raise ResourceError(
        f"Node {node.name} differs from this machine: {told}. Install the same on both, and start "
        "the node again."
    )


def _words(version: str | None) -> str:
    return "not installed" if version in (None, "none") else str(version)
