"""Pairs as they are looked at: every view tells the same as a recount one by one."""

import numpy as np
import pytest

from cad_studio.core.errors import RecordNotFoundError, SettingError
from cad_studio.core.progress import Silent
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.pairs.mining import MiningRequest
from cad_studio.services.pairs.pairs import PairFilter
from tests.services.small import NASTY, save, sets, store

N_SAMPLES = 36
NAMES = NASTY[:4]
TRUTH = np.random.default_rng(1).integers(0, 4, N_SAMPLES)
VECTORS = np.random.default_rng(2).normal(size=(N_SAMPLES, 5)).astype(np.float32)
SETS = sets(N_SAMPLES, 4, TRUTH, 3)
IDS = [f"{NASTY[row % 3]} {row}" for row in range(N_SAMPLES)]
FLOOR = 0.2


@pytest.fixture
def mined(services, tmp_path):
    """The pair service, the mining, and the pairs of a double loop: {(i, j): cosine}."""
    store(services, save(
        tmp_path / "a.npz", features=VECTORS, candidates=SETS, labels=TRUTH, ids=np.array(IDS),
        class_names=np.array(NAMES),
    ))  # fmt: skip
    request = MiningRequest("raw", MiningConfig(threshold=FLOOR))
    mining = services.mining.mine("pets", request, Silent())
    unit = VECTORS.astype(float) / np.linalg.norm(VECTORS.astype(float), axis=1, keepdims=True)
    pairs = {
        (i, j): unit[i] @ unit[j]
        for j in range(N_SAMPLES)
        for i in range(j)
        if TRUTH[i] != TRUTH[j] and (SETS[i] & SETS[j]).any() and unit[i] @ unit[j] >= FLOOR
    }
    return services, mining, pairs


def of_classes(pairs, one, other):
    return {pair for pair in pairs if sorted(TRUTH[list(pair)].tolist()) == sorted((one, other))}


def csv_pairs(services, mining, wanted):
    header, *rows = services.pairs.csv_rows("pets", mining.id, wanted)
    return [dict(zip(header, row, strict=True)) for row in rows]


@pytest.mark.parametrize("threshold", [None, -1.0, FLOOR, 0.45, 0.7, 1.0])
def test_the_summary_equals_a_recount_at_every_threshold(mined, threshold):
    services, mining, pairs = mined
    cut = max(threshold or FLOOR, FLOOR)
    kept = {pair for pair, cosine in pairs.items() if cosine >= cut}
    counts = np.zeros((4, 4), int)
    for i, j in kept:
        counts[TRUTH[i], TRUTH[j]] += 1
        counts[TRUTH[j], TRUTH[i]] += 1
    told = services.pairs.summary("pets", mining.id, PairFilter(threshold))
    assert told["n_pairs"] == len(kept)
    assert told["n_instances"] == len({row for pair in kept for row in pair})
    assert told["counts"] == counts.tolist()
    assert (told["n_found"], told["n_kept"]) == (len(pairs), len(pairs))
    assert told["threshold"] == pytest.approx(cut)
    assert told["floor"] == pytest.approx(FLOOR)
    assert sum(told["histogram"]["counts"]) == len(pairs)
    assert (told["n_unknown"], told["stale"], told["method"]) == (0, False, "exact")


def test_label_sharing_is_the_share_of_sets_that_hold_both(mined):
    services, mining, _ = mined
    told = services.pairs.summary("pets", mining.id, PairFilter())["sharing"]
    for a in range(4):
        for b in range(4):
            either = (a == TRUTH) | (b == TRUTH)
            both = (SETS[either, a] & SETS[either, b]).mean()
            assert told[a][b] == pytest.approx(both, abs=1e-4)


@pytest.mark.parametrize("threshold", [None, 0.5])
@pytest.mark.parametrize("classes", [None, (0, 1), (3, 1), (2, 2)])
def test_pages_positions_and_csv_show_exactly_the_filter(mined, threshold, classes):
    services, mining, pairs = mined
    names = None if classes is None else tuple(NAMES[each] for each in classes)
    wanted = PairFilter(threshold, names)
    expected = {pair for pair in pairs if pairs[pair] >= (threshold or FLOOR)}
    if classes is not None:
        expected &= of_classes(pairs, *classes)
    page = services.pairs.page("pets", mining.id, wanted, 0, 500)
    listed = [(pair["i"], pair["j"]) for pair in page["pairs"]]
    assert page["total"] == len(listed) == len(expected)
    assert set(listed) == expected
    rows = csv_pairs(services, mining, wanted)
    assert [(int(row["row_a"]), int(row["row_b"])) for row in rows] == listed
    for place, (i, j) in enumerate(listed):
        assert services.pairs.position("pets", mining.id, wanted, j, i) == place
    outside = next(pair for pair in pairs if pair not in expected) if classes else (0, 0)
    assert services.pairs.position("pets", mining.id, wanted, *outside) is None
    parts = [services.pairs.page("pets", mining.id, wanted, at, 7)["pairs"]
             for at in range(0, len(listed) + 7, 7)]  # fmt: skip
    assert [pair for part in parts for pair in part] == page["pairs"]


def test_a_pair_at_the_very_threshold_counts_everywhere(mined):
    services, mining, _ = mined
    similarity = services.mining.load_pairs(mining).similarity
    wanted = PairFilter(float(similarity[7]))
    told = services.pairs.summary("pets", mining.id, wanted)
    assert (told["n_pairs"], np.triu(told["counts"]).sum()) == (8, 8)
    assert services.pairs.page("pets", mining.id, wanted, 0, 100)["total"] == 8
    assert len(csv_pairs(services, mining, wanted)) == 8


def test_the_rows_of_the_csv_say_what_the_pair_is(mined):
    services, mining, pairs = mined
    for row in csv_pairs(services, mining, PairFilter()):
        i, j = int(row["row_a"]), int(row["row_b"])
        assert (row["id_a"], row["id_b"]) == (IDS[i], IDS[j])
        assert float(row["similarity"]) == pytest.approx(pairs[i, j], abs=1e-5)
        shared = [NAMES[c] for c in np.flatnonzero(SETS[i] & SETS[j])]
        assert row["shared_candidates"] == "|".join(shared)
        low, high = sorted((TRUTH[i], TRUTH[j]))
        assert (row["class_1"], row["class_2"]) == (NAMES[low], NAMES[high])
        assert (row["features"], row["label_source"]) == ("raw", "true")


def test_the_result_of_a_search_agrees_with_its_pairs(mined):
    services, mining, pairs = mined
    told = services.pairs.result("pets", mining.id, 5)
    assert told["n_pairs"] == len(pairs)
    assert (told["extractor"], told["labels"]) == ("raw", "true")
    cells = {tuple(cell["classes"]): cell["n_pairs"] for cell in told["pairs_per_class_pair"]}
    assert sum(cells.values()) == len(pairs)
    for (one, other), count in cells.items():
        assert count == len(of_classes(pairs, NAMES.index(one), NAMES.index(other)))
    assert list(cells.values()) == sorted(cells.values(), reverse=True)
    best = sorted(pairs.items(), key=lambda item: -item[1])[:5]
    assert [(top["i"], top["j"]) for top in told["top"]] == [(IDS[i], IDS[j]) for (i, j), _ in best]
    for top, ((i, j), cosine) in zip(told["top"], best, strict=True):
        assert top["similarity"] == pytest.approx(cosine, abs=1e-5)
        assert top["shared"] == [NAMES[c] for c in np.flatnonzero(SETS[i] & SETS[j])]


def test_any_two_samples_can_be_put_side_by_side(mined):
    services, mining, pairs = mined
    for i, j in [(0, 1), (5, 3), *list(pairs)[:3]]:
        told = services.pairs.pair("pets", mining.id, i, j, 3)
        cosine = VECTORS[i] @ VECTORS[j] / np.linalg.norm(VECTORS[i]) / np.linalg.norm(VECTORS[j])
        assert told["similarity"] == pytest.approx(float(cosine), abs=2e-4)
        assert told["shared"] == np.flatnonzero(SETS[i] & SETS[j]).tolist()
        assert told["in_list"] == ((min(i, j), max(i, j)) in pairs)
        assert told["same_label"] == bool(TRUTH[i] == TRUTH[j])
        assert 0.0 <= told["closer_than"] <= 1.0
        for side, row in zip(told["sides"], (i, j), strict=True):
            assert (side["id"], side["candidates"]) == (
                IDS[row],
                np.flatnonzero(SETS[row]).tolist(),
            )
            assert "truth" not in side


def test_neighbours_are_the_nearest_of_all_and_never_the_sample_itself(mined):
    services, mining, _ = mined
    unit = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    told = services.pairs.neighbours("pets", mining.feature_set_id, 4, 6)
    cosine = unit @ unit[4]
    cosine[4] = -2
    order = np.argsort(-cosine)[:6]
    assert told["rows"] == order.tolist()
    np.testing.assert_allclose(told["similarity"], cosine[order], atol=1e-4)
    assert told["candidates"] == [np.flatnonzero(SETS[row]).tolist() for row in order]
    assert len(services.pairs.neighbours("pets", mining.feature_set_id, 0, 999)["rows"]) == 35


def test_a_pair_of_one_sample_or_of_rows_that_are_not_there_is_refused(mined):
    services, mining, _ = mined
    with pytest.raises(RecordNotFoundError, match="Row 3 is given twice"):
        services.pairs.pair("pets", mining.id, 3, 3)
    for i, j in ((0, N_SAMPLES), (-1, 0)):
        with pytest.raises(RecordNotFoundError, match="has no row"):
            services.pairs.pair("pets", mining.id, i, j)


@pytest.mark.parametrize(("offset", "limit"), [(-1, 10), (0, 0), (0, 501)])
def test_a_page_outside_its_limits_is_refused(mined, offset, limit):
    services, mining, _ = mined
    with pytest.raises(SettingError, match="A page has 1 to 500 pairs from position 0 on"):
        services.pairs.page("pets", mining.id, PairFilter(), offset, limit)


def test_a_class_that_is_not_there_is_refused(mined):
    services, mining, _ = mined
    with pytest.raises(SettingError, match="'dgo' is not a class of pets"):
        services.pairs.page("pets", mining.id, PairFilter(classes=("dgo", NAMES[0])), 0, 10)


def test_a_search_agrees_with_itself_and_less_with_other_features(mined, tmp_path):
    services, mining, pairs = mined
    np.save(tmp_path / "own.npy", np.random.default_rng(9).normal(size=(N_SAMPLES, 5)))
    request = MiningRequest(f"npy:{tmp_path / 'own.npy'}", MiningConfig(threshold=FLOOR))
    other = services.mining.mine("pets", request, Silent())
    same = services.pairs.agreement("pets", mining.id, mining.id, 10)
    assert same == {"share": 1.0, "top": 10, "features": ["raw", "raw"]}
    told = services.pairs.agreement("pets", mining.id, other.id, 1000)
    n_compared = min(len(pairs), other.n_kept)
    tops = [
        {
            (pair["i"], pair["j"])
            for pair in services.pairs.page("pets", each.id, PairFilter(), 0, n_compared)["pairs"]
        }
        for each in (mining, other)
    ]
    assert told["share"] == pytest.approx(len(tops[0] & tops[1]) / n_compared)
    assert told["share"] < 0.9
    assert told["top"] == n_compared


def test_more_pairs_than_are_kept_are_still_counted(mined):
    services, mining, pairs = mined
    request = MiningRequest("raw", MiningConfig(threshold=FLOOR, limit=10))
    few = services.mining.mine("pets", request, Silent())
    told = services.pairs.summary("pets", few.id, PairFilter())
    whole = services.pairs.summary("pets", mining.id, PairFilter())
    assert (told["n_pairs"], told["n_kept"]) == (len(pairs), 10)
    assert told["counts"] == whole["counts"]
    assert told["n_instances"] == whole["n_instances"]
    listed = services.pairs.page("pets", few.id, PairFilter(), 0, 500)
    assert listed["pairs"] == services.pairs.page("pets", mining.id, PairFilter(), 0, 10)["pairs"]
