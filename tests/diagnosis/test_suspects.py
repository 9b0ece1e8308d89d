"""Suspects: planted ones are found, others are not, and no sample judges itself."""

import numpy as np
import pytest

from cad_studio.core.partial_labels import PartialLabels
from cad_studio.diagnosis.comparison import changed_answers, different_settings, spread
from cad_studio.diagnosis.crossfit import cross_fit
from cad_studio.diagnosis.suspects import (
    near_duplicates,
    never_believed,
    outliers,
    sets_without_truth,
    swapped_pairs,
)


def groups(n_each=60, n_classes=3, seed=0):
    """Unit vectors around three corners, and sets of the own class and sometimes another."""
    chance = np.random.default_rng(seed)
    truth = np.repeat(np.arange(n_classes), n_each)
    features = np.eye(n_classes, 6)[truth] * 3 + chance.normal(size=(len(truth), 6)) * 0.3
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    sets = chance.random((len(truth), n_classes)) < 0.3
    sets[np.arange(len(truth)), truth] = True
    return features.astype(np.float32), sets, truth


def uniform_on(sets):
    return lambda rows: (sets[rows] / sets[rows].sum(axis=1, keepdims=True)).astype(np.float32)


def test_a_set_without_the_truth_is_found_and_named():
    features, sets, truth = groups()
    planted = [5, 70, 150]
    for row in planted:
        sets[row] = False
        sets[row, (truth[row] + 1) % 3] = True
    candidates = PartialLabels.from_dense(sets)
    shares = cross_fit(features, candidates, uniform_on(sets))
    assert shares.sum(axis=1) == pytest.approx(np.ones(len(truth)), abs=1e-5)
    found = sets_without_truth(shares, candidates, np.arange(len(truth)) + 1000)
    # A threshold that is a mean leaves out the less typical half; what is named must be right.
    assert found
    assert {each.row - 1000 for each in found} <= set(planted)
    assert all(each.label == truth[each.row - 1000] for each in found)
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert found == sets_without_truth(
        cross_fit(features, candidates, uniform_on(sets)), candidates, np.arange(180) + 1000
    )


def test_no_sample_is_judged_by_a_model_that_saw_its_set():
    """Changing the set of one sample must leave its own probabilities as they were."""
    features, sets, _ = groups()
    before = cross_fit(features, PartialLabels.from_dense(sets), uniform_on(sets))
    changed = sets.copy()
    changed[7] = [False, True, True]
    after = cross_fit(features, PartialLabels.from_dense(changed), uniform_on(changed))
    assert np.array_equal(before[7], after[7])
    assert not np.array_equal(before, after)


@pytest.mark.parametrize("n_samples", [1, 2, 3])
def test_few_samples_and_equal_features_are_survived(n_samples):
    features = np.ones((n_samples, 4), np.float32) / 2
    sets = np.ones((n_samples, 2), bool)
    shares = cross_fit(features, PartialLabels.from_dense(sets), uniform_on(sets))
    assert np.isfinite(shares).all()
    assert shares.shape == (n_samples, 2)


def test_a_candidate_never_believed_is_named_once_for_each_sample():
    sets = PartialLabels.from_lists([[0, 1, 2], [0, 1], [2]], 3)
    history = np.array(
        [[0.98, 0.01, 0.01, 0.5, 0.5, 1.0], [0.9, 0.095, 0.005, 0.99, 0.01, 1.0]], np.float16
    )
    shares = np.array([[0.98, 0.01, 0.01], [0.9, 0.1, 0.0], [0, 0, 1]], np.float32)
    (found,) = never_believed(history, shares, sets, np.array([4, 5, 6]))
    # Candidate 1 of the first sample once had 0.095, of the second 0.5.
    assert (found.row, found.label) == (4, 2)
    assert found.values["highest"] == pytest.approx(0.01, abs=1e-3)
    assert never_believed(np.zeros((0, 0)), shares, sets, np.arange(3)) == []


def test_a_swapped_pair_is_crossed_in_the_run_but_not_outside_it():
    pairs = np.array([[0, 1], [2, 3], [0, 2]])
    sets = PartialLabels.from_dense(np.ones((4, 2), bool))
    run, outside = np.array([1, 0, 0, 1]), np.array([0, 1, 0, 1])
    (found,) = swapped_pairs(pairs, np.array([0.9, 0.8, 0.7]), run, outside, sets)
    assert (found.row, found.other, found.label) == (0, 1, 0)


def test_near_duplicates_need_different_sets():
    # Samples 0 and 1 are alike with sets {0} and {1}; 2 and 3 alike with equal sets.
    index = np.array([[1], [0], [3], [2], [0]])
    cosine = np.array([[0.999], [0.999], [0.999], [0.999], [0.2]], np.float32)
    sets = PartialLabels.from_lists([[0], [1], [0, 1], [0, 1], [0]], 2)
    (found,) = near_duplicates(index, cosine, sets, np.arange(5))
    assert (found.row, found.other, found.score) == (0, 1, 1.0)
    assert near_duplicates(np.zeros((1, 0), int), np.zeros((1, 0)), sets.take([0]), [0]) == []


def test_an_outlier_is_far_where_others_are_close():
    chance = np.random.default_rng(5)
    cosine = (0.9 + 0.01 * chance.normal(size=(200, 5))).astype(np.float32)
    cosine[42] = 0.3
    (found,) = outliers(cosine, np.arange(200))
    assert found.row == 42
    assert outliers(np.full((50, 5), 0.7, np.float32), np.arange(50)) == []


def test_fixed_broken_and_moved_samples():
    truth = np.array([0, 0, 0, 0, -1])
    change = changed_answers(
        np.array([1, 0, 1, 0, 1]), np.array([0, 1, 2, 0, 0]), truth, np.arange(5)
    )
    assert change.fixed.tolist() == [0]
    assert change.broken.tolist() == [1]
    assert change.moved.tolist() == [2, 4]
    blind = changed_answers(np.array([1, 0]), np.array([1, 1]), None, np.arange(2))
    assert (len(blind.fixed), blind.moved.tolist()) == (0, [1])


def test_settings_that_differ_and_the_spread_over_seeds():
    told = different_settings([{"lr": 1, "beta": 2}, {"lr": 1}, {"lr": 1, "beta": 3}])
    assert told == {"beta": [2, None, 3]}
    # The deviation of 1, 2 and 3 with n - 1 is 1.
    assert spread([1.0, None, 2.0, 3.0]) == {"n": 3, "mean": 2.0, "sd": 1.0}
    assert spread([0.5])["sd"] is None
    assert spread([None])["mean"] is None
