"""The guard of conftest.py itself."""

import os
import socket
import urllib.request

import pytest

from tests.conftest import NetworkRefused


@pytest.mark.parametrize("method", ["connect", "connect_ex"])
@pytest.mark.parametrize("host", ["192.0.2.1", "example.org"])
def test_connections_to_other_machines_are_refused(method, host):
    with socket.socket() as connection, pytest.raises(NetworkRefused, match=host):
        getattr(connection, method)((host, 80))


def test_names_of_other_machines_are_not_looked_up():
    with pytest.raises(NetworkRefused, match=r"example\.org"):
        urllib.request.urlopen("http://example.org/", timeout=1)


def test_this_machine_can_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=5).close()


def test_hubs_are_told_to_stay_offline():
    assert os.environ["HF_HUB_OFFLINE"] == "1"
