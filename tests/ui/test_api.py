"""The HTTP API is what it says it is: of each route its requests, its answers, and its page."""

import re

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cad_studio.ui.addresses import PREFIX
from cad_studio.ui.answers import Answered, is_view
from cad_studio.ui.routes import build_api, build_routes, described
from cad_studio.ui.script_types import TYPES_FILE, script_types
from cad_studio.views.datasets import FieldsView
from tests.true_views import untruths


@pytest.fixture(scope="module")
def api(services):
    return build_api(services)


@pytest.fixture(scope="module")
def told(api):
    return described(api)


def test_every_route_is_described_with_a_sentence_and_what_it_answers(api, told):
    for route in api.routes:
        if not isinstance(route, Answered) or not route.include_in_schema:
            continue
        route_told = told["paths"][route.path]["get"]
        assert route_told["description"].strip().endswith((".", "…")), route.path
        content = route_told["responses"]["200"]["content"]
        if is_view(route.view):
            assert content["application/json"]["schema"], route.path
        else:
            assert "application/json" not in content, route.path


def test_every_name_that_the_description_refers_to_is_in_it(told):
    named = set(re.findall(r"#/components/schemas/([\w-]+)", str(told)))
    assert named
    assert named <= set(told["components"]["schemas"])
    assert not [name for name in named if "Validation" in name]


def test_views_say_what_they_are(told):
    for name, model in told["components"]["schemas"].items():
        assert name.endswith("View"), name
        assert model["properties"] or name == "AliveView", name


@pytest.mark.parametrize("told", ["", "/studio"])
@pytest.mark.parametrize("kept", ["", "/studio"])
def test_it_answers_below_the_path_of_a_proxy(services, told, kept):
    """Whether the proxy leaves its own path in what it passes on, or takes it off."""
    if kept and not told:
        pytest.skip("nobody knows of the path")
    app = Starlette(routes=build_routes(services))
    with TestClient(app, root_path=told) as asking:
        for path in ("/alive", "/state", "/static/now/shell.css", "/docs"):
            assert asking.get(f"{kept}{PREFIX}{path}").status_code == 200, path


def test_the_page_needs_nothing_from_elsewhere(client, told):
    page = client.get("/docs")
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    for path in told["paths"]:
        assert f"GET {PREFIX}{path}".replace("&", "&amp;") in page.text
    assert "<script" not in page.text
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page.text)
    assert not re.findall(r"url\((?!data:)", page.text)
    ids = set(re.findall(r'id="(\w+)"', page.text))
    assert set(re.findall(r'href="#(\w+)"', page.text)) <= ids


def test_programs_find_the_description_beside_it(client, told):
    assert client.get("/openapi.json").json() == told


def test_what_is_nowhere_and_what_is_not_asked_so_is_said_in_words(client):
    answer = client.get("/nowhere")
    assert (answer.status_code, "nothing at this address" in answer.json()["error"]) == (404, True)
    answer = client.post("/state", json={})
    assert (answer.status_code, "with GET" in answer.json()["error"]) == (405, True)
    assert answer.headers["cache-control"] == "no-store"


def test_a_head_is_answered_as_a_get(client):
    assert client.head("/alive").status_code == 200


def test_the_types_of_the_scripts_are_those_of_the_routes(told):
    """`deno check` finds a name that a script misspells, as long as this file is made anew."""
    words = "Run python -m cad_studio.ui.script_types."
    assert TYPES_FILE.read_text(encoding="utf-8") == script_types(told), words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"fields": [], "tags": []}', None),
        (b'{"fields": []}', "Field required"),
        (b'{"fields": [], "tags": [{"name": "a", "n": "1"}]}', "valid integer"),
        (b'{"fields": [], "tags": [{"name": "a", "n": 1, "colour": 2}]}', "colour is not declared"),
    ],
)
def test_an_answer_that_is_not_as_declared_is_noticed(body, words):
    found = untruths(body, FieldsView)
    assert bool(found) == bool(words)
    assert words is None or words in found[0]
