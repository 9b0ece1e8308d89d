"""The Augmentations page: samples, pairs, sliders, edits for training, and prompts."""

import pytest
from playwright.sync_api import expect

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.container import Services
from cad_studio.services.pairs.mining import MiningRequest
from tests.browser.conftest import start_studio
from tests.browser.steps import READY_MS, open_page, toast
from tests.services.edited import with_editor, with_run

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def edited(chromium, tmp_path_factory):
    """A studio over small images with an editor, a run that judges, and pairs."""
    folder = tmp_path_factory.mktemp("augment")
    services = Services(AppConfig(folder / "project"))
    with_editor(services, folder)
    with_run(services)
    request = MiningRequest("pixels", MiningConfig(quantile=0.3))
    services.mining.mine("b", request, Silent())
    services.close()
    yield from start_studio(folder / "project")


def show(page, url, what):
    page.goto(f"{url}/?dataset=b&augment={what}")
    page.wait_for_selector(f".augment-page[data-shown^='{what} ']", timeout=READY_MS)


def pictures(page):
    """What the maps made of the sample, by candidate."""
    return page.eval_on_selector_all(
        ".augment-row[data-way=cam] .augment-picture", "all => all.map(one => one.src)"
    )


def row_with_candidates(edited, n_candidates):
    services = Services(AppConfig(edited.project))
    sizes = services.datasets.load("b").candidates.sizes()
    services.close()
    return int((sizes == n_candidates).nonzero()[0][0])


def test_a_sample_is_shown_with_its_candidates_and_the_slider_moves_the_maps(edited, page):
    row = row_with_candidates(edited, 2)
    show(page, edited.url, row)
    cells = page.locator(".augment-row[data-way=cam] .augment-cell")
    expect(cells).to_have_count(2)
    expect(page.locator(".augment-row[data-way=in-domain] .augment-cell")).to_have_count(2)
    expect(cells.first.locator(".evidence")).to_contain_text("%")
    assert "hf download" in page.inner_text(".augment-missing")
    page.uncheck("#augment-heat")
    assert page.locator(".heat").count() == 0
    page.fill("#augment-epsilon", "1")
    page.wait_for_selector(f".augment-page[data-shown^='{row} 1 ']")
    expect(cells.first.locator(".evidence")).to_contain_text("like 1.00")
    plain = pictures(page)
    page.fill("#augment-epsilon", "0")
    page.wait_for_selector(f".augment-page[data-shown^='{row} 0 ']")
    assert pictures(page) != plain
    page.fill("#augment-strength", "0")
    page.wait_for_selector(f".augment-page[data-shown^='{row} 0 0 ']")
    edits = page.locator(".augment-row[data-way=in-domain] .augment-cell .evidence")
    expect(edits.first).to_contain_text("like 1.00")


def test_a_pair_is_opened_from_the_pairs_page_and_says_its_distance(edited, page):
    page.goto(f"{edited.url}/?dataset=b")
    open_page(page, "Entangled pairs")
    page.wait_for_selector(".pairs-page[data-shown*='-'] .card img", timeout=READY_MS)
    pair = page.get_attribute(".pairs-page", "data-shown")
    page.keyboard.press("g")
    page.wait_for_selector(f".augment-page[data-shown^='{pair} ']", timeout=READY_MS)
    assert f"augment={pair}" in page.url
    assert page.locator(".augmented").count() == 2
    assert "distance before" in page.inner_text("#augment-pair")
    assert "In-domain diffusion" in page.inner_text("#augment-pair")
    other = page.locator(".augmented button.augment-head[aria-pressed=false]").first
    label = other.get_attribute("data-label")
    other.click()
    pressed = page.locator(
        f".augmented button.augment-head[data-label='{label}'][aria-pressed=true]"
    )
    expect(pressed.first).to_be_visible()
    page.keyboard.press("j")
    page.wait_for_function(
        "pair => !document.querySelector('.augment-page').dataset.shown.startsWith(pair)", arg=pair
    )


def test_edits_are_measured_made_and_found_again(edited, page):
    show(page, edited.url, row_with_candidates(edited, 2))
    page.select_option("#augment-budget-budget", "all")
    page.fill("#augment-budget-limit", "6")
    page.click("#augment-measure")
    expect(page.locator("#augment-estimate")).to_contain_text("6 edits, about", timeout=READY_MS)
    page.click("#augment-make")
    expect(page.locator("#augment-estimate")).to_contain_text("6 made", timeout=READY_MS)
    expect(page.locator(".edit-tile")).to_have_count(6)
    # each beside what it was made from
    expect(page.locator(".edit-tile .thumb")).to_have_count(12)
    assert "reached their class" in page.inner_text("#gallery-summary")
    page.locator(".edit-tile").nth(2).click()
    row = page.locator(".edit-tile").nth(2).get_attribute("data-row")
    page.wait_for_selector(f".augment-page[data-shown^='{row} ']")
    page.reload()
    page.wait_for_selector(f".augment-page[data-shown^='{row} ']", timeout=READY_MS)
    expect(page.locator(".edit-tile")).to_have_count(6)
    page.check("#gallery-failing")
    page.wait_for_selector(".gallery-part[data-shown$=' 0'], .gallery-part .evidence")


def test_a_stopped_measurement_leaves_no_word_and_typed_texts_outlive_a_late_answer(edited, page):
    show(page, edited.url, 0)
    page.click("#augment-tab-prompts")
    page.wait_for_selector("input[data-name=dark]")
    kept = []
    page.route("**/prompts", lambda route: kept.append(route))
    page.click("#augment-tab-edits")
    page.click("#augment-tab-prompts")
    page.fill("input[data-name=dark]", "typed meanwhile")
    while not kept:
        page.wait_for_timeout(20)
    with page.expect_response("**/prompts"):
        kept[0].continue_()
    page.wait_for_timeout(200)
    assert page.input_value("input[data-name=dark]") == "typed meanwhile"
    page.unroute("**/prompts")
    page.click("#augment-tab-edits")

    def stopped(route):
        answer = route.fetch()
        found = answer.json()
        for job in found["jobs"]:
            if job["kind"] == "estimate-edits" and job["status"] == "done":
                job.update(status="cancelled", result=None)
        route.fulfill(response=answer, json=found)

    page.route("**/cad/state", stopped)
    page.click("#augment-measure")
    expect(page.locator("#augment-estimate")).to_have_text("Measuring…")
    expect(page.locator("#augment-estimate")).to_contain_text("Measure to see", timeout=READY_MS)
    page.unroute("**/cad/state")


def test_a_prompt_is_changed_kept_in_versions_and_shown_as_plain_text(edited, page):
    show(page, edited.url, 0)
    page.click("#augment-tab-prompts")
    nasty = "<img src=x onerror=alert(1)> ${alert(2)}"
    page.fill("#prompt-template", "{class}: {description}")
    page.fill("input[data-name=dark]", nasty)
    expect(page.locator(".prompt").first).to_have_text(f"dark: {nasty}")
    page.click("#prompt-save")
    page.wait_for_selector(".gallery-part[data-version='1']")
    page.reload()
    page.wait_for_selector(".augment-page[data-shown^='0 ']", timeout=READY_MS)
    page.click("#augment-tab-prompts")
    page.wait_for_selector(".gallery-part[data-version='1']")
    assert page.input_value("input[data-name=dark]") == nasty
    page.fill("#prompt-template", "{colour}")
    page.click("#prompt-save")
    expect(page.locator("#prompt-problem")).to_contain_text("{colour}")


def test_links_to_nothing_say_so(edited, page, watch):
    watch.expected.append("404")
    page.goto(f"{edited.url}/?dataset=b&augment=3-x")
    toast(page, "is not a row, such as 12, or two")
    page.goto(f"{edited.url}/?dataset=b&augment=4000")
    toast(page, "has no row 4000")
    page.click("text=Show the first sample")
    page.wait_for_selector(".augment-page[data-shown^='0 ']")


def test_texts_are_typed_only_into_the_table_that_is_there(edited, page):
    """Typed before the table came, the template kept it from being shown at all."""
    held = []
    page.route("**/cad/augment/b/prompts", lambda route: held.append(route))
    show(page, edited.url, 0)
    page.click("#augment-tab-prompts")
    while not held:
        page.wait_for_timeout(50)
    assert page.is_disabled("#prompt-template")
    for route in held:
        route.continue_()
    page.unroute("**/cad/augment/b/prompts")
    page.fill("#prompt-template", "{class}, typed at once")
    expect(page.locator("input[data-name=dark]")).to_be_visible()
    expect(page.locator(".prompt").first).to_have_text("dark, typed at once")
