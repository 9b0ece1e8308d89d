"""No test leaves this machine."""

import ipaddress
import os
import socket
import sys

import pytest

# Dozens of tests start processes: compiling what they import anew each time is a third of a start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Before anything imports huggingface_hub or gradio: they read these once, at import. Child
# processes inherit them.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
# As the entry points do: on a busy machine, threads that spin make training many times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Tests run side by side: more threads would take each other's cores.
os.environ["OMP_NUM_THREADS"] = "1"
# Compiling UMAP takes longer than laying out the few points of a test in plain Python.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")


class NetworkRefused(RuntimeError):
    """A test tried to reach another machine.

    No OSError, so that code which copes with a missing network cannot swallow it.
    """


def is_local(host: object) -> bool:
    """Whether a host name or address is this machine's own."""
    if isinstance(host, bytes):
        host = host.decode()
    if host is None or host in {"", "localhost", socket.gethostname()}:
        return True
    try:
        address = ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


@pytest.fixture(scope="session", autouse=True)
def _no_network():
    def guarded(name):
        original = getattr(socket.socket, name)

        def connect(self, address):
            if self.family in {socket.AF_INET, socket.AF_INET6} and not is_local(address[0]):
                raise NetworkRefused(f"This test tried to connect to {address[0]}.")
            return original(self, address)

        return connect

    resolve = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        if not is_local(host):
            raise NetworkRefused(f"This test tried to look up {host}.")
        return resolve(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, guarded(name))
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield
