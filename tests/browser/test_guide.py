"""The two minutes through the sample: a pair, the map, five answers by key, before and after."""

import re

import pytest
from playwright.sync_api import expect

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from tests.browser.conftest import start_studio
from tests.browser.steps import READY_MS, open_page

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The sample as a new project has it."""
    services = Services(AppConfig(tmp_path_factory.mktemp("guide") / "project"))
    services.sample.open(Silent())
    services.close()
    return services.project.folder


@pytest.fixture(scope="module", params=["open", "read-only"])
def led(request, chromium, project):
    """A studio, and whether nothing may be changed in it."""
    is_closed = request.param == "read-only"
    for started in start_studio(project, **({"CAD_READONLY": "1"} if is_closed else {})):
        yield started.url, is_closed


def test_the_foot_leads_through_the_sample_and_back_to_it(page, led):
    url, is_closed = led
    says, go = page.locator("#way-says"), page.locator("#way-go")
    page.goto(url)
    page.click("#home-sample", timeout=READY_MS)
    page.wait_for_selector(".pairs-page .card img", timeout=READY_MS)
    expect(says).to_contain_text("1 of 4.")
    go.click()
    page.wait_for_selector('.map-box[data-stage="umap"]', timeout=READY_MS)
    expect(says).to_contain_text("2 of 4.")
    go.click()
    page.wait_for_selector(".cards .card", timeout=READY_MS)
    for answered in range(5):
        expect(says).to_contain_text(f"{answered} of 5 answered", timeout=READY_MS)
        expect(go).not_to_have_class(re.compile("primary"))
        page.keyboard.press("1")
    expect(says).to_contain_text("Five answered.")
    expect(go).to_have_class(re.compile("primary"))
    open_page(page, "Dataset")
    expect(says).to_have_text("3 of 4. The tour continues on another page.")
    if not is_closed:  # whoever leaves before answers are stored is asked whether to
        expect(page.locator("#header-changes")).to_contain_text("5 changes", timeout=READY_MS)
    page.reload(wait_until="commit")
    expect(go).to_have_text("Fix five by key", timeout=READY_MS)
    open_page(page, "Annotate")
    expect(go).to_have_text("See before and after")
    go.click()
    expect(page.locator("#diagnose-against")).not_to_have_value("", timeout=READY_MS)
    page.wait_for_selector("#diagnose-view-compare[aria-pressed=true]")
    expect(says).to_contain_text("4 of 4.")
    go.click()
    expect(page.locator("#way-leave")).to_have_count(0)
    expect(says).to_contain_text("read-only" if is_closed else "5 sets changed since CAD-CAM")


def test_the_words_of_the_tour_are_there_at_200_per_cent_too(page, led):
    url, _ = led
    page.set_viewport_size({"width": 683, "height": 384})
    page.goto(url)
    page.click("#home-sample", timeout=READY_MS)
    expect(page.locator("#way-says")).to_be_visible(timeout=READY_MS)
    page.click("#way-leave")


def test_who_is_led_may_leave(page, led):
    url, _ = led
    page.goto(url)
    page.click("#home-sample", timeout=READY_MS)
    page.click("#way-leave")
    expect(page.locator("#way-says")).not_to_contain_text("1 of 4")
    page.reload(wait_until="commit")
    expect(page.locator("#way-says")).not_to_be_empty(timeout=READY_MS)
    expect(page.locator("#way-says")).not_to_contain_text("1 of 4")
