"""Classes merged and renamed from the Annotate page by keyboard."""

import re

import pytest
from playwright.sync_api import expect

from cad_studio.config import AppConfig
from cad_studio.services.container import Services
from tests.browser.test_annotate_page import READY_MS, SAMPLE, all_saved, show_annotate, start

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def project(studio):
    services = Services(AppConfig(studio.project))
    yield services
    services.close()


def test_a_merge_by_keyboard_tells_its_count_first_and_is_one_step_of_undo(page, studio, project):
    names = project.datasets.get(SAMPLE).class_names
    shirt, coat = names.index("Shirt"), names.index("Coat")
    n_shirts = int(project.sets.effective(SAMPLE).has(shirt).sum())
    show_annotate(page, studio.url)
    start(page, "random")
    page.focus("#annotate-classes")
    page.keyboard.press("Enter")
    says = page.locator("#class-says")
    expect(says).to_have_text("Type another name.")
    expect(page.locator("#class-which")).to_be_focused()
    page.keyboard.type("Shirt")
    page.keyboard.press("Tab")
    page.keyboard.type("Merge")
    page.keyboard.press("Tab")
    page.keyboard.type("Coat")
    expect(says).to_have_text(
        f"{n_shirts:,} samples hold 'Shirt' and get 'Coat' in its place, as do true labels and "
        "votes."
    )
    page.keyboard.press("Tab")
    expect(page.locator("#class-do")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open]")).to_have_count(0, timeout=READY_MS)
    page.wait_for_selector(".annotate-page .cards .card", timeout=READY_MS)
    assert project.sets.effective(SAMPLE).has(coat).sum() >= n_shirts
    assert not project.sets.effective(SAMPLE).has(shirt).any()
    expect(page.locator(".cards .chips")).not_to_contain_text(re.compile("^Shirt"))
    expect(page.locator("#annotate-undo")).to_contain_text("merge-class")

    page.keyboard.press("u")
    all_saved(page)
    page.wait_for_selector(".annotate-page .cards .card", timeout=READY_MS)
    assert int(project.sets.effective(SAMPLE).has(shirt).sum()) == n_shirts
    page.click("#annotate-classes")
    page.select_option("#class-which", label="Coat")
    page.fill("#class-name", "Bag")
    expect(says).to_contain_text("There is a class 'Bag' already")
    expect(page.locator("#class-do")).to_be_disabled()
    page.keyboard.press("Escape")
