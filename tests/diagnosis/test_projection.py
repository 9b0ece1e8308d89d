"""Maps: what they must keep, and what they must survive."""

import numpy as np
import pytest

from cad_studio.core.progress import Silent
from cad_studio.diagnosis.projection import (
    place_between,
    principal_plane,
    quantised,
    turned_like,
    umap_plane,
    usable_rows,
)
from cad_studio.mining.neighbours import exact_neighbours
from tests.diagnosis.rows import unit_rows


def test_the_principal_plane_holds_the_largest_variance():
    chance = np.random.default_rng(0)
    features = (chance.normal(size=(400, 6)) * [9, 4, 1, 1, 1, 1]).astype(np.float32)
    plane = principal_plane(features)
    centred = features - features.mean(axis=0)
    _, values, _ = np.linalg.svd(centred, full_matrices=False)
    assert plane.std(axis=0) * 20 == pytest.approx(values[:2], rel=1e-3)
    assert np.array_equal(plane, principal_plane(features))
    assert abs(plane.mean()) < 1e-3


@pytest.mark.parametrize(
    "features",
    [np.ones((1, 4)), np.full((30, 4), 0.5), np.zeros((30, 1)), np.repeat(np.eye(3), 9, axis=0)],
    ids=["one sample", "constant", "one dimension", "identical points"],
)
def test_odd_features_give_a_finite_plane(features):
    plane = principal_plane(features.astype(np.float32))
    assert plane.shape == (len(features), 2)
    assert np.isfinite(plane).all()
    assert quantised(plane).dtype == np.uint16


def test_rows_with_nan_are_not_usable():
    features = unit_rows(5, 3)
    features[1, 2] = np.nan
    features[3] = np.inf
    assert usable_rows(features).tolist() == [0, 2, 4]


def test_umap_keeps_groups_together_and_repeats_itself():
    centres = np.eye(3, 8) * 4
    chance = np.random.default_rng(1)
    features = np.repeat(centres, 20, axis=0) + chance.normal(size=(60, 8)) * 0.2
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    index, cosine = exact_neighbours(features, features, 8, np.arange(60))
    start = principal_plane(features)
    told = []
    progress = type("P", (), {"report": lambda self, done, words: told.append(done)})()
    placed = umap_plane(index, cosine, start, 7, progress, epochs=60)
    assert np.array_equal(placed, umap_plane(index, cosine, start, 7, Silent(), epochs=60))
    groups = placed.reshape(3, 20, 2)
    spread = np.linalg.norm(groups - groups.mean(axis=1, keepdims=True), axis=2).mean()
    gaps = [np.linalg.norm(groups[a].mean(0) - groups[b].mean(0)) for a, b in ((0, 1), (1, 2))]
    assert min(gaps) > 3 * spread
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_a_later_map_is_turned_onto_the_earlier_one():
    before = np.random.default_rng(2).normal(size=(50, 2)).astype(np.float32)
    turn = np.array([[0, 1], [-1, 0]], np.float32)  # a quarter turn, five times as large, elsewhere
    after = before @ turn * 5 + 3
    assert turned_like(after, before) == pytest.approx(before, abs=1e-4)
    assert np.isfinite(turned_like(np.zeros((4, 2), np.float32), before[:4])).all()


def test_left_out_samples_lie_among_their_neighbours():
    placed = np.array([[0, 0], [10, 0]], np.float32)
    out = place_between(np.array([[0, 1]]), np.array([[0.75, 0.25]], np.float32), placed)
    assert out.tolist() == [[2.5, 0]]


def test_one_outlier_does_not_squeeze_the_rest():
    plane = np.random.default_rng(3).normal(size=(5000, 2)).astype(np.float32)
    plane[0] = 1e6
    places = quantised(plane)
    assert np.ptp(places[1:].astype(int), axis=0).min() > 40_000
    assert places[0].tolist() == [65535, 65535]
