import numpy as np
import pytest

from cad_studio.core import candidate_graph
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.mining.neighbours import exact_neighbours
from cad_studio.mining.propagation import best_labels, propagate


def test_one_step_by_hand():
    # Sample 0 has {0, 1}, its neighbours 1 {0} and 2 {1, 2} at cosines 0.6 and 0.2: weights
    # 0.75 and 0.25. Arriving: 0.75 * (1, 0) + 0.25 * (0, 0.5) = (0.75, 0.125).
    # 0.5 * arriving + 0.5 * (0.5, 0.5) = (0.625, 0.3125), normalised (2/3, 1/3).
    candidates = PartialLabels.from_lists([[0, 1], [0], [1, 2]], 3)
    index = np.array([[1, 2], [0, -1], [-1, -1]])
    cosine = np.array([[0.6, 0.2], [0.6, -1], [-1, -1]], np.float32)
    belief = propagate(index, cosine, candidates, n_iterations=1, alpha=0.5, sharpness=1, balance=0)
    expected = [[2 / 3, 1 / 3, 0], [1, 0, 0], [0, 0.5, 0.5]]
    np.testing.assert_allclose(belief.toarray(), expected, atol=1e-6)
    assert best_labels(belief).tolist() == [0, 0, 1]


def test_one_step_of_sharpening_and_balance_by_hand():
    # Sets {0, 1}, {0, 1}, {1}; sample 0 has neighbour 2, the others have none; alpha 0.5. Arriving
    # at 0: 0.5 * (0, 1) + 0.5 * (0.5, 0.5) = (0.25, 0.75); squared and normalised (0.1, 0.9). At 1:
    # 0.5 * (0.5, 0.5), normalised (0.5, 0.5). At 2: (0, 1). Class 0 holds 0.6 of the
    # belief, class 1 2.4. Divided: 0 gets (0.166667, 0.375), normalised (0.307692, 0.692308); 1
    # gets (0.833333, 0.208333), normalised (0.8, 0.2); 2 keeps (0, 1).
    candidates = PartialLabels.from_lists([[0, 1], [0, 1], [1]], 2)
    index = np.array([[2], [-1], [-1]])
    cosine = np.ones((3, 1), np.float32)
    belief = propagate(index, cosine, candidates, 1, alpha=0.5, sharpness=2, balance=1)
    expected = [[0.307692, 0.692308], [0.8, 0.2], [0, 1]]
    np.testing.assert_allclose(belief.toarray(), expected, atol=1e-5)


def test_classes_of_one_size_tell_a_class_from_its_companion():
    """Neighbours all carried both candidates, so a whole class went to its companion."""
    generator = np.random.default_rng(2)
    truth = np.repeat([0, 1], 300)
    centres = np.array([[1.0, 0.3], [0.3, 1.0]])
    features = centres[truth] + 0.1 * generator.standard_normal((600, 2))
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    # All of class 1 carry 0, and 19 of 20 of class 0 carry 1.
    dense = np.ones((600, 2), bool)
    dense[:300, 1] = generator.random(300) < 0.95
    index, cosine = exact_neighbours(features, features, 10, np.arange(600))
    candidates = PartialLabels.from_dense(dense)
    right = [
        (best_labels(propagate(index, cosine, candidates, balance=balance)) == truth).mean()
        for balance in (0.0, 1.0, None)
    ]
    assert right[0] < 0.6
    assert right[1] > 0.9
    assert right[2] == right[1]


def graded(sizes, seed=0):
    """Classes in a row, each close to its neighbours and often with their labels; the truth."""
    generator = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    angle = 0.5 * truth + 0.12 * generator.standard_normal(len(truth))
    features = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    near = np.abs(np.arange(len(sizes)) - truth[:, None]) <= 1
    dense = near & (generator.random(near.shape) < 0.7)
    dense[np.arange(len(truth)), truth] = True
    index, cosine = exact_neighbours(features, features, 10, np.arange(len(truth)))
    return (index, cosine, PartialLabels.from_dense(dense)), truth


def test_sizes_that_may_be_alike_are_taken_to_be_alike():
    graph, truth = graded([120] * 5)
    found = propagate(*graph)
    np.testing.assert_array_equal(found.toarray(), propagate(*graph, balance=1.0).toarray())
    assert (best_labels(found) == truth).mean() > 0.9


def test_a_rare_class_is_not_filled_with_samples_of_others():
    graph, truth = graded([300, 200, 40, 20, 10])
    found = propagate(*graph)
    np.testing.assert_array_equal(found.toarray(), propagate(*graph, balance=0.0).toarray())
    right = (best_labels(found) == truth).mean()
    assert right > 0.9
    assert right > (best_labels(propagate(*graph, balance=1.0)) == truth).mean() + 0.1


@pytest.mark.parametrize("balance", [None, 0.0, 1.0])
@pytest.mark.parametrize("alpha", [0.0, 0.9, 1.0])
def test_belief_stays_on_the_candidates_and_sums_to_one(alpha, balance, monkeypatch):
    monkeypatch.setattr(candidate_graph, "_CLASSES_AT_ONCE", 3)
    generator = np.random.default_rng(0)
    dense = generator.random((50, 7)) < 0.3
    dense[8] = False
    features = generator.standard_normal((50, 4)).astype(np.float32)
    candidates = PartialLabels.from_dense(dense)
    index, cosine = exact_neighbours(features, features, 5, np.arange(50))
    belief = propagate(index, cosine, candidates, 10, alpha, 1.2, balance)
    sums = belief.sum(axis=1)
    np.testing.assert_allclose(sums, dense.any(axis=1), atol=1e-5)
    assert belief.nnz == dense.sum()
    assert not belief.toarray()[~dense].any()
    labels = best_labels(belief)
    assert labels[8] == (-1 if not dense[8].any() else labels[8])
    assert candidates.contains(labels)[dense.any(axis=1)].all()


def test_clusters_reveal_their_class():
    generator = np.random.default_rng(1)
    truth = generator.integers(0, 4, 400)
    features = np.eye(4)[truth] + 0.2 * generator.standard_normal((400, 4))
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    dense = generator.random((400, 4)) < 0.5
    dense[np.arange(400), truth] = True
    index, cosine = exact_neighbours(features, features, 10, np.arange(400))
    belief = propagate(index, cosine, PartialLabels.from_dense(dense))
    assert (best_labels(belief) == truth).mean() > 0.97
