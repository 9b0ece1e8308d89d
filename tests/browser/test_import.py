import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.steps import (
    fill_field,
    import_by_form,
    labels,
    open_page,
    refused,
    show_dataset,
    shown_filter,
    toast,
    total,
)

pytestmark = pytest.mark.long

SCRIPT = "${alert(1)}<img src=x onerror=alert(1)>"
CLASSES = [SCRIPT, "cat", "ärger"]
N_SAMPLES = 24


WHAT_COVERS = """fields => fields.filter(field => {
  const box = document.querySelector(field).getBoundingClientRect();
  const seen = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return !document.querySelector(field).contains(seen);
})"""


def flat_folder(folder: Path) -> Path:
    """Pictures of which nothing is said."""
    folder.mkdir()
    for row in range(3):
        Image.new("RGB", (8, 8), (row, 0, 0)).save(folder / f"{row}.png")
    return folder


def image_folder(folder: Path, empty_set: bool = False) -> Path:
    """24 images of three classes, each in a set of two; ids and class names hold a script."""
    generator = np.random.default_rng(5)
    rows = []
    for row in range(N_SAMPLES):
        name = f"{row:02}.png"
        Image.fromarray(generator.integers(0, 256, (12, 12, 3), np.uint8)).save(folder / name)
        truth, other = row % 3, (row % 3 + 1 + row % 2) % 3
        held = [] if empty_set and row == 7 else [CLASSES[truth], CLASSES[other]]
        rows.append([name, f"<b>{row:02}</b>", json.dumps(held), CLASSES[truth]])
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["file_name", "id", "candidates", "label"], *rows])
    return folder


def test_a_folder_is_imported_with_a_report_and_text_stays_text(page, studio, tmp_path):
    show_dataset(page, studio.url)
    import_by_form(page, str(image_folder(tmp_path)), "hostile")
    page.wait_for_selector("#header .pill.job")
    expect(page.locator(".report h2")).to_have_text(
        "24 samples imported as hostile", timeout=30_000
    )
    shown_filter(page, "hostile:")
    assert page.input_value("#header-dataset") == "hostile"
    assert total(page) == "24 samples"

    assert page.locator("#dataset-class option").all_inner_texts()[1:] == CLASSES
    assert labels(page)[1].startswith("<b>01</b>, 2 candidates: ")
    assert any(SCRIPT in label for label in labels(page))
    page.click('#dataset-together .matrix button[data-a="0"][data-b="1"]')
    shown_filter(page, '"holds"')
    assert f"holds {SCRIPT}" in page.inner_text(".dataset-page .pills")
    page.locator(".tile").first.click()
    expect(page.locator(".instance .id")).to_contain_text("<b>")
    assert SCRIPT in page.locator(".instance .chip .name").all_inner_texts()
    cell = page.locator('#dataset-together .matrix button[data-a="0"][data-b="0"]')
    assert cell.get_attribute("aria-label").startswith(f"{SCRIPT}: 16 samples")

    open_page(page, "Entangled pairs")
    page.click(".empty button:has-text('Find pairs')")
    fill_field(page, "mine-quantile", "0.9")
    page.click("#mine-start")
    page.wait_for_selector(".pairs-page .card img", timeout=30_000)
    page.click('.pairs-page .matrix button[data-a="0"][data-b="1"]')
    expect(page.locator("#pairs-title")).to_have_text(f"{SCRIPT} or cat?")
    assert SCRIPT in page.locator(".card .chip .name").all_inner_texts()
    page.click("#pairs-reveal")
    expect(page.locator(".card .tag", has_text="true")).to_have_count(2)
    # the script never became an element or a request
    assert page.locator("img[src=x], img[onerror], b:text-is('01')").count() == 0


def test_what_cannot_be_imported_is_refused_in_words_and_leaves_the_project_alone(
    page, studio, tmp_path
):
    show_dataset(page, studio.url)
    before = page.locator("#header-dataset option").all_inner_texts()
    page.click("#dataset-import-open")
    for source, name, words in (
        ("", "", "Give a source: a path, hf:OWNER/NAME, torchvision:NAME, or a file."),
        ("/no/such/folder", "../x", "'../x' cannot be a dataset name."),
        ("/no/such/folder", "x", "/no/such/folder"),
    ):
        fill_field(page, "import-source", source)
        fill_field(page, "import-name", name)
        page.click("#import-start")
        if name == "x":  # is refused by the job, which has begun
            toast(page, words)
            continue
        refused(page, "import", words)
        field = page.locator("#import-source")
        expect(field).to_have_value(source)
        # neither what was said nor the failure covers the form
        fields = ["#import-source", "#import-name", "#import-start", "#import-close"]
        assert page.evaluate(WHAT_COVERS, fields) == []
    page.click("#dataset-import-open")
    fill_field(page, "import-source", str(flat_folder(tmp_path.with_name("flat"))))
    page.click("#import-look")
    words = 'name the classes with "Class names", and give the sets with "Candidate sets"'
    refused(page, "import", words)
    expect(page.locator("#import-preview-found")).to_be_empty()
    assert page.input_value("#header-dataset") == "sample"
    page.keyboard.press("Escape")
    import_by_form(page, str(image_folder(tmp_path, empty_set=True)), "broken")
    toast(page, "Nothing was imported. 1 of 24 samples: empty candidate sets (first: ")
    assert "metadata.csv, line 9" in page.inner_text(".cad-toast")
    page.reload()
    page.wait_for_selector(".tile")
    assert page.locator("#header-dataset option").all_inner_texts() == before
    # the rest is imported when it is asked for, and what was left out is listed
    page.click("#dataset-import-open")
    fill_field(page, "import-source", str(tmp_path))
    fill_field(page, "import-name", "the rest")
    page.check("#import-skip-bad")
    page.click("#import-start")
    expect(page.locator(".report h2")).to_have_text(
        "23 samples imported as the rest, 1 left out", timeout=30_000
    )
    page.click(".report summary")
    expect(page.locator(".report details li")).to_contain_text("metadata.csv, line 9")
    page.click(".report button:has-text('Close report')")
    expect(page.locator(".report")).to_have_count(0)


def test_an_import_is_looked_at_and_corrected_before_it_starts(page, studio, tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for row in range(4):
        Image.new("L", (8, 8), 60 * row).save(folder / f"{row}.png")
    rows = ["which;set", "0.png;elm, oak", "1.png;oak", f"2.png;{SCRIPT}, oak", "3.png;elm"]
    (folder / "metadata.csv").write_text("\n".join(rows))
    (folder / "notes.txt").write_text("odd")
    show_dataset(page, studio.url)
    before = page.locator("#header-dataset option").all_inner_texts()
    page.click("#dataset-import-open")
    fill_field(page, "import-source", str(folder))
    page.click("#import-look")
    refused(page, "import", "metadata.csv: there is no column 'file_name'")
    page.click("#import-more > summary")
    fill_field(page, "import-columns", "image=which,candidates=set")
    page.click("#import-look")
    seen = page.locator("#import-preview-found")
    expect(seen.locator("h2")).to_have_text("4 samples, 3 classes: train 4", timeout=30_000)
    for words in (
        "Separator: semicolon between columns of metadata.csv",
        "Lists: comma between the candidates in a cell",
        "files with the ending .txt, which are no pictures: 1 (notes.txt)",
    ):
        expect(seen.locator("li", has_text=words)).to_have_count(1)
    expect(seen.locator("tbody tr")).to_have_count(4)
    expect(seen.locator("tbody tr").nth(2)).to_contain_text(f"{SCRIPT} | oak")
    assert seen.locator("tbody img").count() == 4
    assert page.locator("img[src=x], img[onerror]").count() == 0
    assert page.locator("#header-dataset option").all_inner_texts() == before
    fill_field(page, "import-name", "looked at")
    page.click("#import-start")
    expect(page.locator(".report h2")).to_have_text(
        "4 samples imported as looked at", timeout=30_000
    )
    expect(page.locator(".report li", has_text="Separator: semicolon")).to_have_count(1)


def test_a_dataset_is_removed_only_after_a_yes(page, studio, tmp_path):
    show_dataset(page, studio.url)
    import_by_form(page, str(image_folder(tmp_path)), "short-lived")
    shown_filter(page, "short-lived:")
    page.click("#dataset-remove")
    question = page.get_by_role("dialog", name="Remove short-lived from this project?")
    expect(question).to_contain_text("Its versions, pairs and runs go with it.")
    question.get_by_role("button", name="Cancel").click()
    expect(question).to_have_count(0)
    assert page.input_value("#header-dataset") == "short-lived"
    page.click("#dataset-remove")
    question.get_by_role("button", name="Remove").click()
    toast(page, "short-lived is removed.")
    shown_filter(page, "sample:")
    assert "short-lived" not in page.locator("#header-dataset option").all_inner_texts()
