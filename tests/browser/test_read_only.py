"""A read-only studio shows everything and changes nothing."""

import pytest
from playwright.sync_api import expect

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from cad_studio.services.training import TrainingRequest
from tests.browser.conftest import start_studio
from tests.browser.part import DATASET, import_part
from tests.browser.steps import open_page, show_pairs, show_train, toast


@pytest.fixture(scope="module")
def closed(chromium, tmp_path_factory):
    """A read-only studio with the sample and with a finished run on a part of it."""
    folder = tmp_path_factory.mktemp("closed")
    services = Services(AppConfig(folder / "project"))
    services.sample.open(Silent())
    import_part(services, folder)
    config = {"epochs": 1, "threads": 1, "device": "cpu"}
    run = services.training.create(TrainingRequest(DATASET, "proden", "resnet8", config=config))
    services.training.train(run.id, Silent())
    services.close()
    yield from start_studio(folder / "project", CAD_READONLY="1")


def test_a_read_only_studio_offers_nothing_that_changes_it(page, closed):
    show_pairs(page, closed.url)
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
    show_train(page, closed.url, DATASET)
    expect(page.locator("#train-closed")).to_have_text(
        "This studio is read-only. Run your own copy to train."
    )
    page.click("#runs tbody .run-pick")
    for button in ("#train-start", "#train-measure", "#run-rename"):
        expect(page.locator(button)).to_be_disabled()
    page.click("#run-model")
    expect(page.locator("#run-download")).to_be_visible()
    expect(page.locator("#run-push")).to_be_disabled()
