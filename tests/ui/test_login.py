"""With a login, every way in asks for it: pages, routes, server functions, the queue, uploads."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from cad_studio.config import AppConfig
from cad_studio.services.access import Login, read_users, user_line
from cad_studio.services.container import Services
from cad_studio.ui.app import build_window, launch
from cad_studio.ui.identity import visitor
from tests.ui.small_project import SHAPES, build_services

WORDS = {"vera": "viewer's word", "anna": "annotator's word", "olga": "owner's word"}
ROLES = {"vera": "viewer", "anna": "annotator", "olga": "owner"}
CAD = "/gradio_api/cad"
FAR = [{"X-Forwarded-For": f"192.0.2.{number}"} for number in range(3)]
"""Other machines, as a proxy on this one tells them: wrong passwords hold up an address."""


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    folder = tmp_path_factory.mktemp("login")
    build_services(folder).close()
    lines = "\n".join(user_line(name, ROLES[name], WORDS[name]) for name in ROLES)
    login = Login(read_users(lines, "users"))
    built = Services(AppConfig(folder / "project"), login=login)
    yield built
    built.close()


@pytest.fixture(scope="module")
def url(services):
    window = build_window(services)
    launch(window, services, prevent_thread_lock=True, quiet=True)
    yield window.local_url.rstrip("/")
    window.close()


@pytest.fixture(scope="module")
def config(url):
    with person(url, "olga") as asking:
        return asking.get("/config").json()


@contextmanager
def person(url, name=None):
    """Someone with a browser, logged in or not."""
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as asking:
        if name:
            known = {"username": name, "password": WORDS[name]}
            asking.post("/login", data=known).raise_for_status()
        yield asking


def ask(asking, config, function, wanted, viewer="annotate-page"):
    component = next(
        part["id"] for part in config["components"] if part["props"].get("elem_id") == viewer
    )
    body = {"session_hash": "s", "component_id": component, "fn_name": function, "data": wanted}
    return asking.post("/gradio_api/component_server", json=body)


def label(asking, config, key):
    action = {"kind": "label", "rows": [0], "arguments": {"class": 1}, "key": key, "who": "me"}
    return ask(asking, config, "act", {"dataset": SHAPES, "actions": [action]})


@pytest.mark.parametrize(
    "path",
    [
        "/config", f"{CAD}/state", f"{CAD}/annotate/{SHAPES}", f"{CAD}/annotate/{SHAPES}/history",
        f"{CAD}/annotate/{SHAPES}/history.jsonl", f"{CAD}/annotate/{SHAPES}/card?rows=1",
        f"{CAD}/annotate/{SHAPES}/agreement", f"{CAD}/training/runs", f"{CAD}/image/x/{SHAPES}/1",
    ],
)  # fmt: skip
def test_nothing_is_read_without_a_login(url, path):
    with person(url) as asking:
        assert asking.get(path).status_code == 401


def test_nothing_is_done_without_a_login(url, config, services):
    with person(url) as asking:
        assert label(asking, config, "nobody").status_code == 401
        joined = {"data": ["/", None, "mine"], "fn_index": 0, "session_hash": "s"}
        assert asking.post("/gradio_api/queue/join", json=joined).status_code == 401
        uploaded = asking.post("/gradio_api/upload", files={"files": ("a.npz", b"\0" * 50)})
        assert uploaded.status_code == 401
    assert services.history.newest(SHAPES)["head"] == 0


def test_a_wrong_password_is_refused(url):
    with person(url) as asking:
        wrong = {"username": "anna", "password": "guess"}
        answer = asking.post("/login", data=wrong)
    assert answer.status_code == 401
    assert answer.json() == {"error": "This name and password do not belong together."}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_cookie_is_as_strict_as_the_way_it_is_served(url, scheme):
    """It was SameSite=None, which other sites' requests carry too."""
    with person(url) as asking:
        # as a TLS proxy on this machine tells it
        known = {"username": "vera", "password": WORDS["vera"]}
        answer = asking.post("/login", data=known, headers={"X-Forwarded-Proto": scheme})
    (cookie,) = answer.headers.get_list("set-cookie")
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert parts == {
        "httponly",
        "path=/",
        "samesite=lax",
        *(["secure"] if scheme == "https" else []),
    }


def test_logging_out_ends_one_session_and_only_by_post(url):
    """It ended every session of the person, on a GET that any page can cause."""
    with person(url, "olga") as here, person(url, "olga") as there:
        assert here.get("/logout").status_code == 405
        assert here.get("/config").status_code == 200
        old = dict(here.cookies)
        assert here.post("/logout", json={}).json() == {"success": True}
        assert dict(here.cookies) == {}
        assert there.get("/config").status_code == 200
        here.cookies.update(old)
        assert here.get("/config").status_code == 401


@pytest.mark.parametrize(("name", "status"), [(None, 401), ("vera", 403), ("anna", 403),
                                              ("olga", 200)])  # fmt: skip
def test_only_owners_upload(url, name, status):
    with person(url, name) as asking:
        for path in ("/gradio_api/upload", "/gradio_api/upload?upload_id=x"):
            answer = asking.post(path, files={"files": ("a.npz", b"\0" * 50)})
            assert answer.status_code == status, answer.text


def test_gradio_client_logs_in_on_the_same_machine(url):
    from gradio_client import Client

    client = Client(url, auth=("olga", WORDS["olga"]), verbose=False)
    assert client.view_api(return_format="dict")["named_endpoints"] == {}


def test_many_wrong_passwords_are_made_to_wait(url):
    with person(url) as asking:
        tried = {"username": "nobody there", "password": "guess"}
        for _ in range(5):
            assert asking.post("/login", json=tried, headers=FAR[0]).status_code == 401
        answer = asking.post("/login", json=tried, headers=FAR[0])
    assert answer.status_code == 429
    seconds = answer.headers["retry-after"]
    assert seconds in {"1", "2"}
    assert answer.json()["error"] == (
        "Too many wrong passwords for this name or from this address. "
        f"Wait {seconds} s, then try again."
    )


@pytest.mark.parametrize(
    ("body", "status"), [(b"x" * 20_000, 413), (b"[]", 401), (b"no json", 401), (b'{"a": 1}', 401)]
)
def test_a_login_that_is_none_is_refused(url, body, status):
    with person(url) as asking:
        kind = {"Content-Type": "application/json"}
        answer = asking.post("/login", content=body, headers=kind | FAR[1])
    assert answer.status_code == status


def test_wrong_passwords_hold_up_nobody(url, monkeypatch):
    """A dozen at once stalled the whole server for seconds: each was hashed in its event loop."""
    began, go_on = threading.Event(), threading.Event()
    scrypt = hashlib.scrypt

    def slow(*given, **settings):
        began.set()
        go_on.wait(20)
        return scrypt(*given, **settings)

    monkeypatch.setattr(hashlib, "scrypt", slow)
    with ThreadPoolExecutor(12) as pool, person(url) as asking:
        tries = [
            pool.submit(httpx.post, f"{url}/login", json={"username": f"n{n}", "password": "x"},
                        headers=FAR[2], trust_env=False, timeout=60)
            for n in range(12)
        ]  # fmt: skip
        try:
            assert began.wait(20)
            assert asking.get(f"{CAD}/state").status_code == 401  # answered while all of them wait
            assert not any(each.done() for each in tries)
        finally:
            go_on.set()
        assert {each.result().status_code for each in tries} <= {401, 429}


def test_an_annotator_cannot_name_a_file_as_the_features_of_a_queue(url, config, services):
    """The server opened whatever path was given."""
    wanted = {
        "dataset": SHAPES,
        "order": "expected-gain",
        "settings": {"features": "npy:/etc/passwd"},
    }
    with person(url, "anna") as annotator:
        refused = ask(annotator, config, "open_queue", wanted).json()["error"]
        wanted["settings"]["features"] = "pixels"
        assert "queue" in ask(annotator, config, "open_queue", wanted).json()
    assert refused == (
        "anna has the role annotator; only an owner may name a file or model such as "
        "'npy:/etc/passwd'. Choose what exists already, or ask an owner."
    )


def test_roles_hold_for_server_functions(url, config, services):
    with person(url, "vera") as viewer:
        answer = label(viewer, config, "vera").json()["answers"][0]
        assert answer["error"].startswith("vera has the role viewer")
        assert viewer.get(f"{CAD}/annotate/{SHAPES}").json()["role"] == "viewer"
    with person(url, "anna") as annotator:
        answer = label(annotator, config, "anna").json()["answers"][0]
        assert answer["rows"]["0"]["said"] == {"anna": [1]}  # not the name the window gave
        refused = ask(annotator, config, "export", {"dataset": SHAPES, "format": "votes"}).json()
        assert "needs the role owner" in refused["error"]
    with person(url, "olga") as owner:
        restored = {"dataset": SHAPES, "number": 0, "action": {"key": "back"}}
        assert ask(owner, config, "restore", restored).json()["changed"] == 1


@pytest.mark.parametrize("name", ["vera", "anna"])
def test_roles_hold_for_forms(url, config, services, name):
    wanted = {"fields": {"source": "/", "name": "mine"}}
    with person(url, name) as asking:
        for function in ("start_import", "preview_import"):
            refused = ask(asking, config, function, wanted, "dataset-page").json()["error"]
            assert refused.startswith(f"{name} has the role ")
    assert services.jobs.recent() == []


def test_an_owners_form_starts_its_job(url, config, services):
    wanted = {"name": SHAPES, "fields": {"format": "csv"}}
    with person(url, "olga") as asking:
        [job] = ask(asking, config, "export", wanted, "dataset-page").json().values()
    assert services.jobs.get(job).arguments == {"name": SHAPES, "format": "csv"}


class Asked:
    """A request as Starlette has it, with a session of Hugging Face's login."""

    def __init__(self, session):
        self.scope = {"app": object(), "session": session}
        self.cookies = {}


def test_a_hugging_face_login_gives_the_name():
    info = {"oauth_info": {"userinfo": {"preferred_username": "olga"}}}
    assert visitor(Asked(info)) == "olga"
    assert visitor(Asked({})) is None
    assert visitor(None) is None


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({}, "lacks 'dataset'"),
        ({"dataset": SHAPES, "actions": [{"kind": "label"}]}, "needs a key"),
        ({"dataset": SHAPES, "actions": [{"kind": 3, "key": "k"}]}, "kind is 3"),
        ({"dataset": SHAPES, "actions": [{"kind": "label", "key": "k", "rows": ["1"]}]}, "whole"),
        (
            {"dataset": SHAPES, "actions": [{"kind": "label", "key": "k", "fast": 1}]},
            "no part 'fast'",
        ),
        (
            {"dataset": SHAPES, "actions": [{"kind": "label", "key": "k", "known": [1]}]},
            "lacks 'known.1'",
        ),
        ({"dataset": SHAPES, "actions": [{"kind": "label", "key": "k", "seconds": -1}]}, "seconds"),
    ],
)
def test_requests_that_are_none_are_told(url, config, wanted, words):
    with person(url, "olga") as asking:
        answer = ask(asking, config, "act", wanted).json()
    assert words in (answer.get("error") or answer["answers"][0]["error"])
