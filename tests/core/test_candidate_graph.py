"""The graph between candidates, both ways of keeping it, against matrices written out."""

import numpy as np
import pytest

from cad_studio.core import candidate_graph
from cad_studio.core.candidate_graph import CandidateGraph
from cad_studio.core.partial_labels import PartialLabels

N_SAMPLES, N_CLASSES, K = 40, 7, 5


@pytest.fixture
def drawn():
    chance = np.random.default_rng(3)
    held = chance.random((N_SAMPLES, N_CLASSES)) < 0.4
    held[[2, 9]] = False
    index = np.array([chance.choice(N_SAMPLES, K, replace=False) for _ in range(N_SAMPLES)])
    index[4] = -1
    index[5, 2:] = -1
    cosine = chance.uniform(-0.2, 1, (N_SAMPLES, K)).astype(np.float32)
    return held, index, cosine, chance.random(held.sum()).astype(np.float32)


def written_out(index, cosine):
    weights = np.zeros((N_SAMPLES, N_SAMPLES))
    for row in range(N_SAMPLES):
        for other, close in zip(index[row], cosine[row], strict=True):
            if other >= 0:
                weights[row, other] += max(close, 0)
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-30)


@pytest.mark.parametrize("most_steps", [1 << 27, 0], ids=["between candidates", "between samples"])
@pytest.mark.parametrize("classes_at_once", [64, 3])
def test_products_are_those_with_the_whole_matrix(drawn, monkeypatch, most_steps, classes_at_once):
    monkeypatch.setattr(candidate_graph, "_MOST_STEPS", most_steps)
    monkeypatch.setattr(candidate_graph, "_CLASSES_AT_ONCE", classes_at_once)
    monkeypatch.setattr(candidate_graph, "_ENTRIES_AT_ONCE", 7)
    held, index, cosine, values = drawn
    graph = CandidateGraph(index, cosine, PartialLabels.from_dense(held))
    dense = np.zeros(held.shape)
    dense[held] = values
    weights = written_out(index, cosine)
    np.testing.assert_allclose(graph.mean(values), (weights @ dense)[held], atol=1e-6)
    np.testing.assert_allclose(graph.reach(values), (weights.T @ dense)[held], atol=1e-6)


def test_both_ways_give_the_same_to_the_last_bit(drawn, monkeypatch):
    held, index, cosine, values = drawn
    candidates = PartialLabels.from_dense(held)
    first = CandidateGraph(index, cosine, candidates).mean(values)
    monkeypatch.setattr(candidate_graph, "_MOST_STEPS", 0)
    assert (CandidateGraph(index, cosine, candidates).mean(values) == first).all()
