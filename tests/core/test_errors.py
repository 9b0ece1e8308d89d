"""Words that help with a mistake."""

import errno

import pytest

from cad_studio.core.errors import CadStudioError, JobCancelled, closest, is_disk_full


def test_a_misspelt_name_is_answered_with_the_closest():
    assert closest("catt", ["dog", "cat", "bird"]) == "Closest: 'cat'."


def test_a_name_like_no_other_is_answered_with_all_when_they_are_few():
    assert closest("zzz", ["dog", "cat"]) == "Allowed: dog, cat."
    assert closest("zzz", [f"class {number}" for number in range(21)]) == ""
    assert closest("zzz", []) == ""


def test_names_are_read_once_from_any_iterable():
    assert closest("zzz", iter(["dog", "cat"])) == "Allowed: dog, cat."


@pytest.mark.parametrize(
    ("code", "full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EACCES, False)]
)
def test_a_full_disk_is_told_from_other_refusals(code, full):
    assert is_disk_full(OSError(code, "refused")) is full


def test_cancelling_is_not_an_error_of_the_user():
    assert not issubclass(JobCancelled, CadStudioError)
