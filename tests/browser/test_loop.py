"""The way through the studio: Home, next steps, addresses, deciding in place, every hand."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import expect

from cad_studio.core.progress import Silent
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.pairs.mining import MiningRequest
from cad_studio.ui.tabs._base import TABS
from tests.browser.conftest import start_studio
from tests.browser.steps import READY_MS, open_page
from tests.runs_to_diagnose import SHADES, project_with_runs
from tests.services.annotating import request

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")
VIOLATIONS = """async () => {
  const lasts = each => each.effect.getComputedTiming().endTime !== Infinity;
  const fading = document.getAnimations().filter(lasts);
  await Promise.all(fading.map(each => each.finished.catch(() => {})));
  const found = await axe.run(document, {resultTypes: ['violations']});
  const told = each => `${each.id}: ${each.nodes.map(node => node.html).join(' ')}`;
  return found.violations.map(each => told(each).slice(0, 600));
}"""
READY = {
    "home": ".home-page[data-shown^=shades]",
    "dataset": ".dataset-page .tile",
    "pairs": ".pairs-page[data-shown] .card img",
    "augment": ".augment-page[data-shown]:not([data-shown=nothing])",
    "train": ".train-page[data-shown='1'], .train-page[data-shown='2']",
    "diagnose": '.diagnose-page[data-shown*="test"]',
    "annotate": ".annotate-page[data-shown]",
}
N_CHANGES = 5


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    """Two diagnosed runs, pairs, and five answers since."""
    built, *_ = project_with_runs(tmp_path_factory.mktemp("loop"))
    built.mining.mine(SHADES, MiningRequest("pixels", MiningConfig(quantile=0.2)), Silent())
    sets = built.sets.effective(SHADES)
    for row in np.flatnonzero(sets.sizes() > 1)[:N_CHANGES].tolist():
        given = {"class": sets.of(row)[0]}
        built.annotation.act(SHADES, request("label", [row], "anna", given=given))
    yield built
    built.close()


@pytest.fixture(scope="module")
def studio(chromium, services):
    yield from start_studio(services.project.folder)


def show(page, studio, name, query=""):
    page.goto(f"{studio.url}/?open={name}&dataset={SHADES}{query}")
    page.wait_for_selector(READY[name], timeout=READY_MS)


def asked(page):
    """What the address says, by name."""
    return {name: values[-1] for name, values in parse_qs(urlsplit(page.url).query).items()}


def is_on(page, name):
    page.wait_for_function("name => document.body.dataset.page === name", arg=name)


def test_home_says_where_the_work_stands_and_one_step_pays_most(page, studio):
    page.goto(studio.url)
    page.wait_for_selector(READY["home"], timeout=READY_MS)
    assert page.locator(".step-card h2").all_inner_texts() == [
        "Data", "Look-alikes", "Train", "Diagnose", "Fix",
    ]  # fmt: skip
    expect(page.locator(".step-card.next #home-train")).to_have_text("Retrain on 5 changes")
    assert page.locator(".home-page .btn.primary").count() == 1
    assert page.locator(".door").count() == 2
    expect(page.locator("#header-version")).to_have_text("v1")
    page.click("#header-changes")
    expect(page.locator("#dataset-total")).to_have_text(f"{N_CHANGES} of 128 samples")
    assert asked(page) == {"open": "dataset", "dataset": SHADES, "since": "1"}
    page.go_back()
    page.wait_for_selector(READY["home"])
    assert asked(page)["open"] == "home"


def test_back_forward_and_reload_keep_page_filter_sample_and_view(page, studio):
    show(page, studio, "dataset")
    page.select_option("#dataset-size", "2")
    expect(page.locator("#dataset-total")).to_contain_text("of 128 samples")
    filtered = page.inner_text("#dataset-total")
    page.locator(".tile").nth(1).click()
    row = page.get_attribute(".instance:not([hidden])", "data-row", timeout=READY_MS)
    assert asked(page)["instance"] == row
    open_page(page, "Diagnose")
    page.wait_for_selector(READY["diagnose"], timeout=READY_MS)
    page.click("#diagnose-view-classes")
    page.wait_for_selector("#class-table tbody tr")
    assert asked(page)["view"] == "classes"
    page.go_back()
    expect(page.locator("#diagnose-view-map")).to_have_attribute("aria-pressed", "true")
    page.go_back()
    expect(page.locator(f'.instance[data-row="{row}"]')).to_be_visible()
    expect(page.locator("#dataset-total")).to_have_text(filtered)
    page.reload()
    expect(page.locator(f'.instance[data-row="{row}"]')).to_be_visible(timeout=READY_MS)
    expect(page.locator("#dataset-total")).to_have_text(filtered)
    page.go_forward()
    is_on(page, "diagnose")
    page.go_back()
    page.go_back()
    expect(page.locator("#dataset-total")).to_have_text("128 samples")


def test_every_page_offers_the_step_and_it_leads_on(page, studio):
    show(page, studio, "dataset")
    for name in ("dataset", "pairs", "diagnose", "annotate"):
        page.click(f"#page-link-{name}")
        page.wait_for_selector(READY[name], timeout=READY_MS)
        expect(page.locator("#way-go")).to_have_text("Retrain on 5 changes")
    page.click("#page-link-train")
    page.wait_for_selector(READY["train"], timeout=READY_MS)
    expect(page.locator("#way-says")).to_contain_text("changed since proden-2 learned from v1")


def test_keys_decide_a_pair_and_a_sample_where_one_looks(page, studio, services):
    """The same code and log as on the Annotate page."""
    show(page, studio, "pairs")
    expect(page.locator("#pairs-decide-same")).to_be_visible(timeout=READY_MS)
    pair = asked(page)["pair"]
    head = services.history.newest(SHADES)["head"]
    first = page.locator('[aria-label="Sample A"] button.chip').count()
    page.keyboard.press("1")
    chip = page.locator('[aria-label="Sample A"] button.chip').first
    expect(chip).to_have_attribute("aria-pressed", "true")
    page.keyboard.press(str(first + 1))
    page.wait_for_function(
        "pair => new URL(location).searchParams.get('pair') !== pair", arg=pair
    )  # on to the next
    page.wait_for_selector('.decide[data-unsaved="0"]')
    newest = services.history.newest(SHADES)
    assert (newest["head"], newest["actions"][0]["kind"]) == (head + 1, "assign")
    assert sorted(newest["actions"][0]["rows"]) == sorted(map(int, pair.split("-")))
    expect(page.locator("#pairs-decide-undo")).to_be_enabled()
    page.keyboard.press("u")
    page.wait_for_function("pair => new URL(location).searchParams.get('pair') === pair", arg=pair)
    page.wait_for_selector('.decide[data-unsaved="0"]')
    assert services.history.newest(SHADES)["actions"][0]["kind"] == "undo"
    show(page, studio, "dataset", "&instance=100")
    page.wait_for_selector(".instance button.chip", timeout=READY_MS)
    page.keyboard.press("1")
    page.wait_for_selector('.instance .decide[data-unsaved="0"]', state="attached")
    expect(page.locator('.instance[data-row="101"]')).to_be_visible()
    [done] = services.history.newest(SHADES, limit=1)["actions"]
    assert (done["kind"], done["rows"]) == ("label", [100])


@pytest.mark.parametrize(("width", "height"), [(683, 430), (390, 780)])
def test_all_pages_are_reached_at_200_per_cent_and_on_a_phone(page, studio, width, height):
    """Gradio hid tabs behind a menu whose entries did nothing."""
    page.set_viewport_size({"width": width, "height": height})
    show(page, studio, "home")
    places = page.eval_on_selector_all(".pages a", "all => all.map(one => one.offsetLeft)")
    for name in READY:
        page.click(f"#page-link-{name}")
        is_on(page, name)
        expect(page.locator(f"#page-link-{name}")).to_have_attribute("aria-current", "page")
        now = page.eval_on_selector_all(".pages a", "all => all.map(one => one.offsetLeft)")
        assert now == places  # nothing moves when another is open
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_tab_key_passes_skip_link_pages_and_picker_and_a_form_keeps_the_focus(page, studio):
    show(page, studio, "dataset")
    order = []
    for _ in range(len(READY) + 2):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert order == ["skip", *(f"page-link-{name}" for name in READY_ORDER), "header-dataset"]
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.matches('#page-dataset .main')")
    page.focus("#dataset-export-open")
    page.keyboard.press("Enter")
    form = page.get_by_role("dialog", name="Export")
    expect(form).to_be_visible()
    for _ in range(6):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('#dataset-export') !== null")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "dataset-export-open"


def test_a_page_opened_before_the_studio_answered_stays_open(page, studio):
    """The first answer took the visitor back to the page of the address."""
    waiting, is_held = [], True
    page.route(
        "**/cad/state", lambda route: waiting.append(route) if is_held else route.continue_()
    )
    page.goto(f"{studio.url}/?dataset={SHADES}")
    open_page(page, "Entangled pairs")
    is_held = False
    for route in waiting:
        route.continue_()
    page.wait_for_selector(READY["pairs"], timeout=READY_MS)
    is_on(page, "pairs")
    assert asked(page)["open"] == "pairs"


READY_ORDER = sorted(READY, key=lambda name: TABS.get(name).order)


def sound(page, where):
    """No rule of axe-core is broken by what is shown."""
    assert page.evaluate(VIOLATIONS) == [], where


@pytest.mark.long
@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_axe_finds_nothing_on_pages_forms_and_dialogs(page, studio, theme):
    for name, *doors in (
        ("home",),
        ("dataset", "#dataset-import-open", "#dataset-synthesize-open", "#dataset-export-open"),
        ("pairs", "#pairs-find"),
        ("train", "#run-log", "#run-settings", "#run-model"),
        ("augment",),
        (
            "annotate", "#annotate-history", "#annotate-agreement", "#annotate-export",
            "#annotate-classes", "#annotate-keys",
        ),
    ):  # fmt: skip
        show(page, studio, name, f"&__theme={theme}")
        page.evaluate(AXE)
        sound(page, name)
        for door in doors:
            page.click(door)
            sound(page, door)
            page.keyboard.press("Escape")
    page.click("#order-random")
    page.wait_for_selector(".cards .card", timeout=READY_MS)
    sound(page, "card")
    page.keyboard.press("/")
    sound(page, "search for a class")
    show(page, studio, "dataset", f"&instance=3&__theme={theme}")
    page.wait_for_selector(".instance button.chip", timeout=READY_MS)
    page.evaluate(AXE)
    sound(page, "sample")
    page.click("#dataset-remove")
    sound(page, "question")
    page.keyboard.press("Escape")
    show(page, studio, "diagnose", f"&diagnose=2&against=1&__theme={theme}")
    page.evaluate(AXE)
    for view, ready in {
        "map": ".scatter[data-painted]", "classes": "#class-table tbody tr",
        "entanglement": "#closest-table tbody tr", "suspects": ".suspects-view[data-shown]",
        "compare": "#compare-table tbody tr",
    }.items():  # fmt: skip
        page.click(f"#diagnose-view-{view}")
        page.wait_for_selector(ready)
        sound(page, view)
    page.locator(".diagnose-side .matrix button").first.click()
    page.locator(".picked .tile, .picked .hint").first.click()
    sound(page, "samples behind a cell")
