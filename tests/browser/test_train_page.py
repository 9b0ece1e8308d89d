"""Runs are started, followed, stopped, resumed, compared and kept in order on the Train page."""

import json

import pytest
from playwright.sync_api import expect

from cad_studio import elsewhere
from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from cad_studio.services.training.training import TrainingRequest
from tests.browser.part import DATASET, import_part
from tests.browser.steps import READY_MS, show_train, toast
from tests.browser.test_reach import least_contrast

pytestmark = pytest.mark.long

HIDE = """hidden => {
  Object.defineProperty(document, 'hidden', {configurable: true, get: () => hidden});
  document.dispatchEvent(new Event('visibilitychange'));
}"""
"""What the browser tells a page whose tab is left or opened again."""


def ask_for(page, method="proden", backbone="resnet8", epochs="3", name=""):
    """Fill the form; nothing is started."""
    page.select_option("#train-method", method)
    page.fill("#train-backbone", backbone)
    page.fill("#setting-epochs", epochs)
    page.fill("#train-name", name)


def start(page, name, **wanted):
    """Start a run by the form and wait until it is the chosen one; returns its number."""
    ask_for(page, name=name, **wanted)
    page.click("#train-start")
    expect(page.locator("#run-name")).to_have_text(name, timeout=60_000)
    return int(page.get_attribute(".run-panel", "data-run"))


def reaches(page, *statuses, timeout=120_000):
    """Wait until the chosen run has one of some statuses."""
    page.wait_for_function(
        "wanted => wanted.includes(document.querySelector('.run-panel')?.dataset.status)",
        arg=list(statuses),
        timeout=timeout,
    )


def has_points(page, least, chart="curve-loss"):
    page.wait_for_function(
        "([id, least]) => +document.getElementById(id)?.dataset.points >= least",
        arg=[chart, least],
        timeout=60_000,
    )


def cell(page, run, column):
    return page.locator(f'#runs tr[data-run="{run}"] .of-{column}')


@pytest.fixture(scope="module")
def project(studio):
    """The services over the project of the studio, from beside it."""
    services = Services(AppConfig(studio.project))
    yield services
    services.close()


@pytest.fixture(scope="module", autouse=True)
def _part(project, tmp_path_factory):
    import_part(project, tmp_path_factory.mktemp("part"))


def test_a_run_is_packed_trained_elsewhere_and_taken_back(page, studio, tmp_path):
    show_train(page, studio.url, DATASET)
    ask_for(page, name="far away", epochs="2")
    page.click("#train-elsewhere summary")
    page.check("#elsewhere-truth")
    page.click("#elsewhere-pack")
    expect(page.locator("#elsewhere-command")).to_contain_text(
        "run train far-away", timeout=240_000
    )
    expect(page.locator("#elsewhere-packed")).to_contain_text("travels, with everything annotated")
    reaches(page, "packed")
    expect(page.locator("#run-status")).to_have_text("packed")
    run = int(page.get_attribute(".run-panel", "data-run"))
    with page.expect_download() as waiting:
        page.click("#elsewhere-download")
    file = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(file)
    page.click("#elsewhere-take")
    expect(page.locator("#train-problem")).to_contain_text("Give the path of a result file")
    page.set_input_files("#elsewhere-file", file)
    page.click("#elsewhere-take")
    expect(page.locator("#train-problem")).to_contain_text("is a packed run. Train it first")
    result = elsewhere.train(file, None, {"device": "cpu"}, elsewhere.Told(is_json=True))
    page.set_input_files("#elsewhere-file", result["out"])
    page.click("#elsewhere-take")
    expect(page.locator("#elsewhere-taken")).to_contain_text("far away is back", timeout=240_000)
    reaches(page, "done")
    assert int(page.get_attribute(".run-panel", "data-run")) == run
    has_points(page, 2)


def test_a_run_is_started_seen_after_a_reload_stopped_resumed_and_read(page, studio):
    show_train(page, studio.url, DATASET)
    run = start(page, "first run", epochs="12")
    assert f"run={run}" in page.url
    reaches(page, "running")
    page.reload()
    page.wait_for_selector(f'.run-panel[data-run="{run}"]', timeout=READY_MS)
    reaches(page, "running")
    expect(page.locator("#run-progress")).to_contain_text("of 12 epochs")
    page.click("#run-stop")
    reaches(page, "cancelled")
    expect(page.locator("#run-status")).to_have_text("stopped")
    page.click("#run-resume")
    reaches(page, "running")
    has_points(page, 1)
    page.focus("#curve-loss .plot")
    page.keyboard.press("Home")
    tip = page.locator("#curve-loss .tip")
    expect(tip).to_contain_text("epoch 1")
    assert float(tip.locator(".num").first.inner_text()) > 0
    page.focus("#curve-accuracy .plot")
    page.keyboard.press("Home")
    expect(page.locator("#curve-accuracy .tip")).to_contain_text("test · uses true labels")
    reaches(page, "done")
    has_points(page, 12)
    expect(page.locator("#run-progress")).to_have_text("12 of 12 epochs")


@pytest.fixture
def finished(page, studio, project):
    """A finished run, shown; trained by an earlier test or now."""
    show_train(page, studio.url, DATASET)
    rows = project.runs.all(DATASET)
    done = [row for row in rows if row["status"] == "done" and row["job"]]
    if done:
        page.click(f'#runs tr[data-run="{done[-1]["id"]}"] .run-pick')
        return done[-1]["id"]
    run = start(page, "finished", epochs="1")
    reaches(page, "done")
    return run


def test_a_wrong_setting_is_said_in_words_and_nothing_starts(page, studio, project):
    show_train(page, studio.url, DATASET)
    before = len(project.runs.all())
    ask_for(page, epochs="0")
    expect(page.locator("#setting-epochs-error")).to_have_text("Epochs is 0; the least is 1.")
    page.click("#train-start")
    expect(page.locator("#train-problem")).to_have_text("Epochs is 0; the least is 1.")
    assert page.evaluate("() => document.activeElement.id") == "setting-epochs"
    page.fill("#setting-epochs", "2")
    expect(page.locator("#setting-epochs-error")).to_be_hidden()
    expect(page.locator("#train-problem")).to_be_hidden()
    page.fill("#train-backbone", "resnet9000")
    page.click("#train-start")
    expect(page.locator("#train-problem")).to_contain_text("resnet9000")
    page.fill("#train-backbone", "resnet8")
    # one in a group that is folded is brought to the eye
    group = page.locator("details.group", has=page.locator("#setting-batch-size"))
    group.locator("summary").click()
    page.fill("#setting-batch-size", "1.5")
    group.locator("summary").click()
    page.click("#train-start")
    expect(page.locator("#setting-batch-size")).to_be_visible()
    expect(page.locator("#train-problem")).to_have_text(
        "Batch size is 1.5; expected a whole number."
    )
    assert len(project.runs.all()) == before


def test_the_page_fits_the_screen_and_every_setting_of_every_method_has_a_name_and_help(
    page, studio
):
    show_train(page, studio.url, DATASET)
    wide = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    for width in (1024, 1366, 1920):
        page.set_viewport_size({"width": width, "height": 768})
        assert page.evaluate(wide) <= 0, width
        box = page.locator("#train-start").bounding_box()  # the first act is in sight
        assert box["y"] + box["height"] <= 768, width
    methods = page.eval_on_selector_all(
        "#train-method option", "all => all.map(option => option.value)"
    )
    assert len(methods) >= 12
    for method in methods:
        page.select_option("#train-method", method)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('.train-form [data-setting]')]
              .filter(each => !(each.querySelector('label').textContent.trim()
                && each.querySelector('.help').textContent.trim()))
              .map(each => each.dataset.setting)"""
        )
        assert nameless == []


def test_a_preset_fills_the_form_and_what_was_typed_outlives_a_reload(page, studio):
    show_train(page, studio.url, DATASET)
    usual = page.input_value("#setting-epochs")
    page.select_option("#train-preset", "Paper settings")
    assert page.input_value("#setting-epochs") == "500"
    page.fill("#train-name", "to be kept")
    page.reload()
    page.wait_for_selector(f'.train-side[data-ready="{DATASET}"]', timeout=READY_MS)
    assert page.input_value("#setting-epochs") == "500"
    assert page.input_value("#train-name") == "to be kept"
    page.select_option("#train-preset", "Default")
    assert page.input_value("#setting-epochs") == usual


def test_a_run_is_renamed_noted_deleted_and_brought_back(page, studio, finished, project):
    page.click("#run-rename")
    page.keyboard.type("a ${better} <b>name</b>")
    page.keyboard.press("Enter")
    expect(page.locator("#run-name")).to_have_text("a ${better} <b>name</b>")
    expect(cell(page, finished, "name")).to_have_text("a ${better} <b>name</b>")
    cell(page, finished, "note").locator("button").click()
    page.keyboard.type("keep this one")
    page.keyboard.press("Enter")
    expect(cell(page, finished, "note")).to_have_text("keep this one")
    assert project.runs.get(finished)["note"] == "keep this one"
    page.click(f'[data-remove="{finished}"]')
    toast(page, "is in the trash.")
    expect(page.locator(f'#runs tr[data-run="{finished}"]')).to_have_count(0)
    page.click("#toast-undo")
    expect(page.locator(f'#runs tr[data-run="{finished}"]')).to_have_count(1)
    assert project.runs.get(finished)["is_removed"] is False
    # the trash is looked through and gives it back too
    page.click(f'[data-remove="{finished}"]')
    toast(page, "is in the trash.")
    page.select_option("#runs-dataset", "in the trash")
    page.click(f'[data-restore="{finished}"]')
    expect(page.locator("#runs tbody tr")).to_have_count(0)
    page.select_option("#runs-dataset", "")
    expect(page.locator(f'#runs tr[data-run="{finished}"]')).to_have_count(1)


def test_the_model_of_a_run_is_downloaded_and_its_log_and_settings_are_read(
    page, studio, finished, tmp_path
):
    page.click("#run-model")
    with page.expect_download() as waiting:
        page.click("#run-download")
    assert waiting.value.suggested_filename.endswith(".safetensors")
    with open(waiting.value.path(), "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    assert json.loads(header["__metadata__"]["cad-studio"])["backbone"] == "resnet8"
    expect(page.locator("#run-usage")).to_contain_text("load_model(")
    page.click("#run-log")
    expect(page.locator("#run-log-text")).to_contain_text("is done", timeout=10_000)
    page.click("#run-settings")
    expect(page.locator(".detail")).to_contain_text("Learning rate")
    expect(page.locator(".detail")).to_contain_text("Torch")


def test_nothing_jumps_while_a_run_comes_along_and_others_wait_in_their_order(page, studio):
    show_train(page, studio.url, DATASET)
    first = start(page, "long", epochs="5000")
    reaches(page, "running")
    page.wait_for_timeout(500)
    places = """() => ['.charts', '.runs-part', '#run-stop', '#train-start', '#curve-loss .legend']
      .map(each => document.querySelector(each).getBoundingClientRect())
      .map(box => [box.x, box.y, box.width, box.height].map(Math.round).join())"""
    before = page.evaluate(places)
    has_points(page, 1)
    assert page.evaluate(places) == before
    second, third = (start(page, name, epochs="1") for name in ("second", "third"))
    queue = page.locator("#queue li")
    expect(queue).to_have_count(3)
    page.click(f'#runs tr[data-run="{first}"] .run-pick')
    assert 1 <= asked_in(page, 2.2) <= 5
    page.evaluate(HIDE, True)
    page.wait_for_timeout(300)
    assert asked_in(page, 1.5) == 0
    page.evaluate(HIDE, False)
    expect(queue.nth(1)).to_contain_text("second")
    queue.nth(2).get_by_role("button", name="First").click()
    expect(queue.nth(1)).to_contain_text("third")
    for run in (second, third, first):
        page.click(f'#runs tr[data-run="{run}"] .run-pick')
        page.click("#run-stop")
        reaches(page, "cancelled")
    expect(page.locator(".queue-part")).to_be_hidden()


def test_runs_are_compared_sorted_and_walked_by_keys(page, studio, finished, project):
    rows = page.locator("#runs tbody tr")
    assert rows.count() >= 2
    order = page.get_attribute(".runs-part", "data-shown").split(",")
    page.click(f'#runs tr[data-run="{order[0]}"] .run-pick')
    page.keyboard.press("j")
    expect(page.locator(f'#runs tr[data-run="{order[1]}"]')).to_have_attribute(
        "aria-selected", "true"
    )
    page.keyboard.press("k")
    expect(page.locator(f'#runs tr[data-run="{order[0]}"]')).to_have_attribute(
        "aria-selected", "true"
    )
    others = [run for run in order if run != str(finished)]
    page.evaluate(
        """runs => runs.forEach(run =>
          document.querySelector(`#runs tr[data-run="${run}"] .run-pick`).click())""",
        [*others, str(finished)],
    )
    has_points(page, 1)
    page.check(f'#runs tr[data-run="{others[0]}"] input')
    expect(page.locator(".tick-hint")).to_have_text("1 run ticked to compare")
    page.click('#runs [data-sort="name"]')
    names = page.locator("#runs .of-name").all_inner_texts()[1:]
    assert names == sorted(names, key=str.lower)
    # nothing is asked while no run is active
    page.wait_for_timeout(1200)
    assert asked_in(page, 2.2) == 0


def test_a_group_is_shown_with_mean_and_spread_of_its_seeds(page, studio, project):
    """Only the command line told of groups."""
    request = TrainingRequest(
        DATASET, "proden", "features:hog", config={"epochs": 2, "threads": 1, "device": "cpu"},
        name="two seeds",
    )  # fmt: skip
    _, runs = project.groups.create(request, ["seed=0,1", "learning_rate=0.01,0.02"])
    project.groups.train(runs[:2], lambda *_: None, Silent())
    show_train(page, studio.url, DATASET)
    page.select_option("#runs-dataset", f"group two seeds on {DATASET}")
    expect(page.locator("#runs tbody tr")).to_have_count(4)
    rows = page.locator("#run-group tbody tr")
    expect(rows).to_have_count(2)
    texts = rows.all_text_contents()
    assert {text[: len("learning_rate 0.01")] for text in texts} == {
        "learning_rate 0.01", "learning_rate 0.02",
    }  # fmt: skip
    assert any("1 / 2" in text for text in texts)
    page.select_option("#runs-dataset", DATASET)
    expect(page.locator("#run-group")).to_have_count(0)
    project.groups.discard(runs)


def asked_in(page, seconds):
    """How often the page asks how runs come along."""
    before = int(page.get_attribute(".train-page", "data-followed"))
    page.wait_for_timeout(1000 * seconds)
    return int(page.get_attribute(".train-page", "data-followed")) - before


def test_how_long_a_run_takes_is_measured_before_it_starts(page, studio):
    show_train(page, studio.url, DATASET)
    ask_for(page, method="cc", epochs="10")
    estimate = page.locator("#train-estimate")
    expect(estimate).to_have_text("How long this takes is not known yet.")
    page.click("#train-measure")
    expect(estimate).to_contain_text("About", timeout=60_000)
    expect(estimate).to_contain_text("samples/s")
    ten = estimate.locator("b").inner_text()
    page.fill("#setting-epochs", "1000")
    expect(estimate.locator("b")).not_to_have_text(ten)


def test_an_address_of_a_run_that_is_not_there_says_so(page, studio):
    page.goto(f"{studio.url}/?dataset={DATASET}&run=4711")
    toast(page, "Run 4711 in this address is not in the project.")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_are_readable_in_both_themes_and_controls_have_names(
    page, studio, finished, theme, project
):
    show_train(page, studio.url, DATASET, f"&__theme={theme}")
    page.click(f'#runs tr[data-run="{finished}"] .run-pick')
    for part in ("run-log", "run-model", "run-settings"):
        page.click(f"#{part}")
    page.wait_for_selector(".detail dl")
    for part in ("label", "button", "h1", "h2", "p", "small", "b", "span", "td", "dt", "dd"):
        assert least_contrast(page, f".train-page {part}") >= [4.5, ""], part
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('.train-page :is(button, a, select, input)')]
          .filter(each => each.offsetParent && !(each.textContent.trim() || each.title
            || each.getAttribute('aria-label') || each.labels?.[0]?.textContent))
          .map(each => each.outerHTML.slice(0, 120))"""
    )
    assert nameless == []
