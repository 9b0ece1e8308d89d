"""Fields, tags, splits, votes and slices, as their pages show them."""

import csv

import numpy as np
import pytest
from playwright.sync_api import expect

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.datasets._base import ReadOptions
from cad_studio.services.container import Services
from tests.browser.conftest import start_studio
from tests.browser.steps import READY_MS, open_page, show_dataset, shown_filter, toast, total
from tests.services.small import noise, picture_folder
from tests.services.test_training import train

pytestmark = pytest.mark.long

N = 48
CLASSES = ["cat", "dog", "fox"]


@pytest.fixture(scope="module")
def fields(chromium, tmp_path_factory):
    """A studio over images of sixteen patients by two cameras, three votes each, and a run."""
    folder = tmp_path_factory.mktemp("fields")
    pixels = (
        noise(N, 12, 12, seed=3) // 4 + (60 * (np.arange(N) % 3)).astype(np.uint8)[:, None, None]
    )
    picture_folder(folder / "images", list(pixels))
    with (folder / "votes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "annotator", "label", "truth", "camera", "patient", "age"])
        for row in range(N):
            about = [CLASSES[row % 3], ["north", "south"][row % 2], f"p{row // 3:02d}", 20 + row]
            for who, label in (("ann", row % 3), ("ben", row % 3), ("cem", (row + row // 24) % 3)):
                writer.writerow([f"{row}.png", who, CLASSES[label], *about])
    services = Services(AppConfig(folder / "project"))
    options = ReadOptions(images_dir=str(folder / "images"))
    services.importing.import_source(str(folder / "votes.csv"), "pets", options, False, Silent())
    run = train(services, "pets", epochs=1, batch_size=8)["run"]
    services.diagnosis.prepare(run, Silent())
    services.close()
    for studio in start_studio(folder / "project"):
        yield studio, run


def test_field_filters_and_its_samples_get_a_tag_that_one_undo_takes_back(page, fields):
    studio, _ = fields
    show_dataset(page, studio.url, dataset="pets")
    page.select_option("#dataset-field", "camera")
    page.select_option("#dataset-value", "camera=north")
    shown_filter(page, "camera=north")
    assert total(page) == "24 of 48 samples"
    page.select_option("#dataset-field", "age")
    page.fill("#dataset-range", "20..25")
    page.press("#dataset-range", "Enter")
    shown_filter(page, "age=20..25")
    assert total(page) == "3 of 48 samples"
    page.locator(".tile").first.click()
    expect(page.locator(".instance")).to_contain_text("p00")
    page.keyboard.press("Escape")
    page.click("#dataset-tag")
    page.fill("#dataset-tag-name", "blurred")
    page.click("#dataset-tag-on")
    toast(page, "3 samples got the tag")
    expect(page.locator(".dataset-page .side")).to_contain_text("blurred")
    page.click("#dataset-undo")
    toast(page, "Taken back.")
    expect(page.locator(".dataset-page .side")).not_to_contain_text("blurred")
    page.reload()  # the address holds both conditions, each by itself
    shown_filter(page, '"where":["camera=north","age=20..25"]')
    page.click(".pill[data-where='age=20..25']")
    shown_filter(page, '"where":["camera=north"]')


def test_samples_are_divided_by_patient_sets_made_from_votes_and_annotators_measured(page, fields):
    studio, _ = fields
    show_dataset(page, studio.url, dataset="pets")
    page.click("#dataset-split-open")
    page.select_option("#split-group", "patient")
    expect(page.locator("#split-says")).to_contain_text("in 16 groups")
    page.fill("#split-shares", "train 80, test 30")
    expect(page.locator("#split-says")).to_contain_text("110 % together; they have to be 100 %")
    assert page.is_disabled("#split-do")
    page.fill("#split-shares", "train 75, test 25")
    expect(page.locator("#split-says")).to_contain_text("train 36, test 12")
    page.click("#split-do")
    toast(page, "12 samples came into another split")
    expect(page.locator("#dataset-split option")).to_have_count(3)
    page.click("#dataset-undo")
    toast(page, "Taken back.")
    expect(page.locator("#dataset-split option")).to_have_count(2)
    # sets are made again from the votes
    page.click("#dataset-votes-open")
    page.fill("#votes-threshold", "50")
    expect(page.locator("#votes-says")).to_contain_text("24 of 48 sets with votes would change")
    page.click("#votes-do")
    toast(page, "24 sets made again")
    expect(page.locator(".dataset-page .side")).to_contain_text("from votes, threshold 50 %")
    page.click("#dataset-votes-open")
    page.fill("#votes-threshold", "0")
    expect(page.locator("#votes-says")).to_contain_text("Now in force: 50 %")
    page.click("#votes-do")
    expect(page.locator(".dataset-page .side")).to_contain_text("from votes, threshold 0 %")
    # how good each annotator is
    open_page(page, "Annotate")
    page.click("#annotate-agreement")
    page.wait_for_selector("#agreement-quality", timeout=READY_MS)
    rows = page.locator("#agreement-quality tbody tr")
    expect(rows).to_have_count(3)
    assert rows.last.get_attribute("data-who") == "cem"
    expect(rows.last).to_contain_text(" to ")
    page.select_option("#agreement-by", "crowdlab")
    expect(page.locator("#agreement-quality")).to_contain_text("one voice more")
    expect(page.locator("#agreement-quality th").last).to_have_text("Rating")
    assert rows.last.get_attribute("data-who") == "cem"
    page.select_option("#agreement-by", "dawid-skene")
    expect(page.locator("#agreement-quality th").last).to_have_text("Votes")
    page.keyboard.press("Escape")


def test_a_slice_narrows_the_figures_and_colours_the_map(page, fields):
    studio, run = fields
    page.goto(f"{studio.url}/?dataset=pets&diagnose={run}&view=slices")
    page.wait_for_selector(".slices-view[data-shown^=camera]", timeout=READY_MS)
    page.locator("#slices-table tr[data-value=south] button").click()
    page.wait_for_selector(".diagnose-page[data-shown$='?camera=south']")
    assert page.input_value("#diagnose-slice") == "camera=south"
    page.click("#diagnose-view-map")
    page.wait_for_selector(f'.map-box[data-shown] .scatter[data-painted="{N}"]')
    page.select_option("#map-colour", "field:camera")
    page.wait_for_selector('.map-legend[data-mode="field:camera"]')
    expect(page.locator(".map-legend .legend-entry")).to_have_count(2)
    page.select_option("#diagnose-slice", "")
    page.wait_for_selector(".diagnose-page[data-shown]:not([data-shown*='?'])")
