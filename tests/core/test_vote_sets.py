"""Candidate sets that follow from votes."""

import numpy as np
import pytest

from cad_studio.core.dataset import Votes
from cad_studio.core.errors import SettingError
from cad_studio.core.vote_sets import sets_of_votes


def votes(rows, weight=None):
    sample, annotator, label = (np.array(column, np.int32) for column in zip(*rows, strict=True))
    weight = None if weight is None else np.array(weight, np.float32)
    return Votes(sample, annotator, label, ["a", "b", "c"], weight)


# sample 0: class 0 twice, class 1 once; sample 1: three classes, once each; sample 2: no votes
GIVEN = votes([(0, 0, 0), (0, 1, 0), (0, 2, 1), (1, 0, 0), (1, 1, 1), (1, 2, 2)])


@pytest.mark.parametrize(
    ("share", "sets", "thin"),
    [
        (0.0, [[0, 1], [0, 1, 2], []], []),
        (1 / 3, [[0, 1], [0, 1, 2], []], []),
        (0.34, [[0], [0, 1, 2], []], [1]),  # nobody has 0.34 of sample 1, so all three stay
        (2 / 3, [[0], [0, 1, 2], []], [1]),
        (1.0, [[0], [0, 1, 2], []], [0, 1]),
    ],
)
def test_class_is_a_candidate_with_its_share_of_the_votes(share, sets, thin):
    found, rows = sets_of_votes(GIVEN, 3, 3, share)
    assert found.lists() == sets
    assert rows.tolist() == thin


def test_weights_count_as_so_many_votes():
    found, _ = sets_of_votes(votes([(0, 0, 0), (0, 0, 1)], [9.0, 1.0]), 1, 2, 0.2)
    assert found.lists() == [[0]]


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_share_is_from_0_to_1(share):
    with pytest.raises(SettingError, match="vote threshold"):
        sets_of_votes(GIVEN, 3, 3, share)
