"""A run is diagnosed: a cell, a lasso, the grid, a comparison, suspects, and by keyboard."""

import math
import re
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import expect

from cad_studio.core.progress import Silent
from tests.browser.conftest import start_studio
from tests.runs_to_diagnose import project_with_runs

pytestmark = pytest.mark.long

READY_MS = 180_000
N = 128


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    services, *runs = project_with_runs(tmp_path_factory.mktemp("diagnose"))
    yield services, *runs
    services.close()


@pytest.fixture(scope="module")
def studio(chromium, runs):
    """A studio of its own: other tests start from a project without runs."""
    yield from start_studio(runs[0].project.folder)


def show_diagnose(page, url, **query):
    """Follow a link to a run on the Diagnose page and wait until it is painted."""
    page.goto(f"{url}/?{urlencode({'dataset': 'shades', **query})}")
    page.wait_for_selector('.diagnose-page[data-shown*="test"]', timeout=READY_MS)


def percent(share):
    """As the page rounds it: a half goes up, where Python takes the even digit."""
    return f"{math.floor(1000 * share + 0.5) / 10:.1f} %"


def map_is_painted(page):
    page.wait_for_selector(f'.map-box[data-shown] .scatter[data-painted="{N}"]')


def selected(page, n):
    page.wait_for_selector(f'.diagnose-side[data-selected="{n}"]')


def test_a_cell_opens_its_samples_and_a_sample_opens_its_history(page, studio, runs):
    services, first, second = runs
    counts = services.diagnosis.confusion.confusion_matrix(first, None)
    a, b = (int(each) for each in np.unravel_index(counts.argmax(), counts.shape))
    show_diagnose(page, studio.url, diagnose=first, against=second)
    expect(page.locator('.kpi[data-key="accuracy"] b')).to_have_text(
        percent(np.trace(counts) / counts.sum())
    )
    page.click(f'.diagnose-side .matrix button[data-a="{a}"][data-b="{b}"]')
    selected(page, counts[a, b])
    assert page.locator(".picked .tile").count() == counts[a, b]
    tile = page.locator(".picked .tile").first
    assert f"predicted {b}" in tile.get_attribute("aria-label")
    row = tile.get_attribute("data-row")
    tile.click()
    page.wait_for_selector(f'.inspector[data-row="{row}"] .answer')
    assert page.locator(".inspector .answer").count() == 2
    # maps of the run and edits come when they are scrolled to, or say what is missing
    page.locator(".edits").scroll_into_view_if_needed()
    page.wait_for_selector(f'.edits[data-shown="{row}"]', timeout=READY_MS)
    heats = page.locator(".edits .ways-row[data-label] .way .heat")
    assert heats.count() == len(services.datasets.load("shades").candidates.of(int(row)))
    expect(page.locator(".augment-missing [data-way=in-domain]")).to_contain_text("Train")
    page.keyboard.press("Escape")
    expect(page.locator(".inspector")).to_be_hidden()
    page.keyboard.press("Escape")
    selected(page, 0)


def test_a_lasso_on_the_map_fills_the_grid_and_the_legend_does_it_by_keyboard(page, studio, runs):
    _, first, second = runs
    show_diagnose(page, studio.url, diagnose=first, against=second)
    map_is_painted(page)
    page.keyboard.press("l")
    box = page.locator(".map-box .scatter").first.bounding_box()
    x, y, w, h = (box[key] for key in ("x", "y", "width", "height"))
    page.mouse.move(x + 5, y + 5)
    page.mouse.down()
    for px, py in ((w - 5, 5), (w - 5, h - 5), (5, h - 5), (5, 8)):
        page.mouse.move(x + px, y + py, steps=3)
    page.mouse.up()
    selected(page, N)
    expect(page.locator("#diagnose-chosen")).to_have_text(f"{N} samples selected")
    assert page.locator(".picked .tile").count() == 84
    page.click("#diagnose-pairs")
    page.wait_for_function("+document.querySelector('.map-view').dataset.lines > 0")
    listed = page.locator(".pair-items .item")
    listed.first.wait_for()
    both = listed.first.get_attribute("data-pair")
    listed.first.click()
    page.wait_for_selector(f'.inspector[data-pair="{both}"]')
    page.keyboard.press("Escape")
    # the same without a pointer: hide one value in the legend, then list the others
    page.select_option("#map-colour", "split")
    page.wait_for_selector('.map-legend[data-mode="split"]')
    page.locator(".legend-entry", has_text="train").focus()
    page.keyboard.press("Enter")
    page.locator("#map-list").focus()
    page.keyboard.press("Enter")
    selected(page, 32)
    # a selection stays when the map, its colours or the run beside it change
    page.click("#map-beside")
    page.wait_for_selector(".maps.two .map-box:nth-child(2)[data-shown]")
    assert page.get_attribute(".map-view", "data-selected") == "32"


def test_umap_replaces_the_map_and_moves_neither_selection_nor_zoom(page, studio, runs):
    """A map of another dataset or features that ended, or a redrawn view, took the layout over."""
    show_diagnose(page, studio.url, diagnose=runs[1])
    map_is_painted(page)
    box = page.locator(".map-box").first
    page.click("#map-list")
    selected(page, N)
    page.locator(".scatter").first.focus()
    whole = page.locator(".scatter").first.get_attribute("data-zoom")
    page.keyboard.press("+")
    page.wait_for_function(
        "whole => document.querySelector('.scatter').dataset.zoom !== whole", arg=whole
    )
    zoom = page.locator(".scatter").first.get_attribute("data-zoom")
    page.select_option("#map-layout", "umap")
    page.wait_for_function("document.querySelector('#map-told').textContent.startsWith('UMAP: ')")
    assert box.get_attribute("data-stage") == "pca"
    page.wait_for_selector('.map-box[data-stage="umap"]', timeout=READY_MS)
    expect(page.locator("#map-told")).to_have_text("")
    assert page.input_value("#map-layout") == "umap"
    assert page.get_attribute(".map-view", "data-selected") == str(N)
    assert page.locator(".scatter").first.get_attribute("data-zoom") == zoom
    page.select_option("#map-layout", "pca")
    page.wait_for_selector('.map-box[data-stage="pca"]')
    page.keyboard.press("2")
    page.keyboard.press("1")
    page.select_option("#map-colour", "size")
    page.wait_for_selector('.map-legend[data-mode="size"]')
    assert page.input_value("#map-layout") == "pca"


def test_two_runs_are_compared_and_what_changed_is_a_door(page, studio, runs):
    services, first, second = runs
    told = services.diagnosis.comparison.compare([first, second])
    show_diagnose(page, studio.url, diagnose=second)
    page.keyboard.press("5")
    expect(page.locator(".compare-view .empty")).to_contain_text("against another")
    page.select_option("#diagnose-against", str(first))
    page.wait_for_selector(f'.compare-view[data-shown^="{first},{second}-"]')
    cells = page.locator('#compare-table tr[data-key="accuracy"] td')
    for at, value in enumerate(told["figures"][0]["values"]):
        assert percent(value) in cells.nth(at).inner_text()
    expect(page.locator("#compare-settings")).to_contain_text("Seed")
    kind = max(("fixed", "broken", "moved"), key=lambda kind: told["changes"][kind])
    if told["changes"][kind]:
        page.click(f"#compare-{kind}")
        selected(page, told["changes"][kind])
    assert "against=" in page.url
    page.reload()
    page.wait_for_selector(f'.compare-view[data-shown^="{first},{second}-"]', timeout=READY_MS)


def test_set_model_classes_entanglement_and_suspects_are_told(page, studio, runs):
    services, first, _ = runs
    counts = services.diagnosis.confusion.confusion_matrix(first, None)
    label = int(counts.sum(axis=0).argmax())  # one that is predicted, whatever was learned
    show_diagnose(page, studio.url, diagnose=first)
    expect(page.locator("#diagnose-matrix-about")).to_be_hidden()
    page.select_option("#diagnose-matrix", "set-model")
    about = page.locator("#diagnose-matrix-about")
    expect(about).to_contain_text("this run's confidence in place of true labels")
    told = services.diagnosis.confusion.overview(first)["matrices"]
    at = [told["classes"].index(label) for label in (0, 1)]
    cell = page.locator('.diagnose-side .matrix button[data-a="0"][data-b="1"]')
    share = told["set-model"][at[0]][at[1]]
    assert f"in {100 * share:.1f} % of the sets of" in cell.get_attribute("aria-label")
    assert page.locator('.diagnose-side .matrix button[data-a="0"][data-b="0"]').count() == 0
    rows = services.diagnosis.confusion.cell(first, "set-model", 0, 1)
    assert len(rows)
    cell.click()
    selected(page, len(rows))
    page.select_option("#diagnose-matrix", "confusion")
    expect(about).to_be_hidden()
    page.keyboard.press("2")
    page.wait_for_selector("#class-table tbody tr")
    assert page.locator("#class-table tbody tr").count() == 4
    page.locator("#class-table th button", has_text="Class").click()
    names = page.locator("#class-table tbody .link-cell").all_inner_texts()
    assert [name.strip() for name in names] == ["0", "1", "2", "3"]
    whole = page.locator(".xy svg").first.get_attribute("aria-label")
    page.locator("#class-table tbody .link-cell").nth(label).click()
    page.wait_for_selector(f'.columns-view[data-reliability="{label}"]')
    expect(page.locator("#reliability-of")).to_contain_text(f"predicted as {label}")
    assert page.locator(".xy svg").first.get_attribute("aria-label") != whole
    page.click("#reliability-all")
    page.wait_for_selector('.columns-view[data-reliability="all"]')
    assert page.locator("#class-table th", has_text="Suspects").count() == 0
    page.keyboard.press("3")
    page.wait_for_selector("#closest-table tbody tr")
    page.keyboard.press("4")
    page.click("#suspects-find")
    # what is found while another view is open is there when one comes back
    page.keyboard.press("2")
    expect(page.locator(".cad-toast")).to_contain_text("done", timeout=READY_MS)
    page.keyboard.press("4")
    page.wait_for_selector('.suspects-view[data-shown*="-"]')
    page.keyboard.press("2")
    expect(page.locator("#class-table th", has_text="Suspects")).to_be_visible()
    page.keyboard.press("4")
    if page.locator(".suspect").count():
        page.locator(".suspect").first.click()
        page.wait_for_selector(".inspector:not([hidden]) .inspector-body > *")


def test_a_run_that_was_not_asked_offers_that_and_the_report_is_downloaded(page, studio, runs):
    services, first, second = runs
    services.runs.model_path(second).touch()  # as if it had gone on training
    page.goto(f"{studio.url}/?dataset=shades&diagnose={second}")
    page.wait_for_selector("#diagnose-start", timeout=READY_MS)
    page.click("#diagnose-start")
    page.wait_for_selector(f'.diagnose-page[data-shown^="{second}-"]', timeout=READY_MS)
    with page.expect_download(timeout=READY_MS) as download:
        page.click("#diagnose-report")
    assert download.value.suggested_filename == f"report-run-{second}.html"
    assert first != second


def test_reasons_of_suspects_and_suggestions_reach_the_annotate_page(page, studio, runs):
    services, first, _ = runs
    services.diagnosis.prepare(first, Silent())
    services.diagnosis.suspects.find("shades", first, "pixels", 0, Silent())  # near-duplicates
    show_diagnose(page, studio.url, diagnose=first)
    page.keyboard.press("4")
    page.wait_for_selector(".suspects .suspect", timeout=READY_MS)
    reason = page.inner_text(".suspect .reason >> nth=0")
    page.click("#suspects-select")
    page.click("#diagnose-annotate")
    page.wait_for_selector(".annotate-page .cards .card", timeout=READY_MS)
    assert reason in page.inner_text(".annotate-page .why")
    expect(page.locator(".cards .weights")).to_have_count(0)  # nothing is suggested unasked
    chip = page.locator(".cards button.chip").first
    height = chip.bounding_box()["height"]
    page.click("#annotate-model")
    by_both = re.compile(r"% by its neighbours, .* % by ")
    expect(chip).to_have_attribute("aria-label", by_both, timeout=READY_MS)
    assert chip.bounding_box()["height"] == height  # no layout jump
    page.keyboard.press("1")
    page.wait_for_selector('.annotate-page[data-unsaved="0"][data-shown="done"]')  # the only one
    shown = services.history.newest("shades")["actions"][0]["details"]["shown"]
    assert set(shown) == {"neighbours", "model"}
