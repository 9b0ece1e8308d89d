from playwright.sync_api import expect

from tests.browser.steps import fill_field, show_dataset, toast, total


def start_synthesis(page):
    page.click("#dataset-synthesize-open")
    fill_field(page, "synthesize-epochs", "200")
    page.click("#synthesize-start")
    return page.locator("#header .pill.job")


def test_a_running_job_is_shown_on_every_page_and_cancelled_from_there(page, context, studio):
    show_dataset(page, studio.url)
    pill = start_synthesis(page)
    expect(pill).to_contain_text("Synthesize sets of sample")
    expect(page.locator("#dataset-synthesize")).to_be_hidden()
    expect(pill).to_contain_text("%", timeout=30_000)
    other = context.new_page()
    show_dataset(other, studio.url)
    expect(other.locator("#header .pill.job")).to_contain_text("Synthesize sets of sample")
    page.bring_to_front()
    page.click("#header-cancel")
    toast(page, "Synthesize sets of sample: cancelled. Nothing was changed.")
    expect(pill).to_have_count(0)
    assert total(page) == "12,000 samples"
    assert "v1 ·" in page.inner_text("#header")


def test_a_job_outlives_the_page_that_started_it(page, studio):
    show_dataset(page, studio.url)
    start_synthesis(page)
    page.wait_for_selector("#header-cancel")
    page.reload()
    page.wait_for_selector("#header-cancel")
    page.click("#header-cancel")
    toast(page, "cancelled. Nothing was changed.")


def test_what_waits_is_counted_and_gone_at_once_when_cancelled(page, studio):
    show_dataset(page, studio.url)
    pill = start_synthesis(page)
    expect(pill).to_have_count(1)
    start_synthesis(page)
    expect(pill).to_contain_text("+1 waiting")
    for left in (1, 0):
        page.click("#header-cancel")
        expect(pill).to_have_count(left, timeout=20_000)
        if left:
            expect(pill).not_to_contain_text("waiting", timeout=20_000)
            expect(page.locator("#header-cancel")).to_have_text("Cancel")


def test_an_export_is_made_as_a_file_to_download(page, studio):
    show_dataset(page, studio.url)
    page.click("#dataset-export-open")
    with page.expect_download(timeout=30_000) as waiting:
        page.click("#export-start")
        link = page.locator("a[href*='/file']")
        expect(link).to_be_visible(timeout=30_000)
        link.click()
    assert waiting.value.suggested_filename == "sample-v1.csv"
    with open(waiting.value.path(), encoding="utf-8") as file:
        assert sum(1 for _ in file) == 12_001
