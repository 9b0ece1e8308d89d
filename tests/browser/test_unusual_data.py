"""Datasets that are not like the sample: vectors and very many classes."""

import numpy as np
import pytest
from playwright.sync_api import expect

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.container import Services
from cad_studio.services.pairs.mining import MiningRequest
from tests.browser.steps import open_page, show_dataset, shown_filter, total

pytestmark = pytest.mark.long

N_CLASSES = 500


@pytest.fixture(scope="module")
def unusual(studio, tmp_path_factory):
    """The studio with two more datasets, put into its project by another process's services."""
    folder = tmp_path_factory.mktemp("unusual")
    generator = np.random.default_rng(6)
    truth = np.arange(1000) % N_CLASSES
    candidates = generator.random((1000, N_CLASSES)) < 0.02
    candidates[np.arange(1000), truth] = True
    np.savez(
        folder / "many.npz",
        images=generator.integers(0, 256, (1000, 8, 8), np.uint8),
        candidates=candidates,
        labels=truth,
    )
    vectors = generator.normal(size=(60, 20))
    nearest_axis = np.abs(vectors[:, :3]).argmax(1)
    np.savez(
        folder / "vectors.npz",
        features=vectors,
        candidates=(generator.random((60, 3)) < 0.6) | np.eye(3, dtype=bool)[nearest_axis],
        class_names=np.array(["up", "down", "left"]),
    )
    services = Services(AppConfig(studio.project))
    for name in ("many", "vectors"):
        file = str(folder / f"{name}.npz")
        services.importing.import_source(file, name, ReadOptions(), False, Silent())
    request = MiningRequest("pixels", MiningConfig(quantile=0.01))
    services.mining.mine("many", request, Silent())
    services.mining.mine("vectors", MiningRequest("raw", MiningConfig(threshold=0.2)), Silent())
    services.close()
    return studio


def test_vectors_are_shown_as_strips(page, unusual):
    show_dataset(page, unusual.url, dataset="vectors")
    assert total(page) == "60 samples"
    assert "vectors of 20 numbers" in page.inner_text(".dataset-page .side")
    page.locator(".tile").first.click()
    picture = page.locator(".instance img.picture")
    expect(picture).to_be_visible()
    size = "image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])"
    assert picture.evaluate(size) == [64, 64]
    expect(page.get_by_text("No true label is known.")).to_be_visible()
    open_page(page, "Entangled pairs")
    page.wait_for_selector(".pairs-page .card img")
    expect(page.locator("#pairs-reveal")).to_be_disabled()
    assert "best current label" in page.inner_text(".pairs-page .side")


def test_five_hundred_classes_open_and_the_matrix_says_what_it_leaves_out(page, unusual):
    show_dataset(page, unusual.url, dataset="many")
    expect(page.locator(".dataset-page .side")).to_contain_text("60 of 500")
    assert page.locator("#dataset-together .matrix button").count() == 60 * 60
    page.click(".dataset-page button:has-text('Enlarge')")
    dialog = page.locator("dialog.matrix-dialog")
    expect(dialog).to_be_visible()
    assert dialog.locator("button[data-a]").count() == 60 * 60
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.click(".dataset-page button:has-text('Enlarge')")
    dialog.locator("button[data-a]").first.click()
    shown_filter(page, '"holds"')
    expect(dialog).to_have_count(0)
    assert page.locator("#dataset-class option").count() == N_CLASSES + 1
    open_page(page, "Entangled pairs")
    page.wait_for_selector(".pairs-page .card img")
    page.keyboard.press("j")
    expect(page.locator("#pairs-place")).to_contain_text("2 of ")
    expect(page.locator(".pairs-page .side")).to_contain_text("60 of 500")


def test_switching_the_dataset_leaves_nothing_of_the_one_before(page, unusual):
    show_dataset(page, unusual.url, dataset="many")
    page.locator(".tile").nth(3).click()
    page.fill("#dataset-search", "1")
    shown_filter(page, '"text":"1"')
    page.focus("#header-dataset")
    page.select_option("#header-dataset", "vectors")
    shown_filter(page, "vectors:")
    assert total(page) == "60 samples"
    assert page.input_value("#dataset-search") == ""
    expect(page.locator(".instance")).to_be_hidden()
    open_page(page, "Entangled pairs")
    page.wait_for_selector(".pairs-page .card img")
    assert page.inner_text("#pairs-title").replace("?", "").split(" or ")[0] in {
        "up",
        "down",
        "left",
    }


def test_two_windows_do_not_see_each_others_choice(page, context, unusual):
    show_dataset(page, unusual.url, dataset="many")
    other = context.new_page()
    show_dataset(other, unusual.url, dataset="vectors")
    page.reload()
    page.wait_for_selector(".tile")
    assert (total(page), total(other)) == ("1,000 samples", "60 samples")
