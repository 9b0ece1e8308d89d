"""A read-only studio shows everything and changes nothing."""

import re

import pytest
from playwright.sync_api import expect

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.container import Services
from cad_studio.services.pairs.mining import MiningRequest
from tests.browser.conftest import start_studio
from tests.browser.steps import READY_MS, open_page, refused, show_pairs, show_train, whole
from tests.runs_to_diagnose import SHADES, project_with_runs

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def closed(chromium, tmp_path_factory):
    """A read-only studio over the sample and a project with pairs and finished runs."""
    folder = tmp_path_factory.mktemp("closed")
    services = Services(AppConfig(folder / "project"))
    services.sample.open(Silent())  # only into an empty project
    services.close()
    services, *_ = project_with_runs(folder, prepared=False)
    services.mining.mine(SHADES, MiningRequest("pixels", MiningConfig(quantile=0.2)), Silent())
    services.close()
    yield from start_studio(services.project.folder, CAD_READONLY="1")


def test_a_read_only_studio_offers_nothing_that_changes_it(page, closed):
    show_pairs(page, closed.url, dataset=SHADES)
    expect(page.locator("#pairs-find")).to_be_hidden()
    assert page.locator("#pairs-csv").is_visible()
    open_page(page, "Dataset")
    page.wait_for_selector(".tile")
    whole(page)
    for name in ("import-open", "synthesize-open", "export-open", "remove"):
        expect(page.locator(f"#dataset-{name}")).to_be_hidden()
    # the form is still in the page: whoever opens it by a script is refused by the server
    page.locator("#dataset-import-open").evaluate("button => button.click()")
    page.fill("#import-source", str(closed.project))
    page.click("#import-start")
    refused(page, "import", "This studio is read-only.")


def test_a_read_only_studio_shows_runs_and_how_to_run_a_copy(page, closed):
    show_train(page, closed.url, SHADES)
    expect(page.locator("#train-closed")).to_contain_text("To train, run your own copy")
    expect(page.locator("#train-closed pre")).to_contain_text("python app.py")
    whole(page)
    page.click("#runs tbody .run-pick >> nth=0")
    for button in ("#train-start", "#train-measure", "#run-rename"):
        expect(page.locator(button)).to_be_hidden()
    page.click("#run-model")
    expect(page.locator("#run-download")).to_be_visible()
    expect(page.locator("#run-push")).to_be_hidden()


def test_the_run_that_is_shown_is_one_of_the_dataset(page, closed):
    show_train(page, closed.url, SHADES)
    expect(page.locator(".run-panel #run-name")).to_contain_text("proden")
    page.select_option("#header-dataset", "sample-hard")
    expect(page.locator("#run-name")).to_have_text("CAD-CAM")
    page.select_option("#header-dataset", "sample")
    expect(page.locator(".train-page")).to_contain_text("No run on sample yet")
    expect(page.locator(".run-panel")).to_be_hidden()
    page.locator("#runs .run-pick").first.click()  # one of another dataset, by hand
    expect(page.locator(".run-panel")).to_be_visible()


def test_a_read_only_studio_is_never_empty_and_is_annotated_on_trial(page, closed):
    """The runs that come with the sample, and a queue that only this window knows."""
    page.goto(f"{closed.url}/?open=diagnose&dataset=sample-hard")
    page.wait_for_selector(".map-box[data-stage=umap]", timeout=READY_MS)
    expect(page.locator(".map-view")).to_have_attribute("data-apart", "40")
    page.click("#diagnose-view-suspects")
    page.wait_for_selector(".suspects-view[data-shown]")
    page.goto(f"{closed.url}/?open=annotate&dataset={SHADES}")
    page.click("#order-expected-gain", timeout=READY_MS)
    page.wait_for_selector(".cards .card", timeout=READY_MS)
    first = page.get_attribute(".annotate-page", "data-shown")
    for answers in range(1, 6):
        page.keyboard.press("1")
        expect(page.locator(".trial-part")).to_have_attribute("data-answers", str(answers))
    expect(page.locator(".trial-part")).to_have_attribute("data-worth", "5")
    expect(page.locator("#trial-told")).to_contain_text("5 answered samples would change")
    page.keyboard.press("u")
    expect(page.locator(".trial-part")).to_have_attribute("data-answers", "4")
    for key in "++wz":  # a closer look, and back
        page.keyboard.press(key)
        expect(page.locator(".cards")).to_have_class(re.compile("lens" if key != "z" else "cards"))
    expect(page.locator("#annotate-plain")).to_be_disabled()
    page.reload()  # nothing was stored
    page.click("#order-expected-gain", timeout=READY_MS)
    page.wait_for_selector(f'.annotate-page[data-shown="{first}"]', timeout=READY_MS)
    expect(page.locator(".trial-part")).to_have_attribute("data-answers", "0")
