"""What every page promises, and what the window makes of them."""

import re

import gradio as gr
import pytest

from cad_studio.ui.addresses import STATIC_FOLDER
from cad_studio.ui.app import build_window
from cad_studio.ui.tabs._base import TABS

INTERACTIVE = (gr.Button, gr.Checkbox, gr.Dropdown, gr.File, gr.Slider, gr.Textbox)


@pytest.fixture(params=TABS.names())
def page(request, services):
    """One page built alone."""
    with gr.Blocks(analytics_enabled=False) as window:
        TABS.get(request.param).build(services)
    return window


def test_every_page_builds_and_mounts_a_viewer_whose_script_exists(page):
    viewers = [block for block in page.blocks.values() if isinstance(block, gr.HTML)]
    assert viewers
    for viewer in viewers:
        assert "window.cadScripts.then(" in viewer.js_on_load
        module = viewer.js_on_load.partition(".mount('")[2].partition("'")[0]
        assert (STATIC_FOLDER / f"{module}.js").is_file()


def test_every_interactive_component_has_an_id_of_its_own(page):
    shown = [block for block in page.blocks.values() if isinstance(block, INTERACTIVE)]
    named = [block.elem_id for block in shown if block.visible is not False]
    assert all(named), [block.label for block in shown if not block.elem_id]
    assert all("-" in name for name in named)
    assert len(set(named)) == len(named)


def test_no_page_offers_its_handlers_as_a_public_interface(page):
    assert page.get_api_info()["named_endpoints"] == {}


def test_no_page_keeps_state_in_the_session(page):
    assert not [block for block in page.blocks.values() if isinstance(block, gr.State)]


def test_pages_have_orders_and_titles_of_their_own():
    tabs = [TABS.get(name) for name in TABS.names()]
    assert len({tab.order for tab in tabs}) == len({tab.title for tab in tabs}) == len(tabs)


def test_the_window_shows_the_pages_by_their_order(services):
    window = build_window(services)
    pages = [each for each in window.blocks.values() if "studio-page" in (each.elem_classes or [])]
    assert [TABS.get(each.elem_id.removeprefix("page-")).title for each in pages] == [
        "Home",
        "Dataset",
        "Entangled pairs",
        "Augmentations",
        "Train",
        "Diagnose",
        "Annotate",
    ]


def test_ids_are_used_once_in_the_whole_window(services):
    window = build_window(services)
    named = [block.elem_id for block in window.blocks.values() if getattr(block, "elem_id", None)]
    assert len(set(named)) == len(named)


@pytest.mark.parametrize("file", sorted(STATIC_FOLDER.glob("*.js")), ids=lambda file: file.name)
def test_no_script_asks_in_a_window_of_the_browser(file):
    """Such a question stops the page, cannot be styled, and is not read in its place."""
    assert not re.search(r"\b(?:confirm|alert|prompt)\(", file.read_text(encoding="utf-8"))
