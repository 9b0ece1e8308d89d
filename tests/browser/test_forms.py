"""The forms that slide in: answers that come late, uploads under way, and where the focus is."""

import json

import pytest
from playwright.sync_api import expect

from tests.browser.steps import READY_MS, fill_field, refused, show_dataset

CALLS = "**/gradio_api/component_server/**"
UPLOAD = "**/gradio_api/upload**"
SEEN = {
    "n": 12, "k": 2, "splits": {"train": 12}, "mean_candidates": 1.5, "n_bad": 0, "rows": [],
    "lines": [], "problem_lines": [],
}  # fmt: skip


def asked(route):
    return json.loads(route.request.post_data)


@pytest.fixture
def form(page, studio):
    show_dataset(page, studio.url, dataset="sample")
    page.click("#dataset-import-open")
    expect(page.locator("#import-source")).to_be_focused()
    return page


class Held:
    """Requests to some addresses, which wait until they are answered by hand."""

    def __init__(self, page, address, wanted=lambda route: True):
        self.routes = []
        page.route(
            address, lambda route: self.routes.append(route) if wanted(route) else route.fallback()
        )
        self._page = page

    def wait_for(self, count):
        for _ in range(300):
            if len(self.routes) >= count:
                return
            self._page.wait_for_timeout(50)
        raise AssertionError(f"{len(self.routes)} of {count} requests came")


def calling(function):
    return lambda route: asked(route)["fn_name"] == function


def a_file(folder, name):
    file = folder / name
    file.write_bytes(b"not an archive")
    return file


def test_the_file_chosen_last_counts_whenever_uploads_end(form, watch, tmp_path):
    watch.expected += ["status of 413"]
    held = Held(form, UPLOAD)
    form.set_input_files("#import-upload", a_file(tmp_path, "first.zip"))
    form.set_input_files("#import-upload", a_file(tmp_path, "second.zip"))
    held.wait_for(2)
    held.routes[0].fulfill(status=413, json={"error": "too big"})
    held.routes[1].fulfill(json=["/tmp/second.zip"])
    expect(form.locator("#import-upload-name")).to_have_text("second.zip is there.")
    assert form.locator("#import-upload").evaluate("input => input.files[0].name") == "second.zip"
    # of a source that is typed since, an upload of before says nothing
    form.set_input_files("#import-upload", a_file(tmp_path, "third.zip"))
    held.wait_for(3)
    form.locator("#import-source").press_sequentially("/data")
    held.routes[2].fulfill(status=413, json={"error": "too big"})
    form.wait_for_timeout(100)
    expect(form.locator("#import-upload-name")).to_have_text("")
    expect(form.locator("#import-source")).to_have_value("/data")


def test_a_start_waits_for_the_upload_it_needs(form, tmp_path):
    uploads, calls = Held(form, UPLOAD), Held(form, CALLS, calling("start_import"))
    form.set_input_files("#import-upload", a_file(tmp_path, "slow.zip"))
    uploads.wait_for(1)
    form.click("#import-start")
    form.wait_for_timeout(200)
    assert calls.routes == []
    uploads.routes[0].fulfill(json=["/tmp/slow.zip"])
    calls.wait_for(1)
    assert asked(calls.routes[0])["data"] == {"fields": {}, "upload": "/tmp/slow.zip"}
    calls.routes[0].fulfill(json={"error": "Not this one."})
    refused(form, "import", "Not this one.")


def test_one_preview_at_a_time_and_none_of_what_was_changed(form):
    calls = Held(form, CALLS, calling("preview_import"))
    fill_field(form, "import-source", "/one")
    for _ in range(3):
        form.click("#import-look")
    calls.wait_for(1)
    form.wait_for_timeout(200)
    assert len(calls.routes) == 1
    calls.routes[0].fulfill(json=SEEN)
    expect(form.locator("#import-preview-found h2")).to_contain_text("12 samples")
    fill_field(form, "import-source", "/two")
    expect(form.locator("#import-preview-found")).to_be_empty()
    for late in (SEEN, {"error": "/two is not there."}):
        form.click("#import-look")
        calls.wait_for(len(calls.routes) or 1)
        form.wait_for_timeout(200)
        form.locator("#import-source").press_sequentially("x")
        calls.routes[-1].fulfill(json=late)
        expect(form.locator("#import-look[aria-busy]")).to_have_count(0)
        expect(form.locator("#import-preview-found")).to_be_empty()
        expect(form.locator("#import-problem")).to_be_hidden()


def test_a_late_answer_closes_no_other_form_and_empties_nothing_typed_since(form):
    calls = Held(form, CALLS, calling("start_import"))
    fill_field(form, "import-source", "/one")
    fill_field(form, "import-name", "one")
    form.click("#import-start")
    calls.wait_for(1)
    fill_field(form, "import-name", "two")
    form.keyboard.press("Escape")
    form.click("#dataset-export-open")
    expect(form.locator("#dataset-export")).to_be_visible()
    expect(form.locator("#dataset-export h1")).to_have_text("Export sample")
    calls.routes[0].fulfill(json={"job": 1})
    form.wait_for_timeout(300)
    expect(form.locator("#dataset-export")).to_be_visible()
    form.click("#export-close")
    form.click("#dataset-import-open")
    expect(form.locator("#import-name")).to_have_value("two")
    expect(form.locator("#import-source")).to_have_value("")


def test_what_a_form_asks_for_is_what_it_held_at_the_click(form, watch, tmp_path):
    """The dataset and the upload were those of the moment when the studio was back."""
    watch.expected += ["status of 503"]
    exports, imports = (Held(form, CALLS, calling(name)) for name in ("export", "start_import"))
    uploads = Held(form, UPLOAD)
    form.keyboard.press("Escape")
    for name in ("export", "import"):  # the last one stays open
        form.keyboard.press("Escape")
        form.click(f"#dataset-{name}-open")
        form.wait_for_selector(f"#dataset-{name} .setting")
    form.route("**/cad/alive**", lambda route: route.fulfill(status=503))
    fill_field(form, "import-source", "/one")
    form.click("#import-start")
    form.set_input_files("#import-upload", a_file(tmp_path, "next.zip"))
    uploads.wait_for(1)
    uploads.routes[0].fulfill(json=["/tmp/next.zip"])
    form.keyboard.press("Escape")
    form.click("#dataset-export-open")
    form.click("#export-start")
    form.select_option("#header-dataset", "sample-hard")
    form.unroute("**/cad/alive**")
    exports.wait_for(1)
    imports.wait_for(1)
    assert asked(exports.routes[0])["data"] == {"name": "sample", "fields": {}}
    wanted = {"fields": {"source": "/one"}, "upload": None}
    assert asked(imports.routes[0])["data"] == wanted
    imports.routes[0].fulfill(json={"job": 1})
    exports.routes[0].fulfill(json={"job": 1})
    form.click("#dataset-import-open")
    expect(form.locator("#import-upload-name")).to_have_text("next.zip is there.")


def test_a_form_whose_fields_did_not_come_asks_for_them_again(page, studio, watch):
    watch.expected += ["status of 500"]
    show_dataset(page, studio.url, dataset="sample")
    page.route("**/forms/export", lambda route: route.fulfill(status=500, json={"error": "Oh."}))
    page.click("#dataset-export-open")
    refused(page, "export", "Oh.")
    page.unroute("**/forms/export")
    calls = Held(page, CALLS, calling("export"))
    page.click("#export-start")
    expect(page.locator("#export-format")).to_have_value("csv")
    expect(page.locator("#export-problem")).to_be_hidden()
    assert calls.routes == []  # nothing is started that was not seen
    page.click("#export-start")
    calls.wait_for(1)
    calls.routes[0].fulfill(json={"error": "No."})
    refused(page, "export", "No.")


def test_the_focus_stays_in_a_form_and_goes_back_from_it(form, studio):
    form.focus("#import-start")
    form.keyboard.press("Enter")
    refused(form, "import", "Give a source")
    expect(form.locator("#import-start")).to_be_focused()
    form.keyboard.press("Escape")
    expect(form.locator("#dataset-import-open")).to_be_focused()
    # opened from another page, whose button is not to be seen any more
    form.goto(f"{studio.url}/?open=home&dataset=sample")
    form.wait_for_selector(".home-page[data-shown^=sample]", timeout=READY_MS)
    form.get_by_role("button", name="Import", exact=True).click()
    expect(form.locator("#import-source")).to_be_focused()
    form.keyboard.press("Escape")
    expect(form.locator("#page-link-dataset")).to_be_focused()


def test_what_is_folded_away_says_how_much_of_it_is_changed(form):
    more = form.locator("#import-more > summary")
    more.click()
    form.select_option("#import-format", "npz")
    fill_field(form, "import-bit-depth", "12")
    expect(more).to_contain_text("2 changed")
    fill_field(form, "import-bit-depth", "many")
    more.click()
    form.click("#import-start")
    refused(form, "import", 'Bits in use is "many"; expected a number.')
    expect(form.locator("#import-bit-depth")).to_be_focused()
