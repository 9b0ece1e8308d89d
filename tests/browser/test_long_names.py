"""Class names, run names, tags and comments that are long or in other scripts, on every page."""

import numpy as np
import pytest
from playwright.sync_api import expect

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.container import Services
from cad_studio.services.pairs.mining import MiningRequest
from cad_studio.services.training.training import TrainingRequest
from tests.browser.conftest import VIEWPORT, start_studio
from tests.browser.steps import READY_MS, show_dataset, show_pairs, show_train
from tests.services.annotating import request

pytestmark = pytest.mark.long

NAMES = [
    ("a class whose name is long, " * 4)[:99] + ".",
    "<script>alert(1)</script> is a class too",
    "🍎🍏 apple, red and green",
    "👨‍👩‍👧‍👦 family of four",
    "שלום עולם ארוך מאוד מאוד",
    "تفاحة خضراء كبيرة جدا جدا",
    "a_name_without_any_space_that_can_only_be_broken_within",
    "cat",
    "dog",
    "fox",
]  # fmt: skip
N = 40
TAG = "a tag of sixty characters, which is the most a tag can have."
RUN = "a run whose name says everything that was tried in it on that day"
ZOOMED = {"width": 683, "height": 384}
"""What is left of 1366 x 768 at 200 % zoom."""

OUTSIDE = """([inner, outer]) => [...document.querySelectorAll(inner)]
  .filter(each => each.offsetParent)
  .map(each => [each.getBoundingClientRect(), each.closest(outer).getBoundingClientRect(), each])
  .filter(([one, other]) => one.left < other.left - 1 || one.right > other.right + 1)
  .map(([one, other, each]) => [each.innerText, one.left - other.left, one.right - other.right])"""
"""Elements that reach out of what holds them, to the left or right."""


@pytest.fixture(scope="module")
def named(chromium, tmp_path_factory):
    """A studio over images of ten such classes: their pairs, a run that was diagnosed, a log."""
    folder = tmp_path_factory.mktemp("names")
    generator = np.random.default_rng(8)
    truth = np.arange(N) % 10
    candidates = generator.random((N, 10)) < 0.3
    candidates[np.arange(N), truth] = candidates[np.arange(N), truth ^ 1] = True
    candidates[:2] = np.arange(10) < 5
    shades = np.linspace(0, 200, 5)[truth // 2][:, None, None]
    images = (shades + generator.integers(0, 50, (N, 12, 12))).astype(np.uint8)
    file = folder / "names.npz"
    np.savez(file, images=images, candidates=candidates, labels=truth, class_names=np.array(NAMES))
    services = Services(AppConfig(folder / "project"))
    services.importing.import_source(str(file), "names", ReadOptions(), False, Silent())
    services.mining.mine("names", MiningRequest("pixels", MiningConfig(quantile=0.2)), Silent())
    config = {"epochs": 1, "batch_size": 8, "threads": 1, "device": "cpu"}
    run = services.training.create(TrainingRequest("names", "proden", config=config, name=RUN))
    services.training.train(run.id, Silent())
    services.diagnosis.prepare(run.id, Silent())
    for kind, given in (
        ("tag", {"tag": TAG}),
        ("comment", {"text": "a comment that goes on and on " * 20}),
        ("toggle", {"class": 9}),
    ):
        services.annotation.act("names", request(kind, [0], given=given))
    services.close()
    yield from start_studio(folder / "project")


@pytest.fixture
def zoomed(page):
    page.set_viewport_size(ZOOMED)
    return page


def outside(page, inner, outer):
    return page.evaluate(OUTSIDE, [inner, outer])


def box(page, selector):
    return page.locator(selector).first.evaluate(
        "e => { const {top, bottom, left, right} = e.getBoundingClientRect();"
        " return {top, bottom, left, right}; }"
    )


def room(page):
    """Where the header ends and the foot begins."""
    return box(page, ".top-bar")["bottom"], box(page, "#way")["top"]


def test_the_head_of_a_pair_stands_above_its_cards_and_tags_stay_in_their_chips(page, named):
    """Chips ran under the cards; beside "true", "both" was cut to "bot"."""
    show_pairs(page, named.url, dataset="names")
    page.keyboard.press("t")
    expect(page.locator(".card .tag:text('true')").first).to_be_visible()
    assert page.locator(".pairs-page .item").count() > 3
    for _ in range(4):
        head = max(box(page, ".pairs-page h1")["bottom"], box(page, ".pairs-page .pills")["bottom"])
        assert head <= box(page, ".pairs-page .card")["top"]
        assert outside(page, ".card .chip :is(.name, .tag)", ".chip") == []
        assert outside(page, ".pairs-page .btn", ".main") == []
        page.keyboard.press("j")
        page.wait_for_timeout(200)


def test_names_in_every_script_keep_their_beginning_and_stay_in_the_panel(page, named):
    """Emoji were cut in half, Hebrew lost its first letters, a column of figures its place."""
    show_dataset(page, named.url, dataset="names")
    heads = page.locator("#dataset-together .matrix em")
    assert heads.all_inner_texts()[2:4] == ["🍎🍏", "👨‍👩‍👧‍👦 f"]
    ways = "all => all.map(each => getComputedStyle(each).direction)"
    found = page.eval_on_selector_all("#dataset-together .matrix i[role=rowheader]", ways)
    assert [name for name, way in zip(NAMES, found, strict=True) if way == "rtl"] == NAMES[4:6]
    assert outside(page, "#dataset-distractors :is(td, th)", ".panel-part") == []
    page.locator(".tile").first.click()
    expect(page.locator(".instance .pill")).to_have_text(TAG)
    assert outside(page, ".instance .pill", ".instance") == []


def test_home_cuts_names_at_their_end(page, named):
    page.goto(f"{named.url}/?open=home&dataset=names")
    button = page.locator("#home-pairs")
    expect(button).to_be_visible(timeout=READY_MS)
    assert outside(page, ".step-card .btn span", ".btn") == []
    assert button.get_attribute("title") == button.locator("span").text_content()


def test_candidates_are_seen_beside_the_picture_at_200_per_cent(zoomed, named):
    """The picture filled the window, and one answered without having seen the classes."""
    page = zoomed
    page.goto(f"{named.url}/?open=annotate&dataset=names&rows=0,1,2")
    page.wait_for_selector(".annotate-page .cards .card", timeout=READY_MS)
    for at in range(3):
        page.wait_for_selector(f".annotate-page[data-at='{at}']")
        top, bottom = room(page)
        seen = page.eval_on_selector_all(
            ".cards :is(.picture, button.chip:not(.out))",
            "all => all.map(e => e.getBoundingClientRect()).map(({top, bottom}) => [top, bottom])",
        )
        assert len(seen) > 2
        assert [each for each in seen if each[0] < top or each[1] > bottom] == [], at
        page.keyboard.press("j")


def test_figures_of_five_edits_are_whole(page, named):
    """They read "0.0 ...", "sees...", "like..."; at 200 % one letter was left."""
    for size in (VIEWPORT, ZOOMED):
        page.set_viewport_size(size)
        page.goto(f"{named.url}/?open=augment&dataset=names&augment=0-1")
        page.wait_for_selector(".augment-cell .evidence", timeout=READY_MS)
        assert page.locator(".augment-row.heads").first.locator(".augment-head").count() == 5
        cut = page.eval_on_selector_all(
            ".evidence .num, .way-name",
            "all => all.filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText)",
        )
        assert cut == []
        assert outside(page, ".augment-cell > *", ".augment-cell") == []


def test_matrix_and_legend_are_whole_at_200_per_cent(zoomed, named):
    page = zoomed
    page.goto(f"{named.url}/?open=diagnose&dataset=names")
    page.wait_for_selector(".diagnose-side .matrix button", timeout=READY_MS)
    page.wait_for_selector(".map-legend .legend-entry", timeout=READY_MS)
    for part in (".matrix-part", ".map-legend"):
        assert page.locator(part).evaluate("e => e.scrollHeight <= e.clientHeight + 1"), part
    widths = page.eval_on_selector_all(
        ".legend-entry i", "all => all.map(e => e.getBoundingClientRect().width)"
    )
    assert set(widths) == {9}


def test_every_column_of_the_runs_is_seen(page, named):
    """Note and Delete lay off to the right without a hint."""
    page.set_viewport_size({"width": 1366, "height": 768})
    show_train(page, named.url, "names")
    assert page.locator(".runs-part .scroll").evaluate("e => e.scrollWidth <= e.clientWidth")
    assert outside(page, "#runs td", ".scroll") == []
    assert RUN in page.locator("#runs .run-pick").get_attribute("title")


def test_the_history_names_samples_wraps_comments_and_counts_classes(page, named):
    page.goto(f"{named.url}/?open=annotate&dataset=names&rows=0")
    page.wait_for_selector(".annotate-page .cards .card", timeout=READY_MS)
    page.locator(".annotate-page .doors").get_by_role("button", name="History").click()
    rows = page.locator("dialog[open] tbody tr")
    expect(rows).to_have_count(3)
    sample = page.locator(".cards .id").first.inner_text()
    assert rows.locator("td.num.wraps").all_inner_texts() == [sample] * 3
    expect(rows.first.locator(".change")).to_contain_text("+3")
    assert outside(page, "dialog[open] tbody button", ".scroll") == []


def test_heads_of_slices_stand_over_their_numbers(page, named):
    page.goto(f"{named.url}/?dataset=names&diagnose=1&view=slices")
    page.wait_for_selector(".slices-view[data-shown^=tag] tbody tr", timeout=READY_MS)
    rights = "all => all.map(e => [e.className, Math.round(e.getBoundingClientRect().right)])"
    heads = page.eval_on_selector_all("#slices-table th", rights)
    cells = page.eval_on_selector_all("#slices-table tbody tr:first-child td", rights)
    assert heads[1:] == cells[1:]
    assert "uses true labels" in page.inner_text("#slices-table thead")
