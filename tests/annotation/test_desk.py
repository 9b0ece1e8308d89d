"""What single actions do to a sample, worked out by hand."""

import pytest

from cad_studio.annotation.desk import Desk
from cad_studio.annotation.kinds import KINDS
from cad_studio.core.annotation import ClassMap, RowState, Statement
from cad_studio.core.errors import SettingError

NAMES = ["cat", "dog", "fox", "owl"]


class Table:
    """States and imported sets in memory."""

    def __init__(self, bases, states=None):
        self.bases, self.states = bases, states or {}

    def state(self, row):
        return self.states.get(row, RowState())

    def base(self, row):
        return self.bases[row]


def desk(bases, states=None, who="anna", classes=None, seen=None, window="w"):
    table = Table(bases, states)
    return Desk(table, NAMES, classes or ClassMap(), who, 9, window, seen or {})


def after(kind, at, rows, **given):
    return {change.row: list(change.sets_after) for change in KINDS[kind].decide(at, rows, given)}


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("toggle", {"class": 1}, [0]),
        ("toggle", {"class": 3}, [0, 1, 3]),
        ("label", {"class": 1}, [1]),
        ("label", {"class": 3}, [3]),  # outside the set: found by search
        ("none", {"classes": [2]}, [2]),
        ("none", {}, [2, 3]),  # whoever does not know says: any class but these
    ],
)
def test_an_action_on_one_sample(kind, given, expected):
    assert after(kind, desk([(0, 1)]), [0], **given) == {0: expected}


def test_the_last_candidate_cannot_be_removed_and_none_of_these_is_offered():
    with pytest.raises(SettingError, match=r"'cat' is the last candidate.*None of these"):
        after("toggle", desk([(0,)]), [0], **{"class": 0})


def test_none_of_these_has_no_meaning_when_every_class_is_a_candidate():
    with pytest.raises(SettingError, match="Every class is a candidate already"):
        after("none", desk([(0, 1, 2, 3)]), [0])


@pytest.mark.parametrize("index", [4, -1, "cat", 1.0, True, None])
def test_an_unknown_class_is_refused(index):
    with pytest.raises(SettingError, match="There is no class"):
        after("label", desk([(0, 1)]), [0], **{"class": index})


def test_pairs():
    at = desk([(0, 1, 2), (1, 2, 3)])
    assert after("same", at, [0, 1]) == {0: [1, 2], 1: [1, 2]}
    assert after("assign", at, [0, 1], **{"class": 0, "other_class": 3}) == {0: [0], 1: [3]}
    assert after("swap", desk([(0,), (3,)]), [0, 1]) == {0: [3], 1: [0]}
    with pytest.raises(SettingError, match="share no candidate"):
        after("same", desk([(0,), (3,)]), [0, 1])
    with pytest.raises(SettingError, match="must have one candidate"):
        after("swap", at, [0, 1])


def test_many_samples_at_once():
    at = desk([(0,), (0, 1), (2,)])
    assert after("add", at, [0, 1, 2], **{"class": 1}) == {0: [0, 1], 2: [1, 2]}
    assert after("set", at, [0, 1, 2], **{"class": 0}) == {1: [0], 2: [0]}
    with pytest.raises(
        SettingError, match=r"1 of 3 samples have no candidate but 'cat' \(first: row 0\)"
    ):
        after("remove", at, [0, 1, 2], **{"class": 0})
    assert after("remove", at, [0, 1, 2], **{"class": 0, "skip_last": True}) == {1: [1]}


def test_statements_of_several_annotators_meet_in_what_they_share():
    both = RowState({"anna": Statement((0, 1), 1), "bo": Statement((1, 2), 2)})
    assert both.effective((0, 1, 2, 3)) == (1,)
    assert not both.contradicts()


def test_a_contradiction_keeps_everything_that_was_said():
    both = RowState({"anna": Statement((0,), 1), "bo": Statement((2, 3), 2)})
    assert both.effective((0, 1, 2, 3)) == (0, 2, 3)
    assert both.contradicts()


def test_a_decision_puts_aside_what_was_said_before_it_but_not_after():
    said = {"anna": Statement((0,), 1), "bo": Statement((1,), 2)}
    decided = RowState(said, Statement((0, 3), 3))
    assert decided.effective((0, 1)) == (0, 3)
    later = RowState({**said, "cy": Statement((3,), 4)}, Statement((0, 3), 3))
    assert later.effective((0, 1)) == (3,)


def test_two_windows_of_one_annotator_do_not_overwrite_each_other():
    state = RowState({"anna": Statement((1,), 5)}, None, False, 5, "other window", "anna")
    stale = desk([(0, 1)], {0: state}, seen={0: 4})
    with pytest.raises(SettingError, match="in another window meanwhile; it has now: dog"):
        after("label", stale, [0], **{"class": 0})
    same_window = desk([(0, 1)], {0: state}, seen={0: 4}, window="other window")
    assert after("label", same_window, [0], **{"class": 0}) == {0: [0]}
    # a toggle says what changes, not what is left, so it adds up
    assert after("toggle", stale, [0], **{"class": 0}) == {0: [0, 1]}


def test_merged_and_removed_classes_cannot_be_chosen_and_are_told():
    classes = ClassMap({1: 0}, frozenset({2}))
    at = desk([(0, 1, 2, 3)], classes=classes)
    assert at.sets(0) == (0, 3)
    with pytest.raises(SettingError, match="'dog' was merged into 'cat'"):
        after("label", at, [0], **{"class": 1})
    with pytest.raises(SettingError, match="'fox' was removed"):
        after("label", at, [0], **{"class": 2})


def test_comments_have_a_length():
    with pytest.raises(SettingError, match="100,000 characters; the most is 10,000"):
        after("comment", desk([(0,)]), [0], text="x" * 100_000)
    with pytest.raises(SettingError, match="is empty"):
        after("comment", desk([(0,)]), [0], text="  ")
