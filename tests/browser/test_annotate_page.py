"""Annotation by keys alone: every key is an action, saved, undone, redone, and found in the log."""

import json
import re

import pytest
from playwright.sync_api import expect

from cad_studio.config import AppConfig
from cad_studio.services.container import Services
from tests.browser.steps import open_page, toast
from tests.browser.test_reach import least_contrast
from tests.services.annotating import request

READY_MS = 60_000
SAMPLE = "sample"


@pytest.fixture(scope="module")
def project(studio):
    """The services over the project of the studio, from beside it."""
    services = Services(AppConfig(studio.project))
    yield services
    services.close()


def show_annotate(page, url, query="dataset=sample"):
    page.goto(f"{url}/annotate?{query}")
    page.wait_for_selector(".annotate-page[data-shown]", timeout=READY_MS)


def start(page, order):
    """Start a queue with the keyboard."""
    page.focus(f"#order-{order}")
    page.keyboard.press("Enter")
    page.wait_for_selector(".annotate-page .cards .card", timeout=READY_MS)


def is_at(page, at):
    page.wait_for_function(
        "at => document.querySelector('.annotate-page').dataset.at === String(at)",
        arg=at,
        timeout=READY_MS,
    )


def all_saved(page):
    page.wait_for_function(
        "() => document.querySelector('.annotate-page').dataset.unsaved === '0'", timeout=READY_MS
    )


def head(project):
    return project.history.newest(SAMPLE)["head"]


def lines_after(project, number):
    return [line for line in project.history.everything(SAMPLE) if line["number"] > number]


def test_twenty_pairs_by_keys_undone_reloaded_redone_exported(page, studio, project):
    first = head(project)
    show_annotate(page, studio.url)
    start(page, "entangled")
    for at in range(20):
        is_at(page, at)
        if page.is_visible("#annotate-accept"):
            page.keyboard.press("Enter")
        else:
            page.keyboard.press("1")
            page.keyboard.press(page.inner_text('.chip[data-side="1"] kbd >> nth=0'))
    is_at(page, 20)
    all_saved(page)
    made = lines_after(project, first)
    assert [line["kind"] for line in made] == ["assign"] * 20
    assert all(line["seconds"] > 0 and line["queue"] for line in made)
    decided = {row: project.sets.effective(SAMPLE).of(row) for row in made[15]["rows"]}

    for _ in range(10):
        page.keyboard.press("u")
    all_saved(page)
    is_at(page, 10)
    undone = lines_after(project, first + 20)
    assert [line["reverses"] for line in undone] == [line["number"] for line in made[:9:-1]]
    for change in made[15]["changes"]:
        assert project.sets.effective(SAMPLE).of(change["row"]) == change["before"]

    page.reload()
    page.wait_for_selector(".annotate-page .cards .card", timeout=READY_MS)
    assert page.is_enabled("#annotate-undo")
    for _ in range(10):
        page.keyboard.press("r")
        all_saved(page)
    redone = lines_after(project, first + 30)
    assert [line["kind"] for line in redone] == ["redo"] * 10
    assert {row: project.sets.effective(SAMPLE).of(row) for row in decided} == decided
    assert project.history.verify(SAMPLE)["agrees"]

    page.click("#annotate-export")
    page.select_option("#annotate-format", "history")
    page.click("#annotate-make")
    with page.expect_download() as download:
        page.click("#annotate-download", timeout=READY_MS)
    exported = [json.loads(line) for line in download.value.path().read_text().splitlines()]
    assert exported == list(project.history.everything(SAMPLE))


@pytest.mark.long
def test_a_queue_does_not_end_because_saving_is_slow(page, studio, project):
    """What was asked for ahead of the saves came again, and was taken for the end of the queue."""
    show_annotate(page, studio.url)
    start(page, "least-certain")
    saves, is_held = [], True

    def hold(route):
        if is_held and "act" in json.loads(route.request.post_data).values():
            saves.append(route)
        else:
            route.continue_()

    page.route(re.compile("component_server"), hold)
    for at in range(10):
        is_at(page, at)
        page.keyboard.press("1")
    page.wait_for_timeout(500)
    assert page.get_attribute(".annotate-page", "data-unsaved") == "10"
    is_held = False
    for save in saves:
        save.continue_()
    is_at(page, 10)
    all_saved(page)


def test_the_page_says_what_answers_settled_and_undo_takes_it_back(page, studio, project):
    show_annotate(page, studio.url)
    start(page, "least-certain")
    live = page.locator("#annotate-live")
    expect(live).to_contain_text("above .9", timeout=READY_MS)
    expect(live).to_contain_text("Belief by")
    first = live.inner_text()
    at = int(page.locator(".annotate-page").get_attribute("data-at"))
    for step in range(5):
        page.keyboard.press("1")
        is_at(page, at + step + 1)
    expect(live).to_contain_text("The last answers: ", timeout=READY_MS)
    for _ in range(5):
        page.keyboard.press("u")
    all_saved(page)
    counts = re.search(r"\d\S* of \S+ open samples are above", first)[0]
    expect(live).to_contain_text(counts, timeout=READY_MS)


def test_ten_rapid_keys_are_ten_actions_and_the_next_is_there_at_once(page, studio, project):
    first = head(project)
    show_annotate(page, studio.url)
    start(page, "least-certain")
    is_at(page, 0)
    page.wait_for_function("document.querySelectorAll('.near-tile').length === 10")
    # the next card is there when the key has been heard: nothing is waited for
    places = page.evaluate(
        """() => [1, 2, 3, 4].map(() => {
          const one = {key: '1', code: 'Digit1', bubbles: true};
          document.body.dispatchEvent(new KeyboardEvent('keydown', one));
          return document.querySelector('.annotate-page').dataset.at;
        })"""
    )
    assert places == ["1", "2", "3", "4"]
    for key in "1111":
        page.keyboard.press(key)
    page.keyboard.press("f")
    page.keyboard.press("Shift+Digit1")
    all_saved(page)
    kinds = [line["kind"] for line in lines_after(project, first)]
    assert kinds == ["label"] * 8 + ["flag", "toggle"]
    # The counts beside the queue used to stay as they were when it was opened.
    counts = re.compile(rf"{head(project):,} by [1-9]\d* annotator")
    expect(page.locator(".annotate-page .facts")).to_contain_text(counts)


def test_the_last_candidate_is_kept_none_of_these_replaces_and_search_adds(page, studio, project):
    show_annotate(page, studio.url, "dataset=sample&rows=501,502,503&title=Three")
    page.wait_for_selector(".annotate-page .cards .card", timeout=READY_MS)
    expect(page.locator("#annotate-queue")).to_contain_text("Three")
    names = project.datasets.get(SAMPLE).class_names
    before = project.sets.effective(SAMPLE).of(501)
    other = next(index for index in range(10) if index not in before)
    page.keyboard.press("/")
    page.keyboard.type(names[other])
    page.keyboard.press("Enter")
    all_saved(page)
    assert project.sets.effective(SAMPLE).of(501) == sorted([*before, other])
    page.keyboard.press("n")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    is_at(page, 1)
    page.keyboard.press("k")
    is_at(page, 0)
    all_saved(page)
    assert len(project.sets.effective(SAMPLE).of(501)) == 1
    page.keyboard.press("Shift+Digit1")
    toast(page, "is the last candidate")
    page.keyboard.press("c")
    page.keyboard.type("<img src=x onerror=alert(1)>")
    page.keyboard.press("Enter")
    all_saved(page)
    expect(page.locator(".said .note")).to_contain_text("<img src=x")


def test_many_at_once_shows_the_count_first_and_is_one_step_of_undo(page, studio, project):
    rows = list(range(600, 640))
    before = [project.sets.effective(SAMPLE).of(row) for row in rows]
    show_annotate(page, studio.url, "dataset=sample&rows=" + ",".join(map(str, rows)))
    page.wait_for_selector(".annotate-page .cards .card", timeout=READY_MS)
    page.click("#annotate-bulk")
    page.select_option("#bulk-what", "set")
    keep_only = "of 40 samples keep only 'T-shirt/top'"
    expect(page.locator("#bulk-says")).to_contain_text(keep_only)
    held = []  # the first question, which the second overtakes
    calls = re.compile("component_server")
    page.route(calls, lambda route: route.continue_() if held else held.append(route))
    page.select_option("#bulk-what", "remove")
    page.select_option("#bulk-what", "set")
    expect(page.locator("#bulk-do")).to_be_enabled()
    expect(page.locator("#bulk-says")).to_contain_text(keep_only)
    with page.expect_response(calls):
        held[0].continue_()
    page.evaluate("() => new Promise(done => setTimeout(done, 100))")
    assert keep_only in page.locator("#bulk-says").inner_text()
    page.unroute(calls)
    page.click("#bulk-do")
    toast(page, "One undo takes it back")
    assert [project.sets.effective(SAMPLE).of(row) for row in rows] == [[0]] * 40
    expect(page.locator("#annotate-undo")).to_contain_text("set of")
    page.keyboard.press("u")
    all_saved(page)
    assert [project.sets.effective(SAMPLE).of(row) for row in rows] == before


def test_keys_can_be_changed_and_switched_off(page, studio, project):
    show_annotate(page, studio.url, "dataset=sample&rows=700,701")
    page.wait_for_selector(".annotate-page .cards .card", timeout=READY_MS)
    page.click("#annotate-keys")
    page.get_by_role("button", name="Change the key for: Flag").click()
    page.keyboard.press("j")
    told = page.locator("dialog[open] [role=status]")
    expect(told).to_contain_text("taken by: Next")
    expect(told).to_be_in_viewport()  # it stood below the list, out of sight
    page.get_by_role("button", name="Change the key for: Flag").click()
    page.keyboard.press("g")
    page.keyboard.press("Escape")
    expect(page.locator("#annotate-flag kbd")).to_have_text("g")
    page.keyboard.press("g")
    all_saved(page)
    expect(page.locator(".tag.flag")).to_be_visible()
    page.click("#annotate-keys")
    page.uncheck("#annotate-keys-on")
    page.keyboard.press("Escape")
    first = head(project)
    page.keyboard.press("1")
    page.keyboard.press("g")
    page.click("#annotate-flag")
    all_saved(page)
    assert [line["kind"] for line in lines_after(project, first)] == ["flag"]


def test_what_somebody_else_does_is_shown_and_kept(page, studio, project):
    show_annotate(page, studio.url, "dataset=sample&rows=800,801")
    page.wait_for_selector(".annotate-page .cards .card", timeout=READY_MS)
    mine = project.sets.effective(SAMPLE).of(800)
    other = next(index for index in range(10) if index not in mine)
    project.annotation.act(SAMPLE, request("label", [800], "bo", given={"class": other}))
    page.keyboard.press("1")
    is_at(page, 1)
    all_saved(page)
    page.keyboard.press("k")
    expect(page.locator(".said")).to_contain_text("contradict each other")
    expect(page.locator(".said")).to_contain_text("bo says")
    assert project.sets.effective(SAMPLE).of(800) == sorted([mine[0], other])
    page.click("#annotate-agreement")
    page.get_by_role("button", name="Go through").click()
    expect(page.locator(".why")).to_contain_text("contradict each other", timeout=READY_MS)


def test_an_action_waits_while_the_studio_does_not_answer(page, studio, project, watch):
    watch.expected += ["Failed to load resource", "component server", "Failed to fetch"]
    show_annotate(page, studio.url, "dataset=sample&rows=900,901,902")
    page.wait_for_selector(".annotate-page .cards .card", timeout=READY_MS)
    first = head(project)
    page.route(re.compile("component_server"), lambda route: route.abort())
    page.keyboard.press("1")
    page.keyboard.press("1")
    expect(page.locator("#annotate-saved")).to_contain_text("Not saved yet")
    assert head(project) == first
    page.unroute_all()
    page.click("#annotate-saved button")
    all_saved(page)
    assert [line["kind"] for line in lines_after(project, first)] == ["label", "label"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_fits_is_readable_and_named_for_a_screen_reader(page, studio, theme):
    page.goto(f"{studio.url}/?open=annotate&dataset=sample&rows=1000,1001&__theme={theme}")
    page.wait_for_selector(".annotate-page .cards .card", timeout=READY_MS)
    main = page.locator(".annotate-page .main")
    assert main.evaluate("e => e.scrollHeight <= e.clientHeight + 1")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    unnamed = page.eval_on_selector_all(
        ".annotate-page :is(button, input, select, textarea, img)",
        "all => all.filter(e => e.offsetParent && !(e.innerText || e.ariaLabel || e.alt)).length",
    )
    assert unnamed == 0
    for part in ("span", "b", "h1", "h2", "p", "small", "button", "kbd"):
        assert least_contrast(page, f".annotate-page {part}") >= [4.5, ""], part
    open_page(page, "Dataset")


def test_a_wrong_link_is_told_and_letters_of_a_field_about_to_open_are_no_commands(page, studio):
    """Letters of a comment typed while the next item was on its way were taken for commands."""
    page.goto(f"{studio.url}/annotate?dataset=sample&rows=1,x")
    toast(page, "are not numbers")
    page.goto(f"{studio.url}/annotate?dataset=sample&selection=99999")
    toast(page, "Selection 99999 is not in this project")
    ran = page.evaluate(
        """async () => {
          const {createTrail} = await import('/gradio_api/cad/static/test/annotate_trail.js');
          let saved; const saving = new Promise(done => { saved = done; });
          const nothing = () => {};
          const trail = createTrail({
            take: async () => ({queue: {id: 1}, cards: []}), hasUnsaved: () => false,
            settled: () => saving, image: nothing,
            onShow: nothing, onQueue: nothing, onEnd: nothing, onWait: nothing,
          });
          const ran = [];
          trail.begin({id: 1});
          const end = trail.step(1);
          trail.inTurn(() => ran.push('same'));
          trail.inTurn(() => ran.push('comment'), true);
          trail.inTurn(() => ran.push('letter'));
          saved();
          await end;
          await new Promise(done => setTimeout(done, 20));
          trail.inTurn(() => ran.push('next'));
          return ran;
        }"""
    )
    assert ran == ["same", "comment", "next"]


def test_what_opens_over_the_page_waits_until_its_dataset_is_read(page, studio):
    """Asked at once, Agreement closed with an error of the script, for nothing was read yet."""
    held = []
    page.route(re.compile(r"/cad/annotate/sample\?"), lambda route: held.append(route))
    page.goto(f"{studio.url}/?open=annotate&dataset=sample")
    page.wait_for_selector("#annotate-agreement")
    while not held:
        page.wait_for_timeout(50)
    assert page.is_disabled("#annotate-agreement")
    assert page.is_enabled("#annotate-keys")
    for route in held:
        route.continue_()
    page.unroute(re.compile(r"/cad/annotate/sample\?"))
    page.click("#annotate-agreement")
    page.wait_for_selector("dialog[open] .figures", timeout=READY_MS)
