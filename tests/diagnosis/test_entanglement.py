"""What training made of look-alikes, against slow obvious loops."""

import numpy as np
import pytest

from cad_studio.diagnosis import entanglement
from cad_studio.diagnosis.entanglement import (
    accuracy_by_similarity,
    centre_distances,
    cross_class_threshold,
    nearest_other_class,
    resolved_by_classes,
)
from tests.diagnosis.rows import unit_rows


def test_centre_distances_by_hand():
    # Two classes at (1, 0) and (0, 1): centres sqrt(2) apart, nothing within.
    features = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    told = centre_distances(features, np.array([0, 0, 1]), 3)
    assert told.between == pytest.approx(2**0.5)
    assert told.within == pytest.approx(0.0)
    assert told.ratio is None
    # Centre of (1, 0) and (0, 1) is (.5, .5), sqrt(.5) from both.
    told = centre_distances(features[[0, 2]], np.array([0, 0]), 1)
    assert (told.between, told.within) == (None, pytest.approx(0.5**0.5))
    assert centre_distances(features, np.full(3, -1), 2).within is None


def test_the_nearest_of_another_class_is_what_a_loop_finds():
    features = unit_rows(60, 5, seed=1)
    labels = np.random.default_rng(2).integers(-1, 3, 60)
    cosine, nearest = nearest_other_class(features, labels)
    products = features @ features.T
    for row in range(60):
        others = (labels >= 0) & (labels != labels[row])
        if labels[row] < 0:
            assert (cosine[row], nearest[row]) == (-1, -1)
            continue
        best = np.where(others, products[row], -np.inf).argmax()
        assert nearest[row] == best
        assert cosine[row] == pytest.approx(products[row, best], abs=1e-6)
    alone, _ = nearest_other_class(features, np.zeros(60, int))
    assert (alone == -1).all()


def test_of_very_many_samples_some_are_looked_at_and_found_the_same(monkeypatch):
    """Each against all took hours of a million samples."""
    monkeypatch.setattr(entanglement, "_LOOKED_AT", 15)
    monkeypatch.setattr(entanglement, "_OTHERS", 7)
    features = unit_rows(60, 5, seed=1)
    labels = np.random.default_rng(2).integers(-1, 3, 60)
    every, nearest = nearest_other_class(features, labels)
    some, of_some = nearest_other_class(features, labels, most=30)
    looked_at = np.isfinite(some) & (labels >= 0)
    assert looked_at.sum() == 15
    np.testing.assert_allclose(some[looked_at], every[looked_at], atol=1e-6)
    assert (of_some[looked_at] == nearest[looked_at]).all()
    assert np.isnan(some[(labels >= 0) & ~looked_at]).all()


def test_rows_of_the_test_are_looked_at_before_others(monkeypatch):
    monkeypatch.setattr(entanglement, "_LOOKED_AT", 15)
    labels = np.arange(60) % 3
    some, _ = nearest_other_class(
        unit_rows(60, 5, seed=1), labels, most=30, first=np.arange(50, 60)
    )
    assert np.isfinite(some[50:]).all()
    assert np.isfinite(some).sum() == 15


def test_features_that_are_not_finite_are_left_out():
    features = unit_rows(10, 4, seed=3)
    features[2] = np.nan
    labels = np.arange(10) % 2
    cosine, nearest = nearest_other_class(features, labels)
    assert nearest[2] == -1
    assert 2 not in nearest
    assert np.isfinite(cosine).all()
    assert np.isfinite(centre_distances(features, labels, 2).between)


def test_accuracy_by_similarity_has_equal_bins():
    similarity = np.arange(100) / 100
    right = similarity < 0.5
    told = accuracy_by_similarity(similarity, right, 4)
    assert told["n"] == [25] * 4
    assert told["accuracy"] == [1, 1, 0, 0]
    assert told["similarity"] == sorted(told["similarity"])
    assert accuracy_by_similarity(np.zeros(0), np.zeros(0, bool))["n"] == []


def test_a_pair_is_resolved_below_the_threshold_and_counted_by_its_classes():
    pairs = np.array([[0, 1], [2, 3], [0, 3], [1, 2]])
    labels = np.array([0, 1, 2, 1])
    told = resolved_by_classes(pairs, np.array([0.9, 0.2, 0.1, 0.8]), 0.5, labels, 10)
    assert told[0] == {"a": 0, "b": 1, "n": 2, "resolved": 0.5}
    assert told[1] == {"a": 1, "b": 2, "n": 2, "resolved": 0.5}


def test_the_threshold_is_the_quantile_of_the_cross_class_pairs():
    features = unit_rows(200, 3, seed=4)
    labels = np.arange(200) % 2
    products = (features @ features.T)[labels[:, None] != labels[None]]
    wanted = np.quantile(products, 0.99)
    assert cross_class_threshold(features, labels, 0.01) == pytest.approx(wanted, abs=0.003)
    assert cross_class_threshold(features, np.zeros(200, int), 0.01) > 1
