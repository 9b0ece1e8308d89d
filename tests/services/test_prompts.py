"""The prompt table: filled in, kept in versions, and safe against any text."""

import pytest

from cad_studio.core.errors import RecordNotFoundError, SettingError
from cad_studio.services.edits.prompts import prompt_of
from tests.services.edited import brightness
from tests.services.small import NASTY, store


@pytest.fixture
def prompts(services, tmp_path):
    store(services, brightness(tmp_path), "b")
    return services.prompts


def texts(table):
    return {row["name"]: row["prompt"] for row in table["rows"]}


def test_the_bare_name_comes_first_and_nobody_has_edited_it(prompts):
    table = prompts.table("b")
    assert (table["number"], table["versions"]) == (0, [])
    assert texts(table) == {"dark": "dark", "grey": "grey", "bright": "bright"}


@pytest.mark.parametrize(
    ("template", "description", "prompt"),
    [
        ("{class}", "warm", "coat"),
        ("{class}, {description}", "warm", "coat, warm"),
        ("{class}, {description}", "", "coat"),
        ("turn it into a {class}: {description}", "", "turn it into a coat"),
        ("{description}", "", "coat"),
        ("{description}", "{class}", "{class}"),
    ],
)
def test_a_template_is_filled_in_and_empty_fields_leave_nothing(template, description, prompt):
    assert prompt_of(template, "coat", description) == prompt


def test_every_change_is_a_version_and_any_of_them_comes_back(prompts):
    prompts.save("b", "a {class} square", {})
    second = prompts.save("b", "{description}", {"dark": "like the night"})
    assert second["number"] == 2
    assert texts(second)["dark"] == "like the night"
    again = prompts.save("b", "{description}", {"dark": "like  the\nnight "})
    assert again["number"] == 2
    third = prompts.restore("b", 1)
    assert (third["number"], texts(third)["dark"]) == (3, "a dark square")
    assert [version["number"] for version in third["versions"]] == [3, 2, 1]
    with pytest.raises(RecordNotFoundError, match="no version 9"):
        prompts.restore("b", 9)


def test_a_long_text_is_kept_and_marked_and_a_longer_one_refused(prompts):
    table = prompts.save("b", "{class} {description}", {"dark": "word " * 1990})
    assert [row["is_cut"] for row in table["rows"]] == [True, False, False]
    with pytest.raises(SettingError, match="at most 10,000 are kept"):
        prompts.save("b", "{class} {description}", {"dark": "x" * 10_000})
    assert prompts.table("b")["number"] == 1


@pytest.mark.parametrize("text", NASTY)
def test_markup_and_quotes_are_text_like_any_other(prompts, text):
    table = prompts.save("b", "{description}", {"dark": text})
    assert texts(table)["dark"] == " ".join(text.split()).strip(" ,;:-")


def test_unknown_fields_and_classes_are_refused(prompts):
    with pytest.raises(SettingError, match=r"has \{colour\}; it may have \{class\}"):
        prompts.save("b", "{colour} {class}", {})
    with pytest.raises(SettingError, match="'drak' is not a class of b"):
        prompts.save("b", "{class}", {"drak": "x"})
