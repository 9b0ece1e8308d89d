"""What is put into Gradio's page, and what other answers keep."""

import re

import brotli
import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from cad_studio.ui.first_look import FirstLook

PAGE = (
    '<html><head></head><body><script type="module" src="./assets/index.js"></script>'
    f"<gradio-app></gradio-app>{'<p>plain</p>' * 200}</body></html>"
)


def client(page, root_path=""):
    def answer(request):
        return HTMLResponse(page)

    def other(request):
        return PlainTextResponse(page)

    routes = [Route("/", answer), Route("/other", other)]
    app = FirstLook(Starlette(routes=routes), "<style>own</style>")
    return TestClient(app, root_path=root_path)


@pytest.mark.parametrize("root_path", ["", "/studio"])
@pytest.mark.parametrize("packing", ["br", "identity"])
def test_the_page_begins_the_studio_and_holds_gradio(root_path, packing):
    found = client(PAGE, root_path).get(f"{root_path}/", headers={"Accept-Encoding": packing})
    text = found.text
    assert "<style>own</style>" in text.partition("</head>")[0]
    assert text.index("studio.begin()") < text.index("<gradio-app")
    assert '<script type="held" id="gradio-script" src="./assets/index.js">' in text
    assert found.headers["vary"] == "Accept-Encoding"
    assert (found.headers.get("content-encoding") == "br") == (packing == "br")
    assert len(brotli.compress(text.encode())) < len(text)


@pytest.mark.parametrize(
    "page", ["<html><head></head>No Gradio</html>", PAGE + PAGE, PAGE.replace("module", "other")]
)
def test_a_page_that_is_not_as_expected_is_left_as_it_is(page):
    assert client(page).get("/").text == page


@pytest.mark.parametrize(
    ("query", "reads"),
    [
        ("", ["state"]),
        (
            "?open=dataset&dataset=a%20b%2Fc",
            ["state", "datasets/a%20b%2Fc", "datasets/a%20b%2Fc/rows"],
        ),
        ("?open=dataset&dataset=a&__theme=dark", ["state", "datasets/a", "datasets/a/rows"]),
        ("?open=dataset&dataset=a&sheet=2", ["state"]),
        ("?open=pairs&dataset=a", ["state"]),
    ],
)
def test_what_the_scripts_read_first_comes_with_the_page(query, reads):
    head = client(PAGE).get(f"/{query}").text.partition("</head>")[0]
    links = re.findall(r'<link rel="preload" as="fetch" crossorigin href="([^"]+)">', head)
    assert len(links) == len(reads)
    assert [link.partition("/cad/")[2].partition("?")[0] for link in links] == reads


def test_a_name_in_the_address_is_no_html():
    query = "?open=dataset&dataset=%22%3E%3Cscript%3E%ff"
    head = client(PAGE).get(f"/{query}").text.partition("</head>")[0]
    assert head.count("%22%3E%3Cscript%3E") == 2
    assert '"><script' not in head


def test_other_addresses_and_methods_are_left_alone():
    assert client(PAGE).get("/other").text == PAGE
    assert client(PAGE).head("/").headers["content-length"] == str(len(PAGE))
