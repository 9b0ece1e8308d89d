"""On a Space people log in with Hugging Face: Gradio's real login, against a provider made here."""

import time
from contextlib import contextmanager

import gradio.oauth
import httpx
import pytest

from cad_studio.config import AppConfig
from cad_studio.services.access import login_from
from cad_studio.services.container import Services
from cad_studio.ui.app import build_window, launch
from tests.ui.openid_provider import CLIENT, SECRET, provider
from tests.ui.small_project import SHAPES, build_services
from tests.ui.test_login import ask, label

CAD = "/gradio_api/cad"


@pytest.fixture(scope="module")
def hub():
    with provider() as server:
        yield server


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    build_services(folder).close()
    space = {"SPACE_ID": "olga/studio", "OAUTH_CLIENT_ID": CLIENT, "SPACE_AUTHOR_NAME": "olga"}
    login = login_from({**space, "CAD_ANNOTATORS": "anna"}, None)
    built = Services(AppConfig(folder / "project"), login=login)
    yield built
    built.close()


@pytest.fixture(scope="module")
def url(services, hub):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradio.oauth, "get_space", lambda: "olga/studio")
        for name, value in (
            ("OAUTH_CLIENT_ID", CLIENT), ("OAUTH_CLIENT_SECRET", SECRET),
            ("OAUTH_SCOPES", "openid profile"), ("OPENID_PROVIDER_URL", hub.url),
        ):  # fmt: skip
            patch.setattr(gradio.oauth, name, value)
        window = build_window(services)
        launch(window, services, prevent_thread_lock=True, quiet=True)
        yield window.local_url.rstrip("/")
        window.close()


@pytest.fixture(scope="module")
def config(url):
    return httpx.get(f"{url}/config", trust_env=False).json()


class Browser(httpx.Client):
    """Sends the cookies of a page over HTTPS, which the studio on this machine does not speak."""

    def send(self, request, **options):
        kept = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.cookies.jar)
        if kept:
            request.headers["Cookie"] = kept
        return super().send(request, **options)


@contextmanager
def visiting(url, hub, name=None, seconds=3600):
    """Someone with a browser; with a name, after the login that the button begins."""
    hub.name, hub.seconds = name, seconds
    with Browser(base_url=url, trust_env=False, timeout=30) as asking:
        if name:
            asked = asking.get("/login/huggingface")
            assert asked.headers["location"].startswith(f"{hub.url}/authorize")
            allowed = httpx.get(asked.headers["location"], trust_env=False)
            back = asking.get(allowed.headers["location"])
            assert back.headers["location"].startswith("/")
        yield asking


def role(asking):
    found = asking.get(f"{CAD}/annotate/{SHAPES}").json()
    return found["role"], found["login"]


def test_roles_follow_the_name_that_hugging_face_gives(url, hub):
    for name, expected in (("olga", "owner"), ("anna", "annotator"), ("vera", "viewer")):
        with visiting(url, hub, name) as asking:
            assert role(asking) == (expected, name)


def test_a_visitor_may_look_and_has_no_name(url, hub, config, services):
    """The page took the name in its address for one that was checked."""
    with visiting(url, hub) as asking:
        assert role(asking) == ("viewer", None)
        answer = label(asking, config, "nobody").json()["answers"][0]
        assert answer["error"].startswith("Log in first")
        wanted = {"fields": {"source": "/", "name": "mine"}}
        refused = ask(asking, config, "start_import", wanted, "dataset-page").json()["error"]
        assert refused.startswith("Log in first")
    assert services.history.newest(SHAPES)["head"] == 0


def test_actions_are_written_down_under_the_name_that_was_checked(url, hub, config):
    with visiting(url, hub, "anna") as asking:
        answer = label(asking, config, "anna").json()["answers"][0]
        assert answer["rows"]["0"]["said"] == {"anna": [1]}
        refused = ask(asking, config, "export", {"dataset": SHAPES, "format": "votes"}).json()
        assert "needs the role owner" in refused["error"]


def test_a_login_ends_when_its_time_is_up_or_by_logging_out(url, hub):
    """An expired session went on as the owner's."""
    with visiting(url, hub, "olga", seconds=1) as asking:
        assert role(asking)[0] == "owner"
        time.sleep(2.1)
        assert role(asking) == ("viewer", None)
    with visiting(url, hub, "olga") as asking:
        assert asking.get("/logout").status_code == 405
        assert role(asking) == ("owner", "olga")
        asking.post("/logout", json={})
        assert role(asking) == ("viewer", None)


def test_a_made_up_session_is_no_login(url):
    with Browser(base_url=url, trust_env=False) as asking:
        asking.cookies.set("session", "eyJvYXV0aF9pbmZvIjp7fX0=.made.up")
        assert role(asking) == ("viewer", None)


@pytest.mark.parametrize(
    ("name", "status"), [(None, 403), ("vera", 403), ("anna", 403), ("olga", 200)]
)
def test_only_owners_upload(url, hub, name, status):
    with visiting(url, hub, name) as asking:
        file = {"files": ("a.npz", b"\0" * 5000)}
        assert asking.post("/gradio_api/upload", files=file).status_code == status
