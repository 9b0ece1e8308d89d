"""Flip probabilities and draws."""

import json
from pathlib import Path

import numpy as np
import pytest

from cad_studio.annotators import flipping
from cad_studio.annotators.flipping import (
    draw_candidates,
    flip_probabilities,
    synthesise_candidates,
)
from cad_studio.core.errors import SettingError

VECTORS = json.loads((Path(__file__).parent / "vectors_v3.json").read_text())


def random_case(n_samples, n_classes, seed=0, scale=3.0):
    generator = np.random.default_rng(seed)
    logits = (generator.standard_normal((n_samples, n_classes)) * scale).astype(np.float32)
    return logits, generator.integers(0, n_classes, n_samples)


@pytest.mark.parametrize("rate", sorted(VECTORS["rates"]))
def test_flip_probabilities_equal_the_printed_vectors(rate):
    xi = flip_probabilities(
        np.array(VECTORS["logits"], np.float32), np.array(VECTORS["truth"]), float(rate)
    )
    wanted = VECTORS["rates"][rate]
    np.testing.assert_allclose(xi, wanted["flip_probabilities"], atol=1e-5)
    np.testing.assert_allclose(1 + xi.sum(axis=1), wanted["expected_set_size"], atol=1e-5)
    assert xi.dtype == np.float32


def test_flip_probabilities_equal_the_formula_where_it_does_not_vanish():
    logits, truth = random_case(50, 7)
    p = np.exp(logits.astype(np.float64))
    p /= p.sum(axis=1, keepdims=True)
    for row, y in enumerate(truth):
        wanted = [0 if j == y else min(1, 0.6 * 7 * p[row, j] / (1 - p[row, y])) for j in range(7)]
        np.testing.assert_allclose(
            flip_probabilities(logits[row : row + 1], truth[row : row + 1], 0.6)[0],
            wanted,
            atol=1e-5,
        )


def test_a_certain_annotator_still_gives_finite_probabilities():
    # p_y rounds to 1, so p_j / (1 - p_y) would be 0 / 0; the rest is e^0, e^-1, e^-2 over their
    # sum: .66524, .24473, .09003. At rate .5 and C = 4 that is doubled.
    logits = np.array([[900.0, 0.0, -1.0, -2.0], [-900.0, 900.0, 0.0, -900.0]], np.float32)
    xi = flip_probabilities(logits, np.array([0, 1]), 0.5)
    np.testing.assert_allclose(xi, [[0, 1, 0.48946, 0.18006], [0, 0, 1, 0]], atol=1e-5)


@pytest.mark.parametrize(("rate", "wanted"), [(0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (3.0, 1.0)])
def test_with_two_classes_the_other_one_joins_with_twice_the_rate(rate, wanted):
    xi = flip_probabilities(np.array([[9.0, -9.0]], np.float32), np.array([0]), rate)
    np.testing.assert_allclose(xi, [[0, wanted]], atol=1e-6)


def test_a_single_class_has_nothing_to_flip():
    labels = synthesise_candidates(
        np.zeros((3, 1), np.float32), np.zeros(3, int), 1.0, np.random.default_rng(0)
    )
    assert labels.lists() == [[0], [0], [0]]


def test_draws_come_as_often_as_their_probability_says():
    xi = np.array([0.0, 0.0, 0.1, 0.5, 0.9, 1.0], np.float32)
    n_draws = 20_000
    drawn = draw_candidates(
        np.tile(xi, (n_draws, 1)), np.zeros(n_draws, int), np.random.default_rng(3)
    ).dense()
    # Four standard deviations of a share of 20,000 draws are at most .0142.
    np.testing.assert_allclose(drawn.mean(axis=0)[1:], xi[1:], atol=0.0142)
    assert drawn[:, 0].all()
    assert not drawn[:, 1].any()
    assert drawn[:, 5].all()
    # Independent of one another: both of two classes as often as the product says.
    assert (drawn[:, 2] & drawn[:, 3]).mean() == pytest.approx(0.05, abs=0.0062)


def test_the_truth_is_always_a_candidate_and_rate_zero_leaves_it_alone():
    logits, truth = random_case(500, 13)
    labels = synthesise_candidates(logits, truth, 1.0, np.random.default_rng(0))
    assert labels.contains(truth).all()
    assert labels.sizes().mean() > 2
    alone = synthesise_candidates(logits, truth, 0.0, np.random.default_rng(0))
    assert alone.lists() == [[y] for y in truth]


def test_one_seed_gives_one_result_and_another_seed_another():
    logits, truth = random_case(300, 10)
    first, again, other = (
        synthesise_candidates(logits, truth, 0.5, np.random.default_rng(seed)) for seed in (7, 7, 8)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("n_classes", [3, 8, 1000])
def test_blocks_do_not_change_the_sets(n_classes, monkeypatch):
    logits, truth = random_case(257, n_classes)
    xi = flip_probabilities(logits, truth, 0.8)
    whole = draw_candidates(xi, truth, np.random.default_rng(1))
    monkeypatch.setattr(flipping, "BLOCK_CELLS", 5 * n_classes)
    assert draw_candidates(xi, truth, np.random.default_rng(1)) == whole
    assert synthesise_candidates(logits, truth, 0.8, np.random.default_rng(1)) == whole
    np.testing.assert_array_equal(flip_probabilities(logits, truth, 0.8), xi)


def test_the_logits_are_left_as_they_were():
    logits, truth = random_case(5, 4)
    before = logits.copy()
    synthesise_candidates(logits, truth, 1.0, np.random.default_rng(0))
    np.testing.assert_array_equal(logits, before)


def test_unknown_truth_is_counted_and_the_first_row_named():
    truth = np.array([0, 1, -1, 2, -1])
    with pytest.raises(SettingError, match=r"2 of 5 samples have .* \(first: row 2\)"):
        flip_probabilities(np.zeros((5, 3), np.float32), truth, 1.0)
    with pytest.raises(SettingError, match="first: row 2"):
        draw_candidates(np.zeros((5, 3), np.float32), truth, np.random.default_rng(0))


@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf")])
def test_a_rate_that_is_no_factor_is_refused(rate):
    with pytest.raises(SettingError, match="rate is"):
        flip_probabilities(np.zeros((1, 3), np.float32), np.array([0]), rate)
