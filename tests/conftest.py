"""No test leaves this machine."""

import functools
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


@pytest.fixture(scope="session", autouse=True)
def _migrated_once():
    """New databases get the tables that the migrations have made in the first of this process.

    To go through all migrations takes a seventh of a second, for which most tests have no use;
    `tests/store/test_template.py` holds both ways against each other.
    """
    from cad_studio.store.migrations import run

    migrate = run.upgrade
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "upgrade", from_template(migrate))
        yield


def from_template(migrate):
    """`upgrade` for which an empty database is filled with what `migrate` left in the first one."""
    template = []

    @functools.wraps(migrate)
    def upgrade(connection):
        is_empty = not connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
        for statement in template if is_empty else ():
            connection.exec_driver_sql(statement)
        if is_empty and template:
            return
        migrate(connection)
        if is_empty:
            made = (
                "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' "
                "ORDER BY rowid"
            )
            template.extend(connection.exec_driver_sql(made).scalars())
            (revision,) = connection.exec_driver_sql("SELECT * FROM alembic_version").scalars()
            template.append(f"INSERT INTO alembic_version VALUES ('{revision}')")

    return upgrade
