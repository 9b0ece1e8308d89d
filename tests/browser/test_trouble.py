"""A studio that stops and returns, several windows, and answers that come late."""

import os
import socket
import subprocess
import sys

import numpy as np
import psutil
import pytest
from playwright.sync_api import expect

from cad_studio.config import AppConfig
from cad_studio.services.container import Services
from tests.browser.conftest import ROOT, wait_for
from tests.browser.steps import fill_field, open_page, show_dataset, toast
from tests.services.annotating import NAME, make

pytestmark = pytest.mark.long

READY_MS = 60_000
AWAY = "The studio does not answer"
KEPT = "The studio does not answer; your work is kept and will be sent."
REFUSED = "net::ERR_"
PAGES = {
    "Dataset": ".dataset-page .tile",
    "Entangled pairs": ".pairs-page",
    "Augmentations": ".augment-page",
    "Train": ".train-page:not(.augment-page)",
    "Diagnose": ".diagnose-page",
    "Annotate": ".annotate-page",
}


class Restarted:
    """A studio on one port that can be stopped and started again."""

    def __init__(self, project):
        self.project = project
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = str(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self._port}"
        self.start()

    def stop(self):
        family = [*self._process.children(recursive=True), self._process]
        for each in family:
            each.terminate()
        psutil.wait_procs(family, 20)

    def start(self):
        log = self.project.with_suffix(f".{self._port}.log")
        with log.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "app.py", "--project", str(self.project), "--port", self._port],
                cwd=ROOT, stdout=out, stderr=subprocess.STDOUT,
                env={**os.environ, "CAD_READONLY": "0"},
            )  # fmt: skip
        self._process = psutil.Process(process.pid)
        wait_for(self.url, process, log)


@pytest.fixture(scope="module")
def mortal(chromium, tmp_path_factory):
    """A studio of its own, which may be stopped."""
    folder = tmp_path_factory.mktemp("mortal")
    services = Services(AppConfig(folder / "project"))
    make(services, folder)
    services.close()
    found = Restarted(folder / "project")
    yield found
    found.stop()


def away(page):
    return page.locator("#studio-away")


def test_every_page_says_the_same_while_the_studio_is_away_and_goes_on_by_itself(
    page, mortal, watch
):
    """A page whose server stopped showed "Cannot destructure property ..."."""
    watch.expected += [REFUSED]
    show_dataset(page, mortal.url)
    for title, ready in PAGES.items():
        open_page(page, title)
        page.wait_for_selector(ready, timeout=READY_MS)
    page.evaluate("window.marked = true")  # lost by a reload
    mortal.stop()
    for title in PAGES:
        open_page(page, title)
        expect(away(page)).to_contain_text(AWAY, timeout=30_000)
        assert page.locator("#studio-away").count() == 1
        assert "undefined" not in page.inner_text("body")
    mortal.start()
    expect(away(page)).to_have_count(0, timeout=30_000)
    for title, ready in PAGES.items():
        open_page(page, title)
        page.wait_for_selector(ready, timeout=READY_MS)
    assert page.evaluate("window.marked")


def test_a_form_sent_meanwhile_waits_and_says_so(page, mortal, watch):
    """Its Start button showed Gradio's words, and what was asked for was gone."""
    watch.expected += [REFUSED]
    show_dataset(page, mortal.url)
    page.click("#dataset-export-open")
    page.wait_for_selector("#export-start:visible")
    mortal.stop()
    page.click("#export-start")
    expect(away(page)).to_contain_text(AWAY, timeout=30_000)
    assert page.locator(".toast-wrap .toast-body").count() == 0
    mortal.start()
    expect(page.locator("body")).to_contain_text(f"Export {NAME}", timeout=READY_MS)


def test_work_done_meanwhile_is_kept_and_sent(page, mortal, watch):
    watch.expected += [REFUSED]
    page.goto(f"{mortal.url}/annotate?dataset={NAME}")
    page.wait_for_selector("#order-random, [id^=order-]", timeout=READY_MS)
    page.click("#order-least-certain")
    page.wait_for_selector(".annotate-page .cards .card", timeout=READY_MS)
    mortal.stop()
    page.keyboard.press("1")
    expect(away(page)).to_have_text(KEPT, timeout=30_000)
    expect(page.locator("#annotate-saved")).to_contain_text(KEPT)
    mortal.start()
    page.wait_for_function(
        "() => document.querySelector('.annotate-page').dataset.unsaved === '0'", timeout=READY_MS
    )
    expect(away(page)).to_have_count(0, timeout=30_000)
    expect(page.locator("#annotate-saved")).to_contain_text("saved")


def small_file(folder, name, n_samples):
    generator = np.random.default_rng(3)
    labels = np.arange(n_samples) % 2
    file = folder / f"{name}.npz"
    np.savez(file, images=generator.integers(0, 256, (n_samples, 8, 8), np.uint8), labels=labels,
             class_names=np.array(["a", "b"]))  # fmt: skip
    return file


def test_an_import_moves_only_the_window_that_asked(page, context, studio, tmp_path):
    """Every open window went to the new dataset, and an annotator lost the queue."""
    other = context.new_page()
    show_dataset(other, studio.url, dataset="sample")
    show_dataset(page, studio.url, dataset="sample")
    page.click("#dataset-import-open")
    fill_field(page, "import-source", str(small_file(tmp_path, "mine", 10)))
    fill_field(page, "import-name", "mine")
    page.click("#import-start")
    expect(page.locator("#header-dataset")).to_have_value("mine", timeout=READY_MS)
    other.bring_to_front()
    toast(other, "Import mine: done", READY_MS)
    expect(other.locator("#header-dataset")).to_have_value("sample")
    assert "dataset=sample" in other.url


def test_what_is_imported_is_the_source_that_is_shown(page, studio, tmp_path):
    """An upload of before was imported under the name of the path typed since."""
    show_dataset(page, studio.url, dataset="sample")
    page.click("#dataset-import-open")
    page.set_input_files("#import-upload", small_file(tmp_path, "first", 10))
    expect(page.locator("#import-upload-name")).to_contain_text("first", timeout=30_000)
    page.locator("#import-source").press_sequentially(
        str(small_file(tmp_path, "second", 14)), delay=1
    )
    expect(page.locator("#import-upload-name")).not_to_contain_text("first")
    fill_field(page, "import-name", "second")
    page.click("#import-start")
    expect(page.locator("#header-dataset")).to_have_value("second", timeout=READY_MS)
    expect(page.locator("#dataset-total")).to_have_text("14 samples", timeout=READY_MS)
    page.click("#dataset-import-open")
    expect(page.locator("#import-source")).to_have_value("")
    page.set_input_files("#import-upload", small_file(tmp_path, "third", 6))
    expect(page.locator("#import-upload-name")).to_contain_text("third", timeout=30_000)
    fill_field(page, "import-source", "")
    page.click("#import-close")


RACE = """async () => {
  const folder = '/gradio_api/cad/static/test/';
  const {createTrail} = await import(folder + 'annotate_trail.js');
  const {createAnswers} = await import(folder + 'annotate_answers.js');
  const sleep = ms => new Promise(done => setTimeout(done, ms));
  const side = row => ({row, id: `s${row}`, candidates: [0, 1], last: 0, flagged: false});
  const cards = from => [from, from + 1, from + 2].map(position => (
    {position, queue: 1, rows: [position], sides: [side(position)], shared: null, decided: ''}));
  let taken = 0;
  const sent = [], shown = [];
  const queue = {id: 1, done: 0};
  const trail = createTrail({
    take: async () => {
      const from = taken;
      taken += 3;
      await sleep(40);
      return {cards: from < 9 ? cards(from) : [], queue};
    },
    hasUnsaved: () => false, settled: async () => {}, image: () => 'data:,',
    onShow: card => shown.push(card.position),
    onQueue() {}, onEnd: () => shown.push('end'), onWait() {}, onRefusal() {}});
  const decisions = {push: (action, more) => {
    sent.push(action.position);
    const at = more.trailAt;
    // refused, late
    if (action.position === 2) setTimeout(() => { more.undoes(); trail.refuse(at); }, 60);
  }};
  const answers = createAnswers({
    card: trail.card, canAct: () => true, search: {}, decisions, paint() {}, step: trail.step,
    queueOf: () => queue, namesOf: () => ['a', 'b'], classesOf: () => [0, 1], sideOf: () => 0,
    turn() {}, picksOf: () => [null, null], trailAt: trail.at, seconds: () => 1,
    shownOf: () => ({}), onDecision() {}, onChange() {}});
  trail.begin(queue);
  await trail.step(1);
  for (let n = 0; n < 60; n++) {  // clicks and keys, faster than cards come
    const answer = () => answers.pick(0, 0, false);
    if (n % 2) answer(); else trail.inTurn(answer);
    await sleep(7);
  }
  await sleep(300);
  return {sent, shown};
}"""


def test_no_position_is_answered_twice_however_late_answers_and_refusals_come(page, studio):
    """A refusal moved the trail back, and the next key landed on an older card: three answers."""
    show_dataset(page, studio.url, dataset="sample")
    found = page.evaluate(RACE)
    # the refused one came once more, at the end
    assert found["sent"] == [*range(9), 2]
    assert found["shown"] == [*range(9), 2, "end"]


def test_a_window_nobody_looks_at_does_not_ask(page, studio):
    show_dataset(page, studio.url, dataset="sample")
    asked = []
    page.evaluate(
        """() => { Object.defineProperty(document, 'hidden', {get: () => true});
                   document.dispatchEvent(new Event('visibilitychange')); }"""
    )
    page.wait_for_timeout(1_000)  # what was asked before is answered
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(9_000)
    assert [url for url in asked if "/cad/" in url and "/static/" not in url] == []
