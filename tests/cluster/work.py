"""Pieces of real work, small, for tests of who does it."""

import numpy as np

from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Silent
from cad_studio.core.workers import ALONE
from cad_studio.mining.entangled import find_pairs
from cad_studio.mining.settings import MiningConfig
from cad_studio.store.pixels import MappedPixels


def make_case(n_samples=400, width=8, seed=0):
    """Features, sets and labels, of which some are not known."""
    chance = np.random.default_rng(seed)
    features = chance.standard_normal((n_samples, width)) + 2 * chance.standard_normal(width)
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    labels = chance.integers(0, 5, n_samples).astype(np.int32)
    dense = chance.random((n_samples, 5)) < 0.3
    dense[np.arange(n_samples), labels] = True
    labels[chance.random(n_samples) > 0.8] = -1
    return features, PartialLabels.from_dense(dense), labels


def mined(case, workers=ALONE, progress=None, **settings):
    """What a search finds, as plain arrays."""
    pairs = find_pairs(*case, MiningConfig(**settings), progress or Silent(), workers)
    plain = {name: value for name, value in vars(pairs).items() if name != "seconds"}
    return {name: np.asarray(value) for name, value in plain.items() if value is not None}


def make_pixels(n_images, seed=0, side=8):
    images = np.random.default_rng(seed).integers(0, 256, (n_images, side, side, 3), np.uint8)
    return MappedPixels(images)


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)
