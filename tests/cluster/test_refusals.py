"""What keeps a cluster from working is told in words, before any work is begun."""

import os
import socket
import sys

import pytest

from cad_studio.cluster.about_node import about_node
from cad_studio.cluster.joining import Node, _compare, check_address, without_secrets
from cad_studio.cluster.ray_workers import RayWorkers
from cad_studio.core.errors import MissingPackageError, ResourceError, SettingError
from tests.cluster.elsewhere import Elsewhere
from tests.cluster.test_seam import Squares
from tests.cluster.work import assert_same, make_case, mined
from tests.commands import here

NODE = Node("abc", "10.0.0.5 (abc)", 4, 0)


def work(workers):
    workers.run(Squares(), range(3), lambda item, result: None)


@pytest.mark.parametrize(
    "address",
    ["ray://10.0.0.1:10001", "10.0.0.1", "10.0.0.1:", "host:99999", "a b:1", "auto", ":1"],
)
def test_what_is_no_address_is_refused_with_one_that_is(address):
    with pytest.raises(SettingError, match=r"is no cluster\. .* 10\.0\.0\.1:6379, or local"):
        check_address(address)
    with pytest.raises(SettingError, match="is no cluster"):
        work(RayWorkers(address))


@pytest.mark.parametrize("address", ["local", "10.0.0.1:6379", "head.example.org:1", "[::1]:6379"])
def test_what_can_be_an_address_passes(address):
    check_address(address)


def test_without_ray_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    for address in ("local", "127.0.0.1:6379"):
        with pytest.raises(MissingPackageError, match=r'pip install "ray>=2\.51,<3"'):
            work(RayWorkers(address))


def test_an_address_nobody_answers_is_refused_at_once():
    pytest.importorskip("ray")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ResourceError, match=f"Nobody answers at {address}"):
            work(RayWorkers(address))


def test_a_node_that_differs_is_named_with_what_differs():
    ours = about_node()
    _compare(NODE, dict(ours), ours)
    assert ours["cad_studio"] != "none"
    assert "+" not in ours["torch"]
    with pytest.raises(ResourceError, match=r"Node 10\.0\.0\.5 \(abc\) has no cad_studio"):
        _compare(NODE, {**ours, "cad_studio": "none", "torch": "1.0"}, ours)
    with pytest.raises(ResourceError, match="cad_studio has other files"):
        _compare(NODE, {**ours, "cad_studio": "0123456789ab"}, ours)
    with pytest.raises(ResourceError, match=r"torch is 1\.0, here [0-9.]+; faiss-cpu is not inst"):
        _compare(NODE, {**ours, "torch": "1.0", "faiss-cpu": "none"}, ours)


def test_secrets_are_out_of_the_environment_while_workers_are_started():
    secrets = {
        "CAD_USERS": "a", "HF_TOKEN": "b", "AWS_SECRET_ACCESS_KEY": "c", "GITHUB_TOKEN": "d",
        "DB_PASSWORD": "e", "OPENAI_API_KEY": "f",
    }  # fmt: skip
    kept = {"PATH": "/bin", "RAY_AUTH_TOKEN": "g", "HOME": "/root", "KEYBOARD": "de"}
    environment = {**secrets, **kept}
    with without_secrets(environment):
        assert kept.items() <= environment.items()
        assert not secrets.keys() & environment.keys()
    assert secrets.items() <= environment.items()
    with pytest.raises(ZeroDivisionError), without_secrets(environment):
        raise ZeroDivisionError
    assert secrets.items() <= environment.items()


def test_one_sample_is_no_trouble_for_workers():
    assert_same(mined(make_case(1), Elsewhere(), threshold=0.5), mined(make_case(1), threshold=0.5))


@pytest.mark.parametrize("command", ["extract", "mine", "augment", "suspects"])
def test_commands_refuse_what_is_no_cluster(command, tmp_path):
    code, _, told = here(tmp_path, command, "sample", "--cluster", "nowhere")
    assert code == 2
    assert "'nowhere' is no cluster." in told
    assert not (tmp_path / "project.db").exists()


def test_the_variable_names_the_cluster_of_jobs_and_an_empty_option_none(monkeypatch, tmp_path):
    from cad_studio import command_line

    monkeypatch.setenv("CAD_CLUSTER", "10.0.0.1:6379")
    monkeypatch.setattr(command_line, "_project", tmp_path)
    for given, expected in ((None, "10.0.0.1:6379"), ("", ""), ("local", "local")):
        monkeypatch.setattr(command_line, "_cluster", given)
        with command_line.opened() as services:
            assert services.config.cluster == expected
            assert isinstance(services.workers, RayWorkers) == bool(expected)
    assert os.environ["CAD_CLUSTER"] == "10.0.0.1:6379"
