"""The head in closed form, its joining with the neighbours, and features of every odd shape."""

import numpy as np
import pytest
from scipy import sparse

from cad_studio.core.partial_labels import PartialLabels
from cad_studio.mining import ridge
from cad_studio.mining.live_belief import highest, live_belief
from cad_studio.mining.neighbours import faiss_neighbours
from cad_studio.mining.propagation import propagate
from cad_studio.mining.ridge import RidgeHead


def unit(array):
    return (array / np.linalg.norm(array, axis=1, keepdims=True)).astype(np.float32)


def sets_of(n_samples, n_classes=4, seed=0):
    generator = np.random.default_rng(seed)
    dense = generator.random((n_samples, n_classes)) < 0.4
    dense[np.arange(n_samples), generator.integers(0, n_classes, n_samples)] = True
    return PartialLabels.from_dense(dense)


def test_scores_are_those_of_ridge_regression_written_out(monkeypatch):
    """Blocks of three rows, so that sums over blocks are part of what is held against it."""
    features = unit(np.random.default_rng(1).normal(size=(40, 5)))
    sets = sets_of(40)
    belief = sparse.csr_array((sets.dense() / sets.sizes()[:, None]).astype(np.float32))
    monkeypatch.setattr(ridge, "_BLOCK_BYTES", 60)
    found = RidgeHead(features).scores(belief)
    centred = features - features.mean(axis=0)
    centred /= np.sqrt(np.square(centred).sum(axis=1).mean())
    wide = np.hstack([centred, np.ones((40, 1))]).astype(float)
    gram = wide.T @ wide
    penalty = ridge.PENALTY * np.trace(gram) / 6
    scores = wide @ np.linalg.solve(gram + penalty * np.eye(6), wide.T @ belief.toarray())
    np.testing.assert_allclose(found, scores[belief.nonzero()], atol=1e-5)


def test_wide_features_are_judged_nearly_as_if_they_had_been_narrow(monkeypatch):
    """What lies in 20 directions of 600, projected at random to 400."""
    monkeypatch.setattr(ridge, "WIDEST", 500)
    monkeypatch.setattr(ridge, "WIDTH", 400)
    generator = np.random.default_rng(3)
    narrow = generator.normal(size=(300, 20)).astype(np.float32)
    basis = np.linalg.qr(generator.normal(size=(600, 20)))[0].T.astype(np.float32)
    belief = sparse.csr_array(sets_of(300).dense().astype(np.float32))
    few, many = RidgeHead(narrow).scores(belief), RidgeHead(narrow @ basis).scores(belief)
    assert np.corrcoef(few, many)[0, 1] > 0.99


@pytest.mark.parametrize(
    "features",
    [
        np.ones((30, 6), np.float32),  # constant
        np.where(np.arange(30)[:, None] % 2, 1.0, -1.0).astype(np.float32),  # D of 1
        np.random.default_rng(2).normal(size=(30, 20_000)).astype(np.float32),  # D of 20,000
        np.random.default_rng(2).normal(size=(2, 3)).astype(np.float32),  # two samples
    ],
    ids=["constant", "one", "wide", "two"],
)
def test_belief_stays_one_whatever_the_features_are(features):
    features = unit(features)
    sets = sets_of(len(features))
    index, cosine = faiss_neighbours(features, features, 10, np.arange(len(features)))
    belief = live_belief(index, cosine, RidgeHead(features), sets)
    assert np.isfinite(belief.data).all()
    np.testing.assert_allclose(belief.sum(axis=1), 1.0, atol=1e-5)
    assert np.array_equal(belief.toarray() > 0, sets.dense())


def test_where_neighbours_and_head_differ_neither_is_sure():
    """Two clusters; a sample of one carries the neighbours of the other, as a graph may err."""
    generator = np.random.default_rng(0)
    truth = np.arange(80) % 2
    features = unit(np.eye(8)[truth * 3] + 0.1 * generator.normal(size=(80, 8)))
    dense = np.eye(2, dtype=bool)[truth]
    dense[:20] = True
    sets = PartialLabels.from_dense(dense)
    index, cosine = faiss_neighbours(features, features, 5, np.arange(80))
    index[0] = np.flatnonzero(truth == 1)[10:15]
    head = RidgeHead(features)
    spread = propagate(index, cosine, sets).toarray()
    belief = live_belief(index, cosine, head, sets).toarray()
    assert spread[0, 1] > 0.99
    assert belief[0, 1] < 0.9
    assert (belief[1:].argmax(axis=1) == truth[1:]).all()


def test_highest_belief_of_an_empty_set_is_none():
    belief = sparse.csr_array(np.array([[0.2, 0.8], [0.0, 0.0], [1.0, 0.0]], np.float32))
    assert highest(belief).tolist() == pytest.approx([0.8, 0.0, 1.0])
