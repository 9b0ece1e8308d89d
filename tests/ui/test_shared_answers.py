"""Answers that are equal for all who follow a training are computed once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cad_studio.config import AppConfig
from cad_studio.services.access import Login, read_users, user_line
from cad_studio.services.container import Services
from cad_studio.services.training.runs import RunService
from cad_studio.ui import answers as answers_module
from cad_studio.ui import routes
from cad_studio.ui.addresses import PREFIX
from cad_studio.ui.shared_answers import SharedAnswers
from tests.ui.small_project import build_services

CLIENTS = 200


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    built = build_services(tmp_path_factory.mktemp("shared"))
    yield built
    built.close()


def test_many_who_ask_at_once_wait_for_one_computation():
    made, gate = [], threading.Event()
    answers = SharedAnswers(lambda: 0)

    def make():
        made.append(threading.get_ident())
        gate.wait(10)
        return len(made)

    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(answers.get, "same", make) for _ in range(20)]
        while not made:
            time.sleep(0.001)
        gate.set()
        assert [each.result() for each in waiting] == [1] * 20
    assert len(made) == 1


def test_a_change_of_this_process_is_seen_at_once_and_one_of_another_soon():
    now, stamp = [0.0], [0]
    answers = SharedAnswers(lambda: stamp[0], 0.5, lambda: now[0])
    values = iter(range(10))
    ask = lambda: answers.get("key", lambda: next(values))  # noqa: E731
    assert [ask(), ask()] == [0, 0]
    stamp[0] += 1
    assert [ask(), ask()] == [1, 1]
    now[0] += 0.4
    assert ask() == 1
    now[0] += 0.2
    assert ask() == 2
    assert answers.get("another key", lambda: "own") == "own"


def test_an_error_is_told_to_everybody_who_waited_and_is_not_kept():
    answers = SharedAnswers(lambda: 0)

    def fails():
        raise KeyError("gone")

    for _ in range(2):
        with pytest.raises(KeyError, match="gone"):
            answers.get("key", fails)
    assert answers.get("key", lambda: "there again") == "there again"


def test_what_every_window_asks_for_is_shared(services, monkeypatch):
    """200 windows that followed a training held every other request for up to 40 s."""
    monkeypatch.setattr(routes, "SharedAnswers", partial(SharedAnswers, seconds=60.0))
    counted = []
    all_runs = RunService.all
    monkeypatch.setattr(
        RunService, "all", lambda self, **given: counted.append(1) or all_runs(self, **given)
    )
    built = routes.build_routes(services)
    with TestClient(Starlette(routes=built)) as asking, ThreadPoolExecutor(8) as pool:
        path = f"{PREFIX}/training/runs"
        got = list(pool.map(lambda _: asking.get(path).json(), range(CLIENTS)))
    assert all(answer == got[0] for answer in got)
    assert len(counted) == 1


def test_a_name_is_told_to_nobody_else(tmp_path):
    """Of two who asked within half a second, the second window took the name of the first."""
    names = {"anna": "annotator", "bob": "annotator", "olga": "owner"}
    lines = "\n".join(user_line(name, role, "a long word") for name, role in names.items())
    services = Services(AppConfig(tmp_path / "project"), login=Login(read_users(lines, "users")))
    app = Starlette(routes=routes.build_routes(services))
    app.auth, app.cookie_id, app.tokens = True, "test", {name: name for name in names}
    paths = [route.path for route in routes.build_api(services).routes if "{" not in route.path]
    assert "/state" in paths
    for path in paths:
        told = {}
        for name in ("olga", "anna", "bob"):
            asking = TestClient(app, cookies={"access-token-test": name})
            told[name] = asking.get(PREFIX + path).text
        assert "anna" not in told["bob"], path
        if path == "/state":
            assert '"login":"bob"' in told["bob"]
    services.close()


def test_large_shared_answers_travel_packed_where_the_browser_unpacks_them(services, monkeypatch):
    packed = []
    pack = answers_module._packed
    monkeypatch.setattr(answers_module, "_packed", lambda each: packed.append(1) or pack(each))
    monkeypatch.setattr(answers_module, "_WORTH_PACKING", 20)
    client = TestClient(Starlette(routes=routes.build_routes(services)))
    path = f"{PREFIX}/training/runs"
    plain = client.get(path, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    for _ in range(3):
        found = client.get(path, headers={"Accept-Encoding": "gzip, br"})
        assert found.headers["content-encoding"] == "br"
        assert found.headers["vary"] == "Accept-Encoding"
        assert found.json() == plain.json()
    assert packed == [1]
