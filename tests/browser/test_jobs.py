import os
import re
import signal
from contextlib import closing

import psutil
import pytest
from playwright.sync_api import expect

from cad_studio.store.projects import Project
from tests.browser.conftest import start_studio, wait_for_samples
from tests.browser.steps import fill_field, show_dataset, toast, total

pytestmark = pytest.mark.long


def start_synthesis(page, epochs=200):
    page.click("#dataset-synthesize-open")
    fill_field(page, "synthesize-epochs", str(epochs))
    page.click("#synthesize-start")
    return page.locator("#header .pill.job")


def running_pid(folder):
    """The process of the job at work."""
    project = Project(folder)
    (job,) = project.jobs.of_status("running")
    project.close()
    return job.place["pid"]


def version(page):
    """Of the dataset that is shown, as the header says it."""
    return page.inner_text("#header-version")


def kill_studio(studio):
    """End `app.py` with no chance to say good-bye."""
    port = studio.url.rpartition(":")[2]
    (app,) = (each for each in psutil.Process().children() if port in each.cmdline())
    app.kill()
    os.waitid(os.P_PID, app.pid, os.WEXITED | os.WNOWAIT)  # until then its workers are its children


def test_jobs_are_shown_on_every_page_outlive_their_own_wait_and_are_stopped_from_there(
    page, context, studio
):
    show_dataset(page, studio.url)
    before = version(page)
    pill = start_synthesis(page)
    expect(pill).to_contain_text("Synthesize sets of sample")
    expect(page.locator("#dataset-synthesize")).to_be_hidden()
    expect(pill).to_contain_text("%", timeout=30_000)
    other = context.new_page()
    show_dataset(other, studio.url)
    expect(other.locator("#header .pill.job")).to_contain_text("Synthesize sets of sample")
    page.bring_to_front()
    page.reload()  # the job outlives the page that started it
    expect(pill).to_contain_text("Synthesize sets of sample", timeout=30_000)
    expect(page.locator("#header-stop")).to_have_text("Stop")
    start_synthesis(page)
    expect(pill).to_contain_text("+1 waiting")
    for left in (1, 0):
        page.click("#header-stop")
        if left:
            toast(page, "Synthesize sets of sample: cancelled. Nothing was changed.")
        expect(pill).to_have_count(left, timeout=20_000)
        if left:
            expect(pill).not_to_contain_text("waiting", timeout=20_000)
            expect(page.locator("#header-stop")).to_have_text(re.compile("^(Cancel|Stop)$"))
    assert total(page) == "12,000 samples"
    assert version(page) == before


def test_an_export_is_made_as_a_file_to_download(page, studio):
    show_dataset(page, studio.url)
    page.click("#dataset-export-open")
    with page.expect_download(timeout=30_000) as waiting:
        page.click("#export-start")
        link = page.locator("a[href*='/file']")
        expect(link).to_be_visible(timeout=30_000)
        link.click()
    # Other tests in this studio may have annotated before.
    assert re.fullmatch(r"sample-v\d+\.csv", waiting.value.suggested_filename)
    with open(waiting.value.path(), encoding="utf-8") as file:
        assert sum(1 for _ in file) == 12_001


def test_a_killed_job_says_why_and_is_resumed_from_where_that_is_said(page, studio):
    show_dataset(page, studio.url)
    pill = start_synthesis(page)
    expect(pill).to_contain_text("%", timeout=30_000)
    os.kill(running_pid(studio.project), signal.SIGKILL)
    toast(page, "Its process was killed (SIGKILL). Resume it to start it again.")
    page.click("#toast-resume")
    expect(pill).to_contain_text("Synthesize sets of sample")
    expect(pill).to_contain_text("%", timeout=30_000)
    page.click("#header-stop")
    toast(page, "cancelled. Nothing was changed.")


@pytest.mark.slow  # `tests/jobs/test_recovery.py` has it without a browser
def test_a_job_outlives_a_killed_studio_and_the_next_one_shows_it(context, tmp_path):
    with closing(start_studio(tmp_path / "project")) as first:
        studio, page = next(first), context.new_page()
        wait_for_samples(studio.url)  # a job of the studio's own, which comes first
        show_dataset(page, studio.url)
        pill = start_synthesis(page, epochs=900)  # still at work when the next studio is up
        expect(pill).to_contain_text("%", timeout=30_000)
        page.close()
        pid = running_pid(studio.project)
        kill_studio(studio)
    with closing(start_studio(tmp_path / "project")) as second:
        page = context.new_page()
        show_dataset(page, next(second).url)
        expect(page.locator("#header .pill.job")).to_contain_text("%")
        assert running_pid(tmp_path / "project") == pid
        page.click("#header-stop")
        toast(page, "cancelled. Nothing was changed.")
        page.close()
