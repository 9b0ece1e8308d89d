"""A read-only studio shows everything and changes nothing."""

import pytest
from playwright.sync_api import expect

from cad_studio.core.progress import Silent
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.mining import MiningRequest
from tests.browser.conftest import start_studio
from tests.browser.steps import open_page, show_pairs, show_train, toast
from tests.runs_to_diagnose import SHADES, project_with_runs


@pytest.fixture(scope="module")
def closed(chromium, tmp_path_factory):
    """A read-only studio over a project with pairs and finished runs."""
    services, *_ = project_with_runs(tmp_path_factory.mktemp("closed"), prepared=False)
    services.mining.mine(SHADES, MiningRequest("pixels", MiningConfig(quantile=0.2)), Silent())
    services.close()
    yield from start_studio(services.project.folder, CAD_READONLY="1")


def test_a_read_only_studio_offers_nothing_that_changes_it(page, closed):
    show_pairs(page, closed.url, dataset=SHADES)
    expect(page.locator("#pairs-find")).to_be_hidden()
    assert page.locator("#pairs-csv").is_visible()
    open_page(page, "Dataset")
    page.wait_for_selector(".tile")
    for name in ("import-open", "synthesize-open", "export-open", "remove"):
        expect(page.locator(f"#dataset-{name}")).to_be_hidden()
    # the form is still in the page: whoever opens it by hand is refused by the server
    page.evaluate("() => document.getElementById('dataset-import').classList.add('open')")
    page.fill("#import-source textarea, #import-source input", str(closed.project))
    page.click("#import-start")
    toast(page, "This studio is read-only.")


def test_a_read_only_studio_shows_runs_and_says_why_nothing_starts(page, closed):
    show_train(page, closed.url, SHADES)
    expect(page.locator("#train-closed")).to_have_text(
        "This studio is read-only. Run your own copy to train."
    )
    page.click("#runs tbody .run-pick >> nth=0")
    for button in ("#train-start", "#train-measure", "#run-rename"):
        expect(page.locator(button)).to_be_disabled()
    page.click("#run-model")
    expect(page.locator("#run-download")).to_be_visible()
    expect(page.locator("#run-push")).to_be_disabled()
