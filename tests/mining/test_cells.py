import numpy as np
import pytest

from cad_studio.core.progress import Silent
from cad_studio.mining.cells import make_cells
from cad_studio.mining.neighbours import exact_neighbours


def clustered(n_rows=6000, width=16, seed=0):
    chance = np.random.default_rng(seed)
    centres = chance.standard_normal((40, width))
    features = centres[chance.integers(0, 40, n_rows)] + 0.4 * chance.standard_normal(
        (n_rows, width)
    )
    features[::50] = features[1::50]  # equal rows, which tie
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)


def test_neighbours_by_cells_are_those_of_all_rows_as_often_as_it_says():
    features = clustered()
    cells = make_cells(features, 0, Silent())
    assert sorted(cells.rows) == list(range(len(features)))
    assert 0.99 <= cells.recall <= 1
    assert cells.n_probes < len(cells.centres)
    rows = np.random.default_rng(5).choice(len(features), 300, replace=False)
    index, cosine = exact_neighbours(features[rows], features, 12, rows)
    found = [cells.nearest(features, int(row), 12) for row in rows]
    n_right = sum((own >= true[-1]).sum() for (_, own), true in zip(found, cosine, strict=True))
    assert n_right / (12 * len(rows)) == pytest.approx(cells.recall, abs=0.01)
    whole = [at for at, (_, own) in enumerate(found) if np.array_equal(own, cosine[at])]
    assert len(whole) > 250
    for at in whole:
        np.testing.assert_array_equal(found[at][0], index[at])
        assert rows[at] not in found[at][0]


@pytest.mark.parametrize("n_rows", [1, 2, 9])
def test_few_rows_have_the_neighbours_there_are(n_rows):
    features = clustered()[:n_rows]
    cells = make_cells(features, 0, Silent())
    rows, cosine = cells.nearest(features, 0, 5)
    assert len(rows) == len(cosine) == min(5, n_rows - 1)
    assert cells.recall in (0.0, 1.0)
