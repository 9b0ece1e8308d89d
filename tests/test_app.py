"""Arguments and the port of `python app.py`, before any window is built."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cad_studio.config import read_config
from cad_studio.core.errors import SettingError

ROOT = Path(__file__).parent.parent


def run(tmp_path, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "app.py", "--project", str(tmp_path / "project"), *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=60, env={**os.environ, **environment},
    )  # fmt: skip


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_in_use_is_told_in_words_before_anything_is_made(tmp_path, taken):
    done = run(tmp_path, "--port", str(taken))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"Port {taken} on 127.0.0.1 is in use or not allowed. "
        "Stop the other program or choose another with --port.\n"
    )
    assert not (tmp_path / "project").exists()


def test_a_port_from_the_environment_counts_too(tmp_path, taken):
    done = run(tmp_path, GRADIO_SERVER_PORT=str(taken))
    assert done.returncode == 2
    assert f"Port {taken} on 127.0.0.1 is in use" in done.stderr


def test_a_port_in_the_environment_that_is_no_number_is_told(tmp_path):
    """It ended in a traceback."""
    done = run(tmp_path, GRADIO_SERVER_PORT="abc")
    assert done.returncode == 2
    assert done.stderr == "GRADIO_SERVER_PORT is 'abc'; expected a port such as 7860.\n"


def test_a_cluster_in_the_environment_that_is_none_is_told(tmp_path):
    done = run(tmp_path, CAD_CLUSTER="10.0.0.1")
    assert done.returncode == 2
    assert done.stderr.startswith("'10.0.0.1' is no cluster.")
    assert not (tmp_path / "project").exists()


def test_a_host_that_is_not_this_machine_is_told_apart_from_a_port_in_use(tmp_path):
    """All ports were said to be in use."""
    done = run(tmp_path, "--host", "192.0.2.7")
    assert done.returncode == 2
    assert "192.0.2.7 is not an address of this machine" in done.stderr


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_a_port_that_does_not_exist_is_refused(tmp_path, port):
    done = run(tmp_path, "--port", port)
    assert done.returncode == 2
    assert f"Port {port} does not exist. Give 1 to 65535 with --port." in done.stderr


def test_a_folder_that_cannot_be_used_is_told_in_words(tmp_path):
    (tmp_path / "project").write_text("mine")
    done = run(tmp_path)
    assert done.returncode == 2
    assert f"{tmp_path / 'project'} is a file, not a folder. Choose another" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_names_the_arguments(tmp_path):
    done = run(tmp_path, "--help")
    assert done.returncode == 0
    options = ("--project", "--host", "--port", "--share", "--allow-host", "--trust-proxy",
               "--root-path")  # fmt: skip
    for option in options:
        assert option in done.stdout


def test_the_next_free_port_is_taken_when_none_is_asked_for(taken, monkeypatch):
    from cad_studio import window as app

    monkeypatch.setattr(app, "_DEFAULT_PORT", taken)
    monkeypatch.delenv("GRADIO_SERVER_PORT", raising=False)
    found = app._with_free_port(read_config({})).port
    assert taken < found < taken + app._PORTS_TRIED


def test_the_house_listens_to_this_machine_alone_unless_told_otherwise(tmp_path):
    assert read_config({}).host == "127.0.0.1"
    assert read_config({}, host="0.0.0.0").host == "0.0.0.0"
    assert read_config({}).project == Path.home() / ".cad-studio"
    assert read_config({"CAD_PROJECT": str(tmp_path)}).project == tmp_path
    assert read_config({"CAD_PROJECT": "/else"}, project=tmp_path).project == tmp_path
    assert not read_config({}).read_only


def test_the_address_to_listen_on_comes_from_the_environment_too():
    """Gradio's variable for the port counted, that for the host did not; containers set both."""
    inside = {"GRADIO_SERVER_NAME": "0.0.0.0"}
    assert read_config(inside).host == "0.0.0.0"
    assert read_config(inside, host="127.0.0.1").host == "127.0.0.1"
    assert read_config(inside | {"GRADIO_SERVER_NAME": " "}).host == "127.0.0.1"
    assert read_config(inside | {"GRADIO_SERVER_NAME": "::1", "SPACE_ID": "a/b"}).host == "::1"


def test_the_path_of_a_proxy_comes_from_arguments_and_environment():
    assert read_config({}).root_path == ""
    assert read_config({"GRADIO_ROOT_PATH": "/old/"}).root_path == "/old"
    both = {"GRADIO_ROOT_PATH": "/old", "CAD_ROOT_PATH": "/new"}
    assert read_config(both).root_path == "/new"
    assert read_config(both, root_path="https://a.example/x").root_path == "https://a.example/x"
    for path in ("studio", "/a b", "/a?x", "ftp://a/b", "/<script>"):
        with pytest.raises(SettingError, match=r"is not a path\. Give one such as /studio"):
            read_config({}, root_path=path)


def test_the_pages_that_may_frame_it_come_from_the_environment():
    assert read_config({}).frames == ""
    notebooks = "http://localhost:*  vscode-webview: https://hub.example.org:8000"
    assert read_config({"CAD_FRAMES": notebooks}).frames == " ".join(notebooks.split())
    for bad in ("*", "http://*", "http://a; script-src x", "'self'", "http://a:99999999"):
        with pytest.raises(SettingError, match="CAD_FRAMES names no pages"):
            read_config({"CAD_FRAMES": bad})


def test_on_a_space_it_listens_to_all_and_is_read_only_unless_opened():
    space = {"SPACE_ID": "someone/studio"}
    assert read_config(space).host == "0.0.0.0"
    assert read_config(space).read_only
    assert not read_config(space | {"CAD_READONLY": "0"}).read_only
    assert read_config({"CAD_READONLY": "1"}).read_only


@pytest.mark.parametrize("folder", ["~/pictures", "relative/place"])
def test_a_project_folder_is_made_absolute(folder):
    project = read_config({}, project=Path(folder)).project
    assert project.is_absolute()
    assert "~" not in str(project)


def test_names_it_is_served_under_come_from_arguments_and_environment():
    found = read_config({"CAD_ALLOW_HOSTS": "a.example, b.example:8443"}, allow_hosts=["[::1]"])
    assert found.allow_hosts == ("[::1]", "a.example", "b.example:8443")
    assert not found.trust_proxy
    assert read_config({}, trust_proxy=True).trust_proxy
    assert read_config({"CAD_TRUST_PROXY": "1"}).trust_proxy
    names = {"SPACE_HOST": "olga-studio.hf.space,cad.example.org"}
    assert read_config(names).space_hosts == ()  # not on a Space
    space = read_config(names | {"SPACE_ID": "olga/studio"})
    assert space.space_hosts == ("olga-studio.hf.space", "cad.example.org")


def test_a_name_that_is_an_address_of_a_page_is_told(tmp_path):
    done = run(tmp_path, "--allow-host", "https://studio.example/x")
    assert done.returncode == 2
    assert done.stderr == (
        "'https://studio.example/x' is not the name of a host. Give one such as "
        "studio.example.org with --allow-host or CAD_ALLOW_HOSTS, without http:// and path.\n"
    )
