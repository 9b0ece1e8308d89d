import numpy as np
import pytest

from cad_studio.mining import neighbours
from cad_studio.mining.neighbours import exact_neighbours, faiss_neighbours

SEARCHES = [exact_neighbours, faiss_neighbours]


def unit(features):
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)


def brute_force(queries, features, k, own_rows):
    rows = []
    for place, query in enumerate(queries.astype(np.float64)):
        wide = features.astype(np.float64)
        norms = np.linalg.norm(wide, axis=1) * np.linalg.norm(query)
        cosines = np.clip(wide @ query / norms, -1, 1).astype(np.float32)
        order = sorted(range(len(features)), key=lambda row: (-cosines[row], row))
        order = [row for row in order if own_rows is None or row != own_rows[place]]
        rows.append([(row, cosines[row]) for row in order[:k]])
    return rows


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("seed", range(4))
def test_neighbours_equal_those_of_the_slow_loop_with_ties_to_the_lower_row(search, seed):
    generator = np.random.default_rng(seed)
    features = unit(generator.standard_normal((80, 6)))
    features[generator.integers(0, 80, 40)] = features[3]  # more ties than any list is long
    own_rows = np.arange(80) if seed % 2 else None
    index, cosine = search(features, features, 7, own_rows)
    expected = brute_force(features, features, 7, own_rows)
    assert index.tolist() == [[row for row, _ in line] for line in expected]
    np.testing.assert_allclose(cosine, [[value for _, value in line] for line in expected])


@pytest.mark.parametrize("search", SEARCHES)
def test_a_list_is_never_longer_than_the_rows(search):
    features = unit(np.eye(3))
    assert search(features, features, 9)[0].shape == (3, 3)
    assert search(features, features, 9, np.arange(3))[0].shape == (3, 2)
    assert search(features[:1], features[:1], 9, np.arange(1))[0].shape == (1, 0)
    assert search(features[:0], features, 2)[0].shape == (0, 2)


def test_many_rows_are_searched_by_cells_with_few_misses(monkeypatch):
    monkeypatch.setattr(neighbours, "MOST_FLAT", 1000)
    features = unit(np.random.default_rng(0).standard_normal((4000, 4)))
    own_rows = np.arange(len(features))
    approximate, _ = faiss_neighbours(features, features, 5, own_rows)
    exact, _ = exact_neighbours(features, features, 5, own_rows)
    assert (approximate == exact).mean() > 0.98
