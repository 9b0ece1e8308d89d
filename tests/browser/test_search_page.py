"""Search by words and by a picture, as the Dataset page and the map show it."""

import numpy as np
import pytest
from playwright.sync_api import expect

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from cad_studio.services.datasets.search import SearchQuery
from tests.browser.conftest import start_studio
from tests.browser.steps import READY_MS, show_dataset, total
from tests.extractors.tiny_words import save_tiny_clip
from tests.services.small import noise, save, sets, store
from tests.services.test_search import png_of
from tests.services.test_training import train

pytestmark = pytest.mark.long

N = 24
IMAGES = noise(N, 8, 8, 3, seed=5)


@pytest.fixture(scope="module")
def searched(chromium, tmp_path_factory):
    """A studio over images with the features of a tiny CLIP model, and over others without."""
    folder = tmp_path_factory.mktemp("search")
    services = Services(AppConfig(folder / "project"))
    truth = np.arange(N) % 3
    source = save(folder / "p.npz", images=IMAGES, candidates=sets(N, 3, truth, 1),
                  class_names=np.array(["red", "green", "blue"]))  # fmt: skip
    store(services, source)
    others = save(
        folder / "o.npz", images=noise(N, 8, 8, 3, seed=6), candidates=sets(N, 3, truth, 2)
    )
    store(services, others, name="plain")
    services.mining.extract("pets", f"hf:{save_tiny_clip(folder / 'clip')}", Silent())
    order = services.search.search("pets", SearchQuery("green"))["rows"]
    run = train(services, "pets", epochs=1, batch_size=8)["run"]
    services.diagnosis.prepare(run, Silent())
    services.close()
    for studio in start_studio(folder / "project", HF_HUB_OFFLINE="1"):
        yield studio, order, run


def rows_shown(page):
    return [int(tile.get_attribute("data-row")) for tile in page.locator(".grid .tile").all()]


def test_words_order_the_grid_and_the_link_opens_the_same(page, searched):
    studio, order, _ = searched
    show_dataset(page, studio.url, dataset="pets")
    page.fill("#dataset-words", "green")
    page.press("#dataset-words", "Enter")
    page.wait_for_selector(".tile .similarity", timeout=READY_MS)
    assert rows_shown(page) == order
    expect(page.locator("#dataset-searched-for")).to_contain_text("like “green”")
    found = [float(each) for each in page.locator(".similarity").all_text_contents()]
    assert found == sorted(found, reverse=True)
    link = page.url
    assert "words=green" in link
    # what a click on a sample asks of the class names is a suggestion
    page.locator(".tile").first.click()
    page.click("#instance-words-suggest")
    expect(page.locator("#instance-words-suggested .chip")).to_have_count(3)
    expect(page.locator(".instance")).to_contain_text("No set is changed.")
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_selector(".tile .similarity", timeout=READY_MS)
    assert rows_shown(page) == order
    page.click("#dataset-searched-for")
    expect(page.locator(".similarity")).to_have_count(0)
    assert rows_shown(page) == list(range(N))


def test_a_picture_that_is_dropped_finds_samples_like_it(page, searched):
    studio, _, _ = searched
    show_dataset(page, studio.url, dataset="pets")
    given = {"name": "seven.png", "mimeType": "image/png", "buffer": png_of(IMAGES[7])}
    page.set_input_files("#dataset-like", given)
    page.wait_for_selector(".tile .similarity", timeout=READY_MS)
    assert rows_shown(page)[0] == 7
    expect(page.locator("#dataset-searched")).to_be_visible()
    # the nearest alone, which is what a tag would go to
    page.evaluate("document.querySelector('#dataset-nearest').append(new Option('3', '3'))")
    page.select_option("#dataset-nearest", "3")
    expect(page.locator(".grid .tile")).to_have_count(3)
    assert total(page) == "3 of 24 samples"
    page.set_input_files("#dataset-like", {**given, "name": "x.png", "buffer": b"no image"})
    expect(page.locator(".cad-toast")).to_contain_text("x.png: no image in a known format")


def test_without_such_features_the_page_says_how_to_get_them(page, searched, watch):
    studio, _, _ = searched
    watch.expected.append("400 (Bad Request)")
    show_dataset(page, studio.url, dataset="plain")
    page.click("#dataset-get-model")
    expect(page.locator("#model-dialog")).to_contain_text("extract plain --features hf:openai/clip")
    expect(page.locator("#models-how")).to_contain_text("HF_HUB_OFFLINE is set")
    page.click("#model-dialog >> text=Close")
    page.goto(f"{studio.url}/?open=dataset&dataset=plain&words=green")
    expect(page.locator(".dataset-page .empty")).to_contain_text("This search cannot be answered")
    page.click("text=Show the samples without it")
    expect(page.locator(".grid .tile")).to_have_count(N)


def test_class_names_suggest_on_the_annotate_page_without_deciding(page, searched):
    studio, _, _ = searched
    page.goto(f"{studio.url}/?open=annotate&dataset=pets&rows=3,4&title=two")
    page.wait_for_selector(".annotate-page .card", timeout=READY_MS)
    page.click("#annotate-words-suggest")
    expect(page.locator("#annotate-words-suggested .chip")).to_have_count(3, timeout=READY_MS)
    page.keyboard.press("j")  # the next one, without deciding
    expect(page.locator("#annotate-words-suggested .chip")).to_have_count(0)


def test_words_select_samples_on_the_map(page, searched):
    studio, _, run = searched
    page.goto(f"{studio.url}/?dataset=pets&diagnose={run}&view=map")
    page.wait_for_selector(f'.map-box[data-shown] .scatter[data-painted="{N}"]', timeout=READY_MS)
    page.fill("#map-words", "green")
    page.press("#map-words", "Enter")
    page.wait_for_selector(f'.map-view[data-selected="{N}"]')
    expect(page.locator(".diagnose-page")).to_contain_text("like “green”")
