"""Pages of other people in a real browser, with two origins: none of them drives the studio."""

import json
from contextlib import closing
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import expect

from cad_studio.services.access import user_line
from tests.browser.conftest import FLAGS, Studio, start_studio
from tests.browser.other_site import (
    ATTACK,
    CALLS,
    EVIL,
    READING,
    REBOUND,
    RESOLVER,
    other_site,
)
from tests.browser.reverse_proxy import reverse_proxy
from tests.browser.steps import READY_MS, open_page, toast
from tests.ui.small_project import SHAPES, VECTORS, build_services

pytestmark = pytest.mark.long

WORDS = "owner's word"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sites")
    build_services(folder).close()
    return folder / "project"


@pytest.fixture(scope="module")
def open_studio(chromium, project):
    """Whoever is on this machine owns it."""
    yield from start_studio(project, GRADIO_TEMP_DIR=str(project.parent / "uploads"))


@pytest.fixture(scope="module")
def closed_studio(chromium, project):
    """The same project, with a login, behind a proxy or not."""
    users = ";".join(user_line(name, "owner", WORDS) for name in ("olga", "otto"))
    temporary = str(project.parent / "uploads")
    yield from start_studio(
        project, CAD_USERS=users, CAD_TRUST_PROXY="1", GRADIO_TEMP_DIR=temporary
    )


@pytest.fixture(scope="module")
def browser(chromium, playwright):
    """A browser to which the names of the attackers are this machine."""
    found = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, RESOLVER])
    yield found
    found.close()


@pytest.fixture
def tab(browser):
    context = browser.new_context()
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def log_in(tab, studio, name="olga"):
    tab.goto(studio.url)
    tab.fill("[name=username]", name)
    tab.fill("[name=password]", WORDS)
    tab.click("#login button")
    tab.wait_for_selector("#header-log-out", timeout=READY_MS)


def cookies_of(tab):
    return {each["name"]: each["value"] for each in tab.context.cookies()}


def attack(tab, studio, cookies):
    """Set up a page's script with the body that removed a dataset."""
    port = urlsplit(studio.url).port
    with httpx.Client(base_url=studio.url, trust_env=False, cookies=cookies) as asking:
        config = asking.get("/config").raise_for_status().json()
        version = asking.get("/gradio_api/cad/state").json()["datasets"][0]["version"]
    (component,) = (
        part["id"] for part in config["components"]
        if part["props"].get("elem_id") == "dataset-page"
    )  # fmt: skip
    body = {"session_hash": "s", "component_id": component, "fn_name": "remove",
            "data": {"name": SHAPES}}  # fmt: skip
    host = urlsplit(tab.url).hostname if tab.url.startswith("http") else "127.0.0.1"
    target = f"http://{host if host == REBOUND else '127.0.0.1'}:{port}"
    tab.evaluate(ATTACK)
    image = f"/gradio_api/cad/image/{version}/{SHAPES}/1"
    tab.evaluate("given => prepare(...given)", [target, json.dumps(body), image])


def answers(tab, studio):
    """Fills with the status of each answer of the studio that the browser gets."""
    seen = []
    port = urlsplit(studio.url).port
    tab.on("response", lambda one: seen.append(one) if urlsplit(one.url).port == port else None)
    return seen


def run_attacks(tab, studio, cookies=None):
    attack(tab, studio, cookies or {})
    seen = answers(tab, studio)
    told = {name: tab.evaluate("name => attack(name)", name) for name in CALLS}
    assert {name: told[name] for name in READING} == dict.fromkeys(READING, "failed")
    got = {(one.request.method, urlsplit(one.url).path, one.status) for one in seen}
    assert {each for each in got if each[2] != 403} == set()
    assert {"/gradio_api/component_server", "/login", "/logout"} <= {path for _, path, _ in got}
    assert not list((studio.project.parent / "uploads").rglob("stolen*"))
    assert names(studio, cookies) == [SHAPES, VECTORS]


def names(studio, cookies=None):
    with httpx.Client(base_url=studio.url, trust_env=False, cookies=cookies) as asking:
        found = asking.get("/gradio_api/cad/state").raise_for_status().json()["datasets"]
    return sorted(each["name"] for each in found)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", EVIL])
def test_no_page_of_another_site_drives_an_open_studio(tab, open_studio, host):
    """A form on any web page removed a dataset; so did `fetch` without CORS."""
    with other_site() as port:
        tab.goto(f"http://{host}:{port}")
        run_attacks(tab, open_studio)


@pytest.mark.parametrize("host", ["localhost", EVIL])
def test_nor_one_with_the_cookie_of_an_owner(tab, closed_studio, host):
    log_in(tab, closed_studio)
    cookies = cookies_of(tab)
    with other_site() as port:
        tab.goto(f"http://{host}:{port}")
        run_attacks(tab, closed_studio, cookies)


def test_a_name_that_is_pointed_at_this_machine_opens_nothing(tab, open_studio):
    """DNS rebinding: to the browser, page and studio are of one origin."""
    port = urlsplit(open_studio.url).port
    answer = tab.goto(f"http://{REBOUND}:{port}/")
    assert answer.status == 403
    assert f"This studio is not served as {REBOUND}." in tab.inner_text("body")
    # a page of that name, such as this one, asks its own origin
    run_attacks(tab, open_studio)


def test_the_studio_is_shown_in_no_frame_of_another_site(tab, open_studio):
    """Someone would click on it without knowing."""
    with other_site() as port:
        tab.goto(f"http://localhost:{port}")
        said = []
        tab.on("console", lambda note: said.append(note.text))
        tab.evaluate("url => { const f = document.createElement('iframe'); f.src = url; "
                     "document.body.append(f); }", open_studio.url)  # fmt: skip
        tab.wait_for_timeout(1500)
        assert any("frame-ancestors" in text for text in said), said


def test_a_link_on_another_site_opens_the_studio_and_the_login_holds(tab, closed_studio):
    log_in(tab, closed_studio)
    with other_site() as port:
        tab.goto(f"http://{EVIL}:{port}")
        tab.evaluate("url => { location.href = url; }", closed_studio.url)
        tab.wait_for_selector("#header-log-out", timeout=READY_MS)


def test_the_cookie_is_strict_and_logging_out_ends_this_session_alone(tab, browser, closed_studio):
    log_in(tab, closed_studio)
    (cookie,) = tab.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"]) == (True, "Lax", False)
    other = browser.new_context()
    elsewhere = other.new_page()
    log_in(elsewhere, closed_studio)
    tab.click("#header-log-out")
    tab.wait_for_selector("#login")
    assert tab.context.cookies() == []
    old = {cookie["name"]: cookie["value"]}
    with httpx.Client(base_url=closed_studio.url, trust_env=False, cookies=old) as asking:
        assert asking.get("/config").status_code == 401
    elsewhere.reload()
    elsewhere.wait_for_selector("#header-log-out", timeout=READY_MS)
    other.close()


def works_below(url, tab, folder):
    """Forms, server functions and the login of a studio under the path /studio of a proxy."""
    log_in(tab, Studio(f"{url}/", folder))
    (cookie,) = tab.context.cookies()
    assert cookie["path"] == "/studio"
    open_page(tab, "Dataset")
    tab.wait_for_selector(".dataset-page[data-shown] .tile", timeout=READY_MS)
    shown = tab.input_value("#header-dataset")
    tab.click("#dataset-remove")
    tab.get_by_role("dialog").get_by_role("button", name="Remove").click()
    toast(tab, f"{shown} is removed.")
    tab.click("#header-log-out")
    tab.wait_for_selector("#login")
    # another site is still another site
    headers = {"Origin": "https://evil.example"}
    asked = httpx.post(f"{url}/gradio_api/component_server", json={}, headers=headers,
                       trust_env=False)  # fmt: skip
    assert asked.status_code == 403


def test_it_works_under_a_path_of_a_proxy_given_at_the_start(tab, project, chromium):
    users = user_line("olga", "owner", WORDS)
    environment = {"CAD_USERS": users, "CAD_TRUST_PROXY": "1", "CAD_ROOT_PATH": "/studio"}
    with closing(start_studio(project, **environment)) as starting:
        port = urlsplit(next(starting).url).port
        with reverse_proxy(port, "/studio", keeps_host=True, says_prefix=False) as url:
            works_below(url, tab, project)


def test_it_works_under_a_path_that_the_proxy_says(tab, closed_studio):
    port = urlsplit(closed_studio.url).port
    with reverse_proxy(port, "/studio", keeps_host=False, says_prefix=True) as url:
        works_below(url, tab, closed_studio.project)


def test_the_login_page_says_what_is_wrong_and_how_long_to_wait(tab, closed_studio):
    tab.goto(closed_studio.url)
    problem = tab.locator("#problem")
    for tries in range(5):
        tab.fill("[name=username]", "otto")
        tab.fill("[name=password]", f"guess {tries}")
        tab.click("#login button")
        expect(problem).to_have_text("This name and password do not belong together.")
    tab.fill("[name=password]", WORDS)
    tab.click("#login button")
    expect(problem).to_contain_text("Too many wrong passwords")
    expect(problem).to_contain_text("then try again.")
