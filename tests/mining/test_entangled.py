import math

import numpy as np
import pytest

from cad_studio.core.errors import SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Silent
from cad_studio.mining import collector, scan, threshold
from cad_studio.mining.cosine import Cosine
from cad_studio.mining.entangled import find_pairs
from cad_studio.mining.settings import MiningConfig

N_CLASSES = 5


def unit(features):
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)


def make_case(seed, n_samples=60, width=8, known=0.8):
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((4, width)) * 2
    features = centres[generator.integers(0, 4, n_samples)]
    features = unit(features + generator.standard_normal((n_samples, width)))
    copies = generator.integers(0, n_samples, n_samples // 5)
    features[generator.integers(0, n_samples, len(copies))] = features[copies]
    labels = generator.integers(0, N_CLASSES, n_samples).astype(np.int32)
    dense = generator.random((n_samples, N_CLASSES)) < 0.3
    dense[np.arange(n_samples), labels] = True
    labels[generator.random(n_samples) > known] = -1
    return features, PartialLabels.from_dense(dense), labels


def brute_force(features, candidates, labels, threshold=None, quantile=None):
    """All pairs one by one: threshold, [(-cosine, i, j, shared)] sorted, |P|."""
    wide = features.astype(np.float64)
    norms = np.sqrt((wide**2).sum(axis=1))
    sets = [set(members) for members in candidates.lists()]
    cross = []
    for i in range(len(features)):
        for j in range(i + 1, len(features)):
            if labels[i] != labels[j] or labels[i] == -1:
                cosine = np.clip(np.dot(wide[i], wide[j]) / (norms[i] * norms[j]), -1, 1)
                cross.append((-float(np.float32(cosine)), i, j))
    cross.sort()
    if quantile is not None:
        threshold = -cross[math.ceil(quantile * len(cross)) - 1][0]
    threshold = float(np.float32(threshold))
    found = [
        (*pair, len(sets[pair[1]] & sets[pair[2]]))
        for pair in cross
        if -pair[0] >= threshold and sets[pair[1]] & sets[pair[2]]
    ]
    return threshold, found, len(cross)


def assert_equal(pairs, expected, case):
    _, candidates, labels = case
    cut, found, n_cross = expected
    assert pairs.threshold == pytest.approx(cut, abs=1e-7)
    assert (pairs.n_pairs, pairs.n_cross) == (len(found), n_cross)
    columns = (-pairs.similarity, pairs.i, pairs.j, pairs.shared)
    kept = list(zip(*(column.tolist() for column in columns), strict=True))
    assert kept == found[: len(pairs)]
    assert pairs.n_instances == len({row for pair in found for row in pair[1:3]})
    assert pairs.histogram.sum() == len(found)
    table = np.zeros((candidates.n_classes,) * 2, int)
    for _, i, j, _ in found:
        if labels[i] >= 0 and labels[j] >= 0:
            table[labels[i], labels[j]] += 1
            table[labels[j], labels[i]] += 1
    np.testing.assert_array_equal(pairs.per_class, table)
    np.testing.assert_array_equal(pairs.unknown, (labels[pairs.i] < 0) | (labels[pairs.j] < 0))


@pytest.mark.parametrize("width", [8, 300])
@pytest.mark.parametrize(
    "cut",
    [{"threshold": t} for t in (0.5, 1.0, -1.0)] + [{"quantile": q} for q in (0.02, 0.3, 1.0)],
    ids=str,
)
@pytest.mark.parametrize("seed", range(3))
def test_pairs_equal_those_of_the_double_loop(seed, cut, width, monkeypatch):
    monkeypatch.setattr(scan, "_TILE", 16)
    case = make_case(seed, width=width)
    pairs = find_pairs(*case, MiningConfig(**cut), Silent())
    assert_equal(pairs, brute_force(*case, **cut), case)


@pytest.mark.parametrize("width", [8, 300])
def test_a_rank_too_long_for_memory_gives_the_same_threshold(width, monkeypatch):
    monkeypatch.setattr(scan, "_TILE", 16)
    monkeypatch.setattr("cad_studio.mining.entangled.MOST_RANKED", 10)
    case = make_case(7, width=width)
    pairs = find_pairs(*case, MiningConfig(quantile=0.3), Silent())
    assert_equal(pairs, brute_force(*case, quantile=0.3), case)


def test_more_ties_than_memory_still_give_the_threshold(monkeypatch):
    monkeypatch.setattr("cad_studio.mining.entangled.MOST_RANKED", 10)
    monkeypatch.setattr(threshold, "MOST_RANKED", 10)
    features, candidates, labels = make_case(8)
    features[:] = features[0]
    pairs = find_pairs(features, candidates, labels, MiningConfig(quantile=0.5), Silent())
    assert pairs.threshold == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("width", [8, 300])
def test_the_limit_keeps_the_closest_and_counts_all(width, monkeypatch):
    monkeypatch.setattr(scan, "_TILE", 16)
    monkeypatch.setattr(collector, "_LEAST_ROOM", 8)
    case = make_case(3, width=width)
    pairs = find_pairs(*case, MiningConfig(threshold=0.1, limit=17), Silent())
    assert len(pairs) == 17
    assert_equal(pairs, brute_force(*case, threshold=0.1), case)


@pytest.mark.parametrize("cut", [{"threshold": 0.9}, {"quantile": 0.001}], ids=str)
def test_every_pair_of_constant_features_ties_at_one(cut):
    features, candidates, labels = make_case(4)
    features[:] = features[0]
    case = (features, candidates, labels)
    pairs = find_pairs(*case, MiningConfig(**cut), Silent())
    assert (pairs.similarity == 1).all()
    assert_equal(pairs, brute_force(*case, **cut), case)


@pytest.mark.parametrize("n_samples", [1, 2])
@pytest.mark.parametrize("cut", [{"threshold": -1.0}, {"quantile": 0.5}], ids=str)
@pytest.mark.parametrize("method", ["exact", "ivf"])
def test_one_sample_has_no_pair_and_two_have_one(n_samples, cut, method):
    candidates = PartialLabels.from_dense(np.ones((n_samples, 2), bool))
    labels = np.arange(n_samples, dtype=np.int32)
    features = unit(np.ones((n_samples, 3)))
    pairs = find_pairs(features, candidates, labels, MiningConfig(method=method, **cut), Silent())
    assert pairs.n_pairs == len(pairs) == n_samples - 1
    assert pairs.n_instances == 2 * (n_samples - 1)


def test_samples_of_one_known_class_are_never_entangled():
    features, candidates, labels = make_case(5)
    labels[:] = 2
    pairs = find_pairs(features, candidates, labels, MiningConfig(quantile=0.1), Silent())
    assert (pairs.n_pairs, pairs.n_cross, pairs.closer_than(0.5)) == (0, 0, 0.0)


def test_neighbouring_cells_find_exact_pairs_and_say_how_many_are_missed():
    case = make_case(6, n_samples=400, width=300)
    complete = find_pairs(*case, MiningConfig(threshold=0.5), Silent())
    everywhere = MiningConfig(threshold=0.5, method="ivf", n_probes=4096)
    pairs = find_pairs(*case, everywhere, Silent())
    assert (pairs.method, pairs.recall) == ("ivf", 1.0)
    np.testing.assert_array_equal(pairs.i, complete.i)
    np.testing.assert_array_equal(pairs.similarity, complete.similarity)

    narrow = find_pairs(*case, MiningConfig(threshold=0.5, method="ivf", n_probes=2), Silent())
    keys = set(zip(complete.i.tolist(), complete.j.tolist(), strict=True))
    found = list(zip(narrow.i.tolist(), narrow.j.tolist(), strict=True))
    assert len(found) == len(set(found)), "a pair came twice"
    assert set(found) < keys
    assert narrow.recall == pytest.approx(len(found) / len(keys), abs=0.1)


def test_a_quantile_of_neighbouring_cells_is_estimated_closely():
    case = make_case(6, n_samples=300)
    exact = find_pairs(*case, MiningConfig(quantile=0.05), Silent())
    estimated = find_pairs(*case, MiningConfig(quantile=0.05, method="ivf"), Silent())
    assert estimated.threshold == pytest.approx(exact.threshold, abs=1e-4)


def test_cancelling_stops_the_search():
    class Stop(Exception):
        pass

    class Cancelled:
        def report(self, fraction, message):
            if fraction > 0:
                raise Stop

    with pytest.raises(Stop):
        find_pairs(*make_case(0), MiningConfig(threshold=0.5), Cancelled())


@pytest.mark.parametrize(
    ("cut", "word"), [({}, "neither"), ({"threshold": 1, "quantile": 1}, "both")]
)
def test_settings_ask_for_exactly_one_cut_off(cut, word):
    with pytest.raises(SettingError, match=f"{word} is given"):
        MiningConfig(**cut)


@pytest.mark.parametrize("times_cheaper", [0, 1 << 40], ids=["one by one", "as products"])
def test_pairs_are_the_same_however_their_cosines_are_computed(times_cheaper, monkeypatch):
    monkeypatch.setattr(scan, "_TILE", 16)
    monkeypatch.setattr(scan, "_BLOCK", 5)
    monkeypatch.setattr(scan, "_ANCHORS", 3)
    monkeypatch.setattr(scan, "_TIMES_CHEAPER", times_cheaper)
    case = make_case(5, width=300)
    pairs = find_pairs(*case, MiningConfig(quantile=0.3), Silent())
    assert_equal(pairs, brute_force(*case, quantile=0.3), case)


def test_the_threshold_is_the_cosine_of_its_rank_where_pairs_lie_close_together():
    """A pair at the edge of what is looked at exactly was counted on neither side of it."""
    chance = np.random.default_rng(0)
    features = np.ones((700, 30)) + 0.02 * chance.standard_normal((700, 30))
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    labels = (np.arange(700) % 2).astype(np.int32)
    candidates = PartialLabels.from_dense(np.ones((700, 2), bool))
    i, j = np.triu_indices(700, 1)
    crossing = labels[i] != labels[j]
    every = np.sort(Cosine(features).exact(i[crossing], j[crossing]))[::-1]
    for quantile in np.linspace(0.05, 0.95, 19):
        pairs = find_pairs(features, candidates, labels, MiningConfig(quantile=quantile), Silent())
        assert pairs.threshold == every[math.ceil(quantile * len(every) * (1 - 1e-12)) - 1]
