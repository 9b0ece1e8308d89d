"""Fields of samples: their kinds, and which samples have a value."""

import numpy as np
import pytest

from cad_studio.core.errors import SettingError
from cad_studio.core.fields import field_names, make_field


@pytest.mark.parametrize(
    ("values", "kind", "shown"),
    [
        (["north", "", "south", None], "category", ["north", None, "south", None]),
        ([1, 2.5, float("nan"), "7"], "number", [1, 2.5, None, 7]),
        (["2024-05-31", "2024-06-01T12:30:00", "NaN"], "date",
         ["2024-05-31", "2024-06-01T12:30:00+00:00", None]),
        ([True, False, None], "category", ["true", "false", None]),
        (["007", "008", "007"], "category", ["007", "008", "007"]),  # codes, not numbers
        (["1_000", "inf"], "category", ["1_000", "inf"]),
        ([f"note {row}" for row in range(50)], "text", [f"note {row}" for row in range(50)]),
        ([f"p{row // 3}" for row in range(90)], "category", [f"p{row // 3}" for row in range(90)]),
        ([None, "", "nan"], "category", [None, None, None]),
    ],
)  # fmt: skip
def test_kind_follows_from_the_values_and_no_value_is_changed(values, kind, shown):
    field = make_field("x", values)
    assert field.kind == kind
    assert [field.shown(row) for row in range(len(values))] == shown
    assert field.known().tolist() == [value is not None for value in shown]


def test_values_are_found_by_name_and_by_range():
    age = make_field("age", [10, 20, 30, None])
    assert age.holds("20..30").tolist() == [False, True, True, False]
    assert age.holds("..20").tolist() == [True, True, False, False]
    assert age.holds("30").tolist() == [False, False, True, False]
    assert age.holds("").tolist() == [False, False, False, True]
    taken = make_field("taken", ["2024-05-31T23:00:00", "2024-06-01"])
    assert taken.holds("2024-05-31").tolist() == [True, False]
    camera = make_field("camera", ["north", "south"])
    assert camera.holds("south").tolist() == [False, True]


@pytest.mark.parametrize(
    ("values", "wanted", "words"),
    [
        (["north"], "nort", r"No sample has x 'nort'\. Closest: 'north'"),
        ([1, 2], "many", "x is 'many'; expected a number, or a range"),
        (["2024-05-31"], "May", "expected a date such as 2024-05-31"),
    ],
)
def test_value_that_is_not_there_is_told(values, wanted, words):
    with pytest.raises(SettingError, match=words):
        make_field("x", values).holds(wanted)


def test_samples_without_a_value_are_groups_of_their_own():
    groups = make_field("patient", ["b", None, "a", "b", None]).groups()
    assert groups[0] == groups[3]
    assert len(set(groups.tolist())) == 4
    assert np.issubdtype(groups.dtype, np.integer)


def test_names_that_mean_something_else_are_changed():
    assert field_names(["tag", " a ", "a", ""]) == ["tag (column)", "a", "a (again)", "column 4"]
