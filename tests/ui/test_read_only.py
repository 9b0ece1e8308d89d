"""A read-only studio refuses changes also to those who ask the server directly."""

from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from cad_studio.ui.app import build_window, launch
from tests.ui.small_project import SHAPES, VECTORS, build_services

SESSION = "session-of-a-test"
REFUSED = "This studio is read-only."


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    built = build_services(tmp_path_factory.mktemp("read-only"), read_only=True)
    yield built
    built.close()


@pytest.fixture(scope="module")
def server(services):
    window = build_window(services)
    launch(window, services, prevent_thread_lock=True, quiet=True)
    address = window.local_url.rstrip("/")
    with httpx.Client(base_url=address, trust_env=False, timeout=30) as asking:
        yield asking
    window.close()


@pytest.fixture(scope="module")
def config(server):
    return server.get("/config").json()


@pytest.mark.parametrize(
    ("viewer", "function", "wanted"),
    [
        ("dataset-page", "start_import", {"fields": {"source": "/", "name": "mine"}}),
        ("dataset-page", "preview_import", {"fields": {"source": "/"}}),
        ("dataset-page", "synthesize", {"name": SHAPES, "fields": {}}),
        ("dataset-page", "export", {"name": SHAPES, "fields": {"format": "csv"}}),
        ("pairs-page", "mine", {"name": SHAPES, "fields": {"features": "pixels"}}),
        ("dataset-page", "remove", {"name": SHAPES}),
        ("header", "stop", {"job": 1}),
        ("header", "resume", {"job": 1}),
        ("annotate-page", "take", {"dataset": SHAPES, "queue": 1}),
        ("annotate-page", "open_queue", {"dataset": SHAPES, "order": "random"}),
        ("annotate-page", "select", {"dataset": SHAPES, "rows": [1]}),
        ("annotate-page", "restore", {"dataset": SHAPES, "number": 0, "action": {"key": "k"}}),
        ("annotate-page", "export", {"dataset": SHAPES, "format": "votes"}),
        ("annotate-page", "difference", {"dataset": SHAPES, "file_name": "a.csv", "text": ""}),
        ("dataset-page", "search_picture", {"name": SHAPES, "content": ""}),
        ("dataset-page", "hub_models", {"name": SHAPES}),
        ("dataset-page", "extract_features", {"name": SHAPES, "features": "hf:a/b"}),
        ("train-page", "start", {"request": {"dataset": SHAPES, "method": "proden"}}),
        ("train-page", "pack", {"request": {"dataset": SHAPES, "method": "proden"}}),
        ("train-page", "take", {"path": "/tmp/a.result.zip"}),
        ("train-page", "estimate", {"dataset": SHAPES, "method": "proden"}),
        ("train-page", "stop", {"job": 1}),
        ("train-page", "resume", {"job": 1}),
        ("train-page", "move", {"job": 1, "to": "first"}),
        ("train-page", "rename", {"run": 1, "name": "x"}),
        ("train-page", "note", {"run": 1, "note": "x"}),
        ("train-page", "remove", {"run": 1}),
        ("train-page", "restore", {"run": 1}),
        ("train-page", "purge", {}),
        ("train-page", "push", {"run": 1, "repo": "a/b", "private": True}),
        ("diagnose-page", "diagnose", {"run": 1}),
        ("diagnose-page", "lay_out", {"name": SHAPES, "features": "pixels"}),
        ("diagnose-page", "find_suspects", {"name": SHAPES, "run": 1}),
        ("diagnose-page", "report", {"run": 1}),
    ],
)
def test_no_server_function_changes_the_project(server, config, services, viewer, function, wanted):
    (component,) = (
        part["id"] for part in config["components"] if part["props"].get("elem_id") == viewer
    )
    body = {"session_hash": SESSION, "component_id": component, "data": wanted}
    answer = server.post("/gradio_api/component_server", json={**body, "fn_name": function})
    assert answer.json()["error"].startswith(REFUSED)
    assert services.datasets.names() == [SHAPES, VECTORS]
    assert services.jobs.recent() == []


def test_uploads_are_refused(server):
    answer = server.post("/gradio_api/upload", files={"files": ("a.npz", b"\0")})
    assert answer.status_code == 403
    assert answer.json()["error"].startswith(REFUSED)


def test_everything_may_still_be_looked_at(server):
    state = server.get("/gradio_api/cad/state").json()
    assert state["read_only"] is True
    assert [data["name"] for data in state["datasets"]] == [SHAPES, VECTORS]
    trial = f"/gradio_api/cad/annotate/{quote(SHAPES)}/trial"
    cards = server.get(trial, params={"order": "random"}).json()["cards"]
    assert [card["position"] for card in cards] == list(range(len(cards)))
    row, held = cards[0]["rows"][0], cards[0]["sides"][0]["candidates"]
    answers = f"{row}:{held[0]}"
    worth = server.get(f"{trial}/worth", params={"order": "random", "answers": answers}).json()
    assert worth["n"] == 1


def test_files_of_the_project_and_of_the_studio_are_not_handed_out(server, services):
    files = [next(services.project.folder.glob("*.db*")), Path(__file__).parents[2] / "app.py"]
    for file in files:
        assert file.is_file()
        assert server.get(f"/gradio_api/file={file}").status_code == 403


def test_no_handler_is_offered_to_programs(server):
    """Hidden is not closed, which the roles see to, but nothing invites a call either."""
    offered = server.get("/gradio_api/info").json()
    assert (offered["named_endpoints"], offered["unnamed_endpoints"]) == ({}, {})
