"""Matrices and tables against numbers worked out by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from cad_studio.core.partial_labels import PartialLabels
from cad_studio.diagnosis.beliefs import ambiguity, read_beliefs
from cad_studio.diagnosis.calibration import reliability
from cad_studio.diagnosis.classes import class_table
from cad_studio.diagnosis.confusion import (
    busiest,
    confused_pairs,
    confusion,
    row_shares,
    similarity_order,
)


def random_labels(n_samples=300, n_classes=7, seed=0):
    chance = np.random.default_rng(seed)
    truth = chance.integers(-1, n_classes, n_samples)
    predicted = np.where(chance.random(n_samples) < 0.6, truth, chance.integers(0, n_classes))
    return truth, np.where(predicted < 0, 0, predicted)


def test_confusion_and_class_figures_agree_with_scikit_learn():
    truth, predicted = random_labels()
    known = truth >= 0
    counts = confusion(truth, predicted, 7)
    assert np.array_equal(
        counts, metrics.confusion_matrix(truth[known], predicted[known], labels=range(7))
    )
    ones = np.ones(len(truth))
    table = class_table(truth, predicted, ones, predicted, ones.astype(int), 7)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        truth[known], predicted[known], labels=range(7), zero_division=0
    )
    for c, row in enumerate(table):
        assert row["precision"] == pytest.approx(precision[c])
        assert row["recall"] == pytest.approx(recall[c])
        assert row["f1"] == pytest.approx(f1[c])
        assert row["n"] == support[c]


def test_a_class_without_samples_has_no_recall_and_one_never_predicted_no_precision():
    truth, predicted = np.array([0, 0, 2]), np.array([0, 0, 0])
    table = class_table(truth, predicted, np.ones(3), predicted, np.array([1, 3, 2]), 4)
    assert table[0]["mean_candidates"] == 2.0  # samples of true class 0 have sets of 1 and 3
    assert (table[1]["recall"], table[1]["precision"], table[1]["ece"]) == (None, None, None)
    assert (table[2]["recall"], table[2]["precision"]) == (0.0, None)
    assert table[3]["mean_candidates"] is None


def test_without_truth_classes_are_counted_by_best_label():
    table = class_table(None, np.array([0, 1]), np.ones(2), np.array([1, 1]), np.array([2, 4]), 2)
    assert [row["n"] for row in table] == [0, 2]
    assert table[1]["mean_candidates"] == 3.0
    assert table[1]["recall"] is None


def test_ambiguity_is_the_mean_belief_within_the_sets():
    # Softmax of log (2, 1, 1) within {0, 1} is (2/3, 1/3), of log (1, 3, 1) (1/4, 3/4).
    logits = np.log(np.array([[2, 1, 1], [1, 3, 1], [4, 1, 8]], np.float32))
    sets = PartialLabels.from_lists([[0, 1], [0, 1], [0, 1]], 3)
    shares, counts = ambiguity(logits, sets, np.arange(3))
    # Row 0 is the mean of (2/3, 1/3) and of the third sample's (4/5, 1/5).
    assert shares[0] == pytest.approx([(2 / 3 + 4 / 5) / 2, (1 / 3 + 1 / 5) / 2, 0])
    assert shares[1] == pytest.approx([0.25, 0.75, 0])
    assert counts.tolist() == [2, 1, 0]
    beliefs = read_beliefs(logits, sets)
    assert beliefs.predicted.tolist() == [0, 1, 2]
    assert beliefs.best.tolist() == [0, 1, 0]
    assert beliefs.outside == pytest.approx([1 / 4, 1 / 5, 8 / 13])


def test_an_empty_set_and_logits_that_are_not_finite_have_no_answer():
    logits = np.array([[1, 2], [np.nan, 0], [0, 1]], np.float32)
    beliefs = read_beliefs(logits, PartialLabels.from_lists([[], [0, 1], [1]], 2))
    assert beliefs.predicted.tolist() == [1, -1, 1]
    assert beliefs.best.tolist() == [-1, 0, 1]
    assert beliefs.believed == pytest.approx([0, 0.5, 1])
    assert np.isfinite(beliefs.confidence).all()


def test_confused_classes_stand_together_whatever_their_numbers():
    # 0 with 3, 1 with 4, 2 with 5; the order must keep each couple side by side.
    matrix = np.eye(6) * 50
    for a, b in ((0, 3), (1, 4), (2, 5)):
        matrix[a, b] = matrix[b, a] = 30
    order = similarity_order(matrix).tolist()
    assert sorted(order) == list(range(6))
    for a, b in ((0, 3), (1, 4), (2, 5)):
        assert abs(order.index(a) - order.index(b)) == 1
    assert similarity_order(np.eye(4)).tolist() == [0, 1, 2, 3]


def test_confused_pairs_count_both_ways_with_label_sharing():
    matrix = np.array([[8, 2, 0], [6, 4, 0], [1, 0, 9]])
    sharing = np.full((3, 3), 0.5)
    first, second = confused_pairs(matrix, sharing, 10)
    assert (first.a, first.b, first.weight) == (0, 1, 8)
    assert (first.a_as_b, first.b_as_a, first.sharing) == (0.2, 0.6, 0.5)
    assert (second.a, second.b, second.weight) == (0, 2, 1)
    assert row_shares(np.zeros((2, 2))).tolist() == [[0, 0], [0, 0]]


def test_of_many_classes_both_of_the_worst_pair_are_shown():
    matrix = np.eye(500, dtype=int) * 9
    matrix[17, 420] = 7
    assert {17, 420} <= set(busiest(matrix, 24).tolist())
    assert len(busiest(matrix, 24)) == 24


def test_calibration_error_by_hand():
    # Bins of 0.5: confidences .4 (right) | .8 (wrong), .6 (right): gaps .6 and |.5 - .7| = .2.
    told = reliability(np.array([0.4, 0.8, 0.6]), np.array([True, False, True]), 2)
    assert told.counts.tolist() == [1, 2]
    assert told.ece == pytest.approx((1 * 0.6 + 2 * 0.2) / 3)
    assert reliability(np.zeros(0), np.zeros(0, bool)).ece is None
    assert reliability(np.array([0.0, 1.0]), np.array([False, True]), 5).counts[0] == 1
