import csv

import pytest
from playwright.sync_api import expect

from tests.browser.steps import fill_field, number, refused, show_pairs, shown_pair, toast

MATRIX = ".pairs-page .matrix"


def pair_of(page):
    return page.get_attribute(".pairs-page", "data-shown")


def listed(page):
    return page.eval_on_selector_all(
        ".pairs-page .item", "items => items.map(item => item.dataset.pair)"
    )


def count_of_pairs(page):
    return number(page.inner_text(".threshold .num"))


def largest_cell(page):
    """The cell with the most pairs: its two classes by name and how many."""
    cells = page.eval_on_selector_all(
        MATRIX + " button", "cells => cells.map(cell => cell.getAttribute('aria-label'))"
    )
    largest = max(cells, key=lambda text: number(text.split(": ")[1]))
    names, _, rest = largest.partition(": ")
    return *names.split(" \u00d7 "), number(rest)


def press_largest_cell(page):
    first, second, n_pairs = largest_cell(page)
    page.click(f'{MATRIX} button[aria-label^="{first} \u00d7 {second}: "]')
    expect(page.locator("#pairs-place")).to_have_text(f"1 of {n_pairs:,}")
    return first, second, n_pairs


def test_first_pair_shows_both_samples_why_they_are_a_pair_and_their_neighbours(page, studio):
    show_pairs(page, studio.url)
    assert pair_of(page) == listed(page)[0]
    assert f"pair={pair_of(page)}" in page.url
    assert page.locator(".card").count() == 2
    shared = {
        letter: page.locator(f'[aria-label="Sample {letter}"] .chip.shared .name').all_inner_texts()
        for letter in "AB"
    }
    assert shared["A"] == shared["B"] != []
    assert "labels differ" in page.inner_text(".pairs-page .pills")
    assert all(name in page.inner_text(".why") for name in shared["A"])
    assert page.locator(".near-tile").count() == 24
    assert "classes by true labels" in page.inner_text(".pairs-page .side").lower()
    tile = page.locator(".near-tile").nth(3)
    row = tile.get_attribute("data-row")
    tile.click()
    expect(page.locator(f'.instance[data-row="{row}"]')).to_be_visible()


def test_the_threshold_changes_the_counts_and_the_list_and_moves_by_keys(page, studio):
    show_pairs(page, studio.url)
    before = count_of_pairs(page)
    slider = page.locator("#pairs-threshold")
    least, most = (float(slider.get_attribute(name)) for name in ("min", "max"))
    page.evaluate(
        """value => {
          const slider = document.querySelector('#pairs-threshold');
          slider.value = value;
          slider.dispatchEvent(new Event('input', {bubbles: true}));
        }""",
        least + 0.7 * (most - least),
    )
    expect(page.locator(".threshold .num")).not_to_have_text(f"{before:,} pairs")
    after = count_of_pairs(page)
    assert 0 < after < before
    expect(page.locator("#pairs-place")).to_contain_text(f"of {after:,}")
    assert "threshold=" in page.url
    page.reload()
    page.wait_for_selector(".pairs-page .card img")
    expect(page.locator(".threshold .num")).to_have_text(f"{after:,} pairs")
    pair = pair_of(page)
    page.focus("#pairs-threshold")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".threshold .num")).not_to_have_text(f"{after:,} pairs")
    assert pair_of(page) == pair


def test_a_cell_of_the_matrix_filters_the_list_and_the_csv_and_names_the_classes(page, studio):
    show_pairs(page, studio.url)
    first, second, n_pairs = press_largest_cell(page)
    expect(page.locator("#pairs-title")).to_have_text(f"{first} or {second}?")
    rows = page.locator(".item .text > span:first-child").all_inner_texts()
    assert len(rows) == min(100, n_pairs)
    assert set(rows) == {f"{first} · {second}"}
    assert page.url.count("class=") == 2
    with page.expect_download() as waiting:
        page.click("#pairs-csv")
    assert waiting.value.suggested_filename == "sample-pairs.csv"
    with open(waiting.value.path(), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == n_pairs
    assert {(row["class_1"], row["class_2"]) for row in rows} == {(first, second)}
    assert [f"{row['row_a']}-{row['row_b']}" for row in rows[:100]] == listed(page)
    page.click(f'{MATRIX} button[aria-label^="{first} \u00d7 {second}: "]')
    expect(page.locator("#pairs-place")).not_to_have_text(f"1 of {n_pairs:,}")
    assert "class=" not in page.url


def test_keys_go_through_the_pairs_however_fast_and_past_the_first_hundred(page, studio):
    show_pairs(page, studio.url)
    order = listed(page)
    for forward, back in (("j", "k"), ("ArrowDown", "ArrowUp")):
        page.keyboard.press(forward)
        page.keyboard.press(forward)
        shown_pair(page, order[2])
        page.keyboard.press(back)
        shown_pair(page, order[1])
        expect(page.locator("#pairs-place")).to_contain_text("2 of ")
        page.keyboard.press(back)
        shown_pair(page, order[0])
    for _ in range(10):
        page.keyboard.press("j")
    shown_pair(page, order[10])
    expect(page.locator("#pairs-place")).to_contain_text("11 of ")
    page.click('.item[data-at="99"]')
    page.keyboard.press("j")
    expect(page.locator("#pairs-place")).to_contain_text("101 of ")
    page.keyboard.press("j")
    expect(page.locator("#pairs-place")).to_contain_text("102 of ")
    assert len(set(listed(page))) == len(listed(page)) >= 200


def test_a_link_opens_exactly_its_pair(page, context, studio):
    show_pairs(page, studio.url)
    page.click('.item[data-at="57"]')
    wanted = page.get_attribute('.item[data-at="57"]', "data-pair")
    shown_pair(page, wanted)
    other = context.new_page()
    other.goto(f"{studio.url}/?dataset=sample&pair={wanted}")
    shown_pair(other, wanted)
    expect(other.locator("#pairs-place")).to_contain_text("58 of ")
    assert other.inner_text("#pairs-title") == page.inner_text("#pairs-title")
    assert other.inner_text(".similarity") == page.inner_text(".similarity")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("dataset=nope&pair=1-2", 'There is no dataset "nope" in this project.'),
        ("dataset=sample&pair=999999-1", "sample has no row 999999; its rows are 0 to 11999."),
        pytest.param(
            "dataset=sample&pair=5-5",
            "Row 5 is given twice; a pair has two samples.",
            marks=pytest.mark.slow,
        ),
        ("dataset=sample&mining=77&pair=1-2", "The search in this address is not in the project"),
        ("dataset=sample&pair=abc", 'The pair "abc" in this address'),
        pytest.param(
            "dataset=sample&pair=1-2&class=Coat&class=Cote",
            "'Cote' is not a class of sample.",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_link_to_what_is_not_there_says_so_and_leaves_a_page(page, watch, studio, query, words):
    watch.expected += ["status of 404", "status of 400"]
    page.goto(f"{studio.url}/?{query}")
    toast(page, words)
    page.wait_for_selector(".card img, .dataset-page .tile, .empty >> visible=true")


def test_true_labels_stay_hidden_until_asked_for_and_none_comes_late(page, studio):
    """The labels of the pair before were drawn on the one that had taken its place."""
    show_pairs(page, studio.url)
    assert "true" not in page.locator(".card .tag").all_inner_texts()
    page.click("#pairs-reveal")
    expect(page.locator(".card .tag", has_text="true")).to_have_count(2)
    title = page.inner_text("#pairs-title")
    assert all(
        name.rstrip() in title
        for name in page.locator(".chip:has(.tag:text('true')) .name").all_inner_texts()
    )
    page.keyboard.press("j")
    expect(page.locator("#pairs-place")).to_contain_text("2 of ")
    expect(page.locator(".card .tag", has_text="true")).to_have_count(0)
    page.keyboard.press("t")
    expect(page.locator(".card .tag", has_text="true")).to_have_count(2)
    order = listed(page)
    page.keyboard.press("j")
    shown_pair(page, order[2])
    held = []
    page.route("**/instance/*reveal=1*", lambda request: held.append(request))
    page.keyboard.press("t")
    for _ in range(50):
        page.wait_for_timeout(20)
        if len(held) == 2:
            break
    page.keyboard.press("j")
    shown_pair(page, order[3])
    for request in held:
        request.continue_()
    page.wait_for_timeout(300)
    assert "true" not in page.locator(".card .tag").all_inner_texts()


def test_single_keys_can_be_switched_off_and_stay_off(page, studio):
    show_pairs(page, studio.url)
    order = listed(page)
    page.uncheck("#pairs-keys")
    page.locator("#pairs-title").click()
    page.keyboard.press("j")
    page.reload()
    page.wait_for_selector(".pairs-page .card img")
    expect(page.locator("#pairs-keys")).not_to_be_checked()
    page.keyboard.press("j")
    page.wait_for_timeout(300)
    assert pair_of(page) == order[0]
    page.check("#pairs-keys")
    page.locator("#pairs-title").click()
    page.keyboard.press("j")
    shown_pair(page, order[1])


@pytest.mark.long
def test_finding_pairs_runs_a_job_and_shows_the_new_search(page, studio):
    show_pairs(page, studio.url)
    page.click("#pairs-find")
    fill_field(page, "mine-quantile", "0.0002")
    page.click("#mine-start")
    page.wait_for_selector("#header .pill.job")
    toast(page, "Find pairs of sample: done.")
    expect(page.locator("#pairs-mining option:checked")).to_contain_text("closest 0.02")
    page.wait_for_selector(".pairs-page .card img")
    assert page.locator("#pairs-mining option").count() >= 2
    assert count_of_pairs(page) > 0
    page.select_option("#pairs-mining", index=1)
    expect(page.locator("#pairs-place")).to_contain_text("1 of ")


@pytest.mark.long
def test_keys_typed_into_the_form_turn_no_page_and_what_cannot_be_is_refused(page, studio):
    show_pairs(page, studio.url)
    first = pair_of(page)
    page.click("#pairs-find")
    page.focus("#mine-split")
    page.keyboard.type("jjt")
    page.wait_for_timeout(200)
    assert pair_of(page) == first
    fill_field(page, "mine-split", "")
    for quantile, threshold, words in (
        ("2", "", "Quantile is 2; the most is 1."),
        ("", "", "takes a threshold or a quantile; neither is given."),
        ("many", "", 'Quantile is "many"; expected a number.'),
        ("", "1.5", "Threshold is 1.5; the most is 1."),
        ("0.1", "", "'elsewhere' is not a split of sample."),
    ):
        fill_field(page, "mine-split", "elsewhere" if "elsewhere" in words else "")
        fill_field(page, "mine-quantile", quantile)
        fill_field(page, "mine-threshold", threshold)
        page.click("#mine-start")
        refused(page, "mine", words)
        expect(page.locator("#pairs-mine")).to_be_visible()
    assert page.locator("#header .pill.job").count() == 0
    # one of the two is given: the other is emptied
    fill_field(page, "mine-threshold", "0.9")
    expect(page.locator("#mine-quantile")).to_have_value("")
    fill_field(page, "mine-quantile", "0.1")
    expect(page.locator("#mine-threshold")).to_have_value("")
    page.keyboard.press("Escape")
    expect(page.locator("#pairs-mine")).to_be_hidden()
