"""How often a distractor is in the sets of a class, and what the sets say without true labels."""

import numpy as np
import pytest

from cad_studio.core.dataset import UNKNOWN
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.diagnosis import distractors
from cad_studio.diagnosis.distractors import find_distractors, held_with

# Ten samples of class 0, of which nine hold class 1 and two class 2; two of class 1 alone with 0;
# one of class 2 without any other; none of class 3.
SETS = [[0, 1]] * 7 + [[0, 1, 2]] * 2 + [[0]] + [[0, 1]] * 2 + [[2]]
TRUTH = np.array([0] * 10 + [1] * 2 + [2])


def test_shares_are_those_counted_by_hand():
    found = find_distractors(PartialLabels.from_lists(SETS, 4), TRUTH)
    assert found.n_samples.tolist() == [10, 2, 1, 0]
    np.testing.assert_allclose(found.share[0], [1.0, 0.9, 0.2, 0.0])
    np.testing.assert_allclose(found.share[1], [1.0, 1.0, 0.0, 0.0])
    np.testing.assert_allclose(found.share[2], [0.0, 0.0, 1.0, 0.0])
    assert np.isnan(found.share[3]).all()
    assert found.worst.tolist() == [1, 0, UNKNOWN, UNKNOWN]
    assert [found.worst_share(label) for label in range(4)] == [0.9, 1.0, 0.0, 0.0]
    # 9 of class 0 (0.9 is enough) and both of class 1, of 13
    assert found.carrying == pytest.approx(11 / 13)


def test_samples_of_unknown_truth_do_not_count():
    sets = PartialLabels.from_lists([*SETS, [0, 3], [1, 2, 3]], 4)
    truth = np.append(TRUTH, [UNKNOWN, UNKNOWN])
    found, known = (
        find_distractors(sets, truth),
        find_distractors(PartialLabels.from_lists(SETS, 4), TRUTH),
    )
    np.testing.assert_array_equal(found.share, known.share)
    assert found.carrying == known.carrying
    assert find_distractors(sets, np.full(len(sets), UNKNOWN)) is None


def test_many_samples_are_counted_in_parts(monkeypatch):
    generator = np.random.default_rng(0)
    dense = generator.random((500, 6)) < 0.4
    truth = generator.integers(-1, 6, 500)
    sets = PartialLabels.from_dense(dense)
    whole = find_distractors(sets, truth)
    monkeypatch.setattr(distractors, "_AT_ONCE", 7)
    parts = find_distractors(sets, truth)
    np.testing.assert_array_equal(whole.share, parts.share)
    assert whole.carrying == parts.carrying
    for label in range(6):
        np.testing.assert_allclose(whole.share[label], dense[truth == label].mean(axis=0))


def test_what_is_held_together_goes_both_ways():
    other, share = held_with(PartialLabels.from_lists(SETS, 4).co_occurrence())
    # class 0 is in 12 sets, 1 in 11, 2 in 3; 0 with 1 in 11, 0 with 2 in 2, 1 with 2 in 2
    assert other.tolist() == [1, 0, 0, UNKNOWN]
    assert share[0, 1] == pytest.approx(11 / 12)
    assert share[1, 0] == 1.0
    assert share[2, 0] == pytest.approx(2 / 3)
    assert share[3].tolist() == [0.0] * 4
