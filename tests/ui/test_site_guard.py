"""Every route of the running window, Gradio's own among them, is shut to other people's pages."""

import json
import re
import socket
from contextlib import contextmanager

import httpx
import pytest

from cad_studio.config import AppConfig
from cad_studio.services.container import Services
from cad_studio.ui.app import build_window, launch
from cad_studio.ui.site_guard import SiteGuard, sites_of
from tests.ui.small_project import SHAPES, VECTORS, build_services

JSON = {"Content-Type": "application/json"}
FOREIGN = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guard")
    build_services(folder).close()
    # a window that anybody may use, on all addresses of the machine
    built = Services(AppConfig(folder / "project", host="0.0.0.0", allow_hosts=("studio.example",)))
    yield built
    built.close()


@pytest.fixture(scope="module")
def window(services):
    made = build_window(services)
    launch(made, services, prevent_thread_lock=True, quiet=True)
    yield made
    made.close()


@pytest.fixture(scope="module")
def asking(window):
    url = f"http://127.0.0.1:{window.server_port}"
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def config(asking):
    return asking.get("/config").json()


def leaves(found, prefix=""):
    """Paths with their routes, those of included routers and of mounted applications among them."""
    for route in found:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from leaves(inner.routes, prefix)
        elif getattr(route, "routes", None):
            yield from leaves(route.routes, prefix + route.path)
        else:
            yield prefix + route.path, route


def routes(window):
    """Every path and method there is, parameters filled in."""
    for whole, route in leaves(window.app.routes):
        path = re.sub(r"{[^}]*}", "x", whole)
        for method in sorted(getattr(route, "methods", None) or {"GET"}):
            yield method, path


def remove(config, name=SHAPES):
    """The body that removed a dataset in the attack."""
    component = next(
        part["id"] for part in config["components"]
        if part["props"].get("elem_id") == "dataset-page"
    )  # fmt: skip
    data = {"name": name}
    return json.dumps(
        {"session_hash": "s", "component_id": component, "fn_name": "remove", "data": data}
    )


def test_there_are_many_routes_and_gradios_are_among_them(window):
    known = {path for _, path in routes(window)}
    assert len(known) > 80
    assert {"/gradio_api/component_server", "/gradio_api/upload", "/gradio_api/queue/join", "/",
            "/gradio_api/run/x", "/gradio_api/api/x", "/gradio_api/call/x", "/logout",
            "/gradio_api/cad/state"} <= known  # fmt: skip


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil", ""])
def test_no_route_answers_under_another_host(window, asking, host):
    for method, path in routes(window):
        answer = asking.request(method, path, headers={"Host": host, **JSON}, content="{}")
        assert answer.status_code == 403, (method, path)
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "embed"},
        FOREIGN,
    ],
)
def test_no_route_answers_the_page_of_another_site(window, asking, headers):
    for method, path in routes(window):
        answer = asking.request(method, path, headers={**JSON, **headers}, content="{}")
        assert answer.status_code == 403, (method, path)
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "", "text/plain; application/json"]
)
def test_nothing_is_changed_by_what_a_form_can_send(window, asking, kind):
    for method, path in routes(window):
        if method in {"GET", "HEAD", "OPTIONS"}:
            continue
        if (path.rstrip("/"), kind) == ("/login", "application/x-www-form-urlencoded"):
            continue  # gradio_client logs in so; the origin is checked as everywhere
        answer = asking.request(method, path, headers={"Content-Type": kind}, content="{}")
        assert answer.status_code == 403, (method, path)
        assert answer.json()["error"].startswith(("Send this as", "This address is not in use"))


def test_the_attacks_that_removed_a_dataset_do_not(asking, config, services):
    """A form of text/plain on any web page removed one, for Gradio parses any body as JSON."""
    body = remove(config)
    tries = [
        {"Content-Type": "text/plain", **FOREIGN},
        {"Content-Type": "text/plain"},
        {**JSON, **FOREIGN},
        {**JSON, "Origin": "null"},
        {**JSON, "Host": "evil.example", "Origin": "http://evil.example"},
        {**JSON, "X-Forwarded-Host": "evil.example", "Origin": "http://evil.example"},
    ]
    for headers in tries:
        answer = asking.post("/gradio_api/component_server", content=body, headers=headers)
        assert answer.status_code == 403, headers
    assert services.datasets.names() == [SHAPES, VECTORS]


def test_a_preflight_is_refused_and_says_nothing(asking):
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for path in ("/gradio_api/component_server", "/config", "/gradio_api/cad/state"):
        answer = asking.options(path, headers=headers)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


def test_even_its_own_origin_gets_no_cors_header(asking):
    """Gradio's middleware mirrors the origin, for any host but localhost."""
    own = {"Host": "studio.example:7860", "Origin": "http://studio.example:7860"}
    answer = asking.get("/gradio_api/cad/state", headers=own)
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


def test_programs_and_the_studios_own_pages_pass(asking, config):
    """curl sends neither Origin nor Sec-Fetch-Site; a browser sends its own."""
    for headers in (
        {},
        {"Origin": str(asking.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Host": "localhost:9", "Origin": "http://localhost:9"},  # an SSH tunnel from port 9
        {"Host": "studio.example", "Origin": "https://studio.example"},
        {"Host": f"{socket.gethostname()}:80", "Origin": f"http://{socket.gethostname()}"},
        {"Host": "[::1]:7860", "Origin": "http://[::1]:7860"},
        {"Host": "0.0.0.0:7860"},
    ):
        body = remove(config, "no such dataset")
        answer = asking.post(
            "/gradio_api/component_server", content=body, headers={**JSON, **headers}
        )
        assert answer.status_code == 200, headers
        assert "no such dataset" in answer.json()["error"]


def test_gradio_client_on_the_same_machine_works(window):
    from gradio_client import Client

    client = Client(f"http://127.0.0.1:{window.server_port}", verbose=False)
    assert client.view_api(return_format="dict")["named_endpoints"] == {}


def test_a_link_on_another_page_opens_the_studio_and_nothing_else(asking):
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "document"}  # fmt: skip
    opened = asking.get("/?dataset=x", headers=link)
    assert opened.status_code == 200
    assert opened.headers["content-security-policy"] == "frame-ancestors 'self'"
    assert opened.headers["cross-origin-resource-policy"] == "same-origin"
    for path in ("/logout", "/gradio_api/startup-events", "/config", "/gradio_api/cad/state"):
        assert asking.get(path, headers=link).status_code == 403, path
    assert asking.post("/", headers={**link, **JSON}).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/deep_link?session_hash=s", "/gradio_api/proxy=https://x.hf.space/",
        "/gradio_api/file=https://example.com/a.png", "/gradio_api/file=HTTPS://example.com/a.png",
        "/monitoring/x", "/gradio_api/dev/reload", "/gradio_api/token",
    ],
)  # fmt: skip
def test_what_gradio_offers_and_the_studio_does_not_use_is_shut(asking, path):
    """Some of these write or fetch on a plain GET."""
    assert asking.get(path).status_code == 403


def test_a_browser_is_told_in_a_sentence(asking):
    answer = asking.get("/", headers={"Host": "evil.example:7860", "Accept": "text/html,*/*"})
    assert (answer.status_code, answer.headers["content-type"]) == (
        403, "text/plain; charset=utf-8",
    )  # fmt: skip
    assert answer.text == (
        "This studio is not served as evil.example. Whoever started it can add the name: "
        "--allow-host evil.example."
    )


async def _inner(scope, receive, send):
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    told = {name.decode(): value.decode() for name, value in scope["headers"]}
    body = json.dumps({"scheme": scope["scheme"], "headers": told}).encode()
    await send({"type": "http.response.body", "body": body})


@contextmanager
def behind(sites, **options):
    """A guard of these sites before an application that says what reached it."""
    transport = httpx.ASGITransport(SiteGuard(_inner, sites, **options))
    yield transport


def status(transport, headers, method="POST", path="/gradio_api/component_server"):
    import anyio

    async def ask():
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7860") as one:
            return await one.request(method, path, headers={**JSON, **headers}, content="{}")

    return anyio.run(ask)


LOCAL = ("127.0.0.1", (), (), False)
SPACE = ("0.0.0.0", (), ("olga-studio.hf.space", "Cad.Example.org"), False)
PROXY = ("127.0.0.1", ("studio.example",), (), True)


@pytest.mark.parametrize(
    ("served", "headers", "expected"),
    [
        # a name of the owner's proxy counts only where the owner said so, and beside a good host
        (LOCAL, {"X-Forwarded-Host": "evil.example", "Origin": "http://evil.example"}, 403),
        (PROXY, {"X-Forwarded-Host": "studio.example", "Origin": "https://studio.example"}, 200),
        (PROXY, {"X-Forwarded-Host": "a.example, b", "Origin": "https://a.example"}, 403),
        (PROXY, {"Host": "evil.example", "X-Forwarded-Host": "studio.example",
                 "Origin": "http://evil.example"}, 403),
        (PROXY, {"X-Forwarded-Host": "studio.example", "Origin": "http://evil.example"}, 403),
        (PROXY, {"Host": "studio.example:8443", "Origin": "https://studio.example:8443"}, 200),
        (PROXY, {"Host": "studio.example", "Origin": "https://studio.example:8443"}, 403),
        (SPACE, {"Host": "olga-studio.hf.space", "Origin": "https://olga-studio.hf.space"}, 200),
        (SPACE, {"Origin": "https://olga-studio.hf.space"}, 200),
        (SPACE, {"Host": "cad.example.org", "Origin": "https://cad.example.org",
                 "Sec-Fetch-Site": "same-origin"}, 200),
        (SPACE, {"Host": "olga-studio.hf.space", "Origin": "https://eve-page.hf.space",
                 "Sec-Fetch-Site": "cross-site"}, 403),
        (SPACE, {"Host": "olga-studio.hf.space", "Origin": "https://huggingface.co"}, 403),
        (SPACE, {"Host": "eve.hf.space"}, 403),
        (LOCAL, {"Origin": "ftp://127.0.0.1:7860"}, 403),
        (LOCAL, {"Origin": "http://127.0.0.1:7860/"}, 403),
        (LOCAL, {"Origin": "http://127.0.0.1:7860", "Sec-Fetch-Site": "cross-site"}, 403),
        (LOCAL, {"Sec-Fetch-Site": "none"}, 403),
        (LOCAL, {"Host": "localhost.:7860"}, 200),
        (LOCAL, {"Host": "LocalHost:7860", "Origin": "http://localhost:7860"}, 200),
        (LOCAL, {"Host": "user@localhost"}, 403),
        (LOCAL, {"Host": "[::ffff:127.0.0.1]:7860"}, 200),
    ],
)  # fmt: skip
def test_each_way_of_serving(served, headers, expected):
    with behind(sites_of(*served)) as transport:
        assert status(transport, headers).status_code == expected


def test_a_space_is_shown_by_hugging_face_alone():
    with behind(sites_of(*SPACE)) as transport:
        frame = {"Host": "olga-studio.hf.space", "Sec-Fetch-Site": "cross-site",
                 "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}  # fmt: skip
        answer = status(transport, frame, "GET", "/")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert policy == "frame-ancestors 'self' https://huggingface.co"


def test_a_shared_link_works_once_it_is_known():
    known = []
    with behind(sites_of(*LOCAL), share_url=lambda: known[0] if known else None) as transport:
        asked = {"Host": "abc.gradio.live", "Origin": "https://abc.gradio.live"}
        assert status(transport, asked).status_code == 403
        known.append("https://abc.gradio.live")
        assert status(transport, asked).status_code == 200
        assert status(transport, {"Host": "eve.gradio.live"}).status_code == 403


def test_under_a_path_of_a_proxy_logins_and_uploads_keep_their_content_types():
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    with behind(sites_of(*LOCAL), root_path="https://studio.example/cad/") as transport:
        for path, expected in (
            ("/cad/gradio_api/upload", 200), ("/gradio_api/upload", 200), ("/cad/login", 200),
            ("/cad/gradio_api/component_server", 403), ("/else/gradio_api/upload", 403),
        ):  # fmt: skip
            assert status(transport, form, path=path).status_code == expected, path


def test_what_stands_behind_sees_no_origin_and_no_name_unasked():
    given = {"Origin": "http://127.0.0.1:7860", "X-Forwarded-Host": "a.example",
             "X-Forwarded-Proto": "https"}  # fmt: skip
    with behind(sites_of(*LOCAL)) as transport:
        seen = status(transport, given).json()
    assert {"origin", "x-forwarded-host"} & set(seen["headers"]) == set()
    assert seen["scheme"] == "http"
    given |= {"X-Forwarded-Host": "studio.example", "Origin": "https://studio.example"}
    with behind(sites_of(*PROXY)) as transport:
        assert status(transport, given).json()["scheme"] == "https"


@pytest.mark.parametrize(
    ("sites", "told", "root_path", "host"),
    [
        (PROXY, "/studio", "", "studio.example/studio"),
        (PROXY, "/a/b-c/, /inner", "", "studio.example/a/b-c"),
        (PROXY, "/studio", "/given", "studio.example"),  # what is given at the start goes before
        (PROXY, "//evil.example", "", "studio.example"),
        (PROXY, "/..", "", "studio.example"),
        (PROXY, "/a?b", "", "studio.example"),
        (LOCAL, "/studio", "", None),
    ],
)
def test_the_path_before_the_studio_is_the_trusted_proxys_word_alone(sites, told, root_path, host):
    given = {"X-Forwarded-Host": "studio.example", "X-Forwarded-Prefix": told}
    with behind(sites_of(*sites), root_path=root_path) as transport:
        seen = status(transport, given).json()["headers"]
    assert seen.get("x-forwarded-host") == host
    assert "x-forwarded-prefix" not in seen


def test_a_websocket_of_another_site_is_closed():
    import anyio

    async def connect(origin, host="127.0.0.1:7860"):
        sent = []

        async def send(message):
            sent.append(message["type"])

        headers = [(b"host", host.encode()), (b"origin", origin.encode())]
        scope = {"type": "websocket", "path": "/x", "scheme": "ws", "headers": headers}
        await SiteGuard(_inner, sites_of(*LOCAL))(scope, None, send)
        return sent

    assert anyio.run(connect, "http://127.0.0.1:7860") == ["websocket.accept"]
    assert anyio.run(connect, "http://evil.example") == ["websocket.close"]
    assert anyio.run(connect, "http://evil.example", "evil.example") == ["websocket.close"]
