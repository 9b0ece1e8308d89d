"""What the window shows and does before Gradio is there, and how it goes on when it is."""

import re

import pytest
from playwright.sync_api import expect

from cad_studio.ui.first_look import FIRST_ROWS
from tests.browser.steps import READY_MS, whole

GRADIO = re.compile(r"/assets/.*\.js")
SHOWN = ".dataset-page[data-shown*=sample] .tile"


class Held:
    """Gradio's scripts as a page asks for them, held back until they are let go."""

    def __init__(self, page):
        self.page = page
        self.routes = []
        self.is_over = False
        page.route(GRADIO, self.meet)

    def meet(self, route):
        if self.is_over:
            route.continue_()
        else:
            self.routes.append(route)

    def let_go(self):
        self.is_over = True
        for route in self.routes:
            route.continue_()
        self.page.wait_for_function("!document.getElementById('stage')", timeout=READY_MS)


@pytest.fixture
def held(page):
    return Held(page)


def test_the_dataset_is_browsed_before_gradio_is_there_and_moves_as_it_is(page, studio, held):
    page.goto(f"{studio.url}/?open=dataset&dataset=sample", wait_until="commit")
    page.wait_for_selector(SHOWN, timeout=READY_MS)
    expect(page.locator("#header-dataset")).to_have_value("sample")
    page.click("#dataset-next")
    expect(page.locator("#dataset-sheet")).to_have_value("2")
    page.click("#page-link-home")
    page.wait_for_selector(".home-page[data-shown^=sample]", timeout=READY_MS)
    page.click("#page-link-dataset")
    search = page.get_by_placeholder("Search ids")
    search.press_sequentially("train/1")
    box = search.bounding_box()
    page.evaluate("tile => { window.firstTile = document.querySelector(tile); }", SHOWN)
    held.let_go()
    expect(search).to_be_focused()
    expect(search).to_have_value("train/1")
    assert search.bounding_box() == box
    assert page.evaluate("() => document.querySelectorAll('.dataset-page').length") == 1
    page.keyboard.type("6")
    expect(search).to_have_value("train/16")


def test_gradio_begins_when_the_page_is_drawn(page, studio):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{studio.url}/?open=dataset&dataset=sample", wait_until="commit")
    whole(page)
    first = next(at for at, url in enumerate(asked) if GRADIO.search(url))
    sheet = next(at for at, url in enumerate(asked) if "/sprite/" in url)
    assert sheet < first


def test_what_a_page_reads_first_is_asked_for_once_before_the_scripts_are_there(page, studio):
    asked = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/cad/")[2]))
    page.goto(f"{studio.url}/?open=dataset&dataset=sample")
    page.wait_for_selector(SHOWN, timeout=READY_MS)
    rows = f"datasets/sample/rows?{FIRST_ROWS}"
    assert asked.index(rows) < asked.index("standing/sample")
    assert [asked.count(each) for each in ("datasets/sample", rows)] == [1, 1]


def test_a_form_that_is_opened_before_gradio_is_there_opens_when_it_is(page, studio, held):
    page.goto(f"{studio.url}/?open=home&dataset=sample", wait_until="commit")
    page.wait_for_selector(".home-page[data-shown^=sample]", timeout=READY_MS)
    page.get_by_role("button", name="Import").click()
    held.let_go()
    expect(page.locator("#import-source")).to_be_focused()


def test_what_needs_gradio_waits_for_it(page, studio, held):
    page.goto(f"{studio.url}/?open=annotate&dataset=sample&rows=601,602", wait_until="commit")
    page.wait_for_selector("#page-link-annotate[aria-current=page]", timeout=READY_MS)
    page.wait_for_function("() => !document.getElementById('gradio-script')", timeout=READY_MS)
    held.let_go()
    page.wait_for_selector(".annotate-page .cards .card", timeout=READY_MS)


def test_a_window_whose_scripts_do_not_come_says_so(page, studio, watch):
    watch.expected.append("Failed to load resource")
    page.route("**/first.js", lambda route: route.abort())
    page.goto(f"{studio.url}/?open=dataset&dataset=sample", wait_until="commit")
    expect(page.locator("body")).to_contain_text("did not come. Reload it.", timeout=READY_MS)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_theme_is_known_before_gradio_is(page, studio, held, scheme):
    page.emulate_media(color_scheme=scheme)
    for query, dark in (("", scheme == "dark"), ("&__theme=dark", True), ("&__theme=light", False)):
        page.goto(f"{studio.url}/?open=dataset&dataset=sample{query}", wait_until="commit")
        page.wait_for_selector("#stage .top-bar", timeout=READY_MS)
        assert page.evaluate("() => document.body.classList.contains('dark')") is dark
