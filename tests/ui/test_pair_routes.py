import csv
import io
from urllib.parse import quote

import numpy as np
import pytest

from tests.ui.small_project import CLASSES, HOSTILE, N_VECTORS, SHAPES, VECTORS

MINING = f"/datasets/{quote(SHAPES)}/minings/1"


def fetched(client, path, **query):
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def all_pairs(client, **query):
    return fetched(client, MINING + "/pairs", limit=250, **query)["pairs"]


def csv_table(client, **query):
    answer = client.get(MINING + "/pairs.csv", params=query)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text))), answer


def expected_pairs(services):
    """Every pair of the search by an obvious loop: (i, j, cosine, shared), closest first."""
    data = services.datasets.load(SHAPES)
    mining = services.mining.mining(SHAPES, 1)
    floor = mining.threshold - 1e-6  # the cut is a pair's own cosine, summed in another order here
    features = services.mining.load_features(services.mining.feature_set(mining.feature_set_id))
    dense = data.candidates.dense()
    found = []
    for i in range(len(data)):
        for j in range(i + 1, len(data)):
            cosine = float(features[i] @ features[j])
            shared = int((dense[i] & dense[j]).sum())
            differ = data.truth[i] != data.truth[j]
            if shared and differ and cosine >= floor:
                found.append((i, j, cosine, shared))
    return sorted(found, key=lambda pair: -pair[2])


def test_list_holds_every_pair_closest_first(client, services):
    listed = all_pairs(client)
    expected = expected_pairs(services)
    assert 20 < len(expected) < 250
    assert {(pair["i"], pair["j"], pair["shared"]) for pair in listed} == {
        (i, j, shared) for i, j, _, shared in expected
    }
    cosines = [pair["similarity"] for pair in listed]
    assert cosines == sorted(cosines, reverse=True)
    np.testing.assert_allclose(cosines, [cosine for *_, cosine, _ in expected], atol=1e-4)
    assert all(pair["classes"] == sorted((pair["i"] % 4, pair["j"] % 4)) for pair in listed)


def test_summary_counts_what_the_list_holds_at_a_higher_cosine(client):
    listed = all_pairs(client)
    cut = (listed[9]["similarity"] + listed[10]["similarity"]) / 2
    summary = fetched(client, MINING, threshold=cut)
    assert summary["n_pairs"] == 10
    assert summary["n_instances"] == len({pair[k] for pair in listed[:10] for k in "ij"})
    matrix = np.zeros((4, 4), int)
    for pair in listed[:10]:
        a, b = pair["classes"]
        matrix[a, b] += 1
        matrix[b, a] += 1
    assert summary["counts"] == matrix.tolist()
    assert sum(summary["histogram"]["counts"]) == len(listed)


def test_a_threshold_below_the_floor_shows_what_was_found(client):
    low = fetched(client, MINING, threshold=-1)
    assert low["threshold"] == low["floor"]
    assert low["n_pairs"] == low["n_found"] == len(all_pairs(client))


def test_pages_follow_one_another_and_one_can_be_asked_by_its_pair(client):
    listed = all_pairs(client)
    pages = [fetched(client, MINING + "/pairs", offset=at, limit=7) for at in (0, 7, 14)]
    assert [pair for page in pages for pair in page["pairs"]] == listed[:21]
    wanted = listed[16]
    found = fetched(
        client, MINING + "/pairs", limit=7, around=f"{wanted['j']}-{wanted['i']}", offset=3
    )
    assert (found["offset"], found["pairs"][2]) == (14, wanted)


def test_csv_holds_exactly_what_is_filtered(client, services):
    classes = ["cat", HOSTILE]
    cut = all_pairs(client)[-15]["similarity"]
    listed = all_pairs(client, threshold=cut, **{"class": classes})
    assert 1 < len(listed) < len(all_pairs(client, **{"class": classes}))
    table, answer = csv_table(client, threshold=cut, **{"class": classes})
    ids = services.datasets.load(SHAPES).ids
    assert [(row["id_a"], row["id_b"]) for row in table] == [
        (ids[pair["i"]], ids[pair["j"]]) for pair in listed
    ]
    for row, pair in zip(table, listed, strict=True):
        assert (row["row_a"], row["row_b"]) == (str(pair["i"]), str(pair["j"]))
        assert (row["class_1"], row["class_2"]) == ("cat", HOSTILE)
        assert len(row["shared_candidates"].split("|")) == pair["shared"]
        assert float(row["similarity"]) == pytest.approx(pair["similarity"], abs=1e-4)
    assert (
        answer.headers["content-disposition"] == "attachment; filename*=UTF-8''shapes%201-pairs.csv"
    )


def test_class_filter_takes_the_two_names_in_either_order(client):
    there = all_pairs(client, **{"class": ["dog", "ärger"]})
    assert there == all_pairs(client, **{"class": ["ärger", "dog"]})
    assert {tuple(pair["classes"]) for pair in there} == {(1, 3)}


def test_a_pair_shows_both_samples_with_their_nearest(client, services):
    first = all_pairs(client)[0]
    found = fetched(client, f"{MINING}/pair/{first['i']}-{first['j']}")
    assert found["in_list"]
    assert found["similarity"] == pytest.approx(first["similarity"], abs=1e-4)
    for side, row in zip(found["sides"], (first["i"], first["j"]), strict=True):
        near = side["neighbours"]
        assert side["row"] == row
        assert row not in near["rows"]
        assert len(near["rows"]) == 12
        assert near["similarity"] == sorted(near["similarity"], reverse=True)
        assert f"rows={near['rows'][0]},{near['rows'][1]}," in near["sprite"]["url"]
    held = services.datasets.load(SHAPES).candidates
    assert found["shared"] == sorted({*held.of(first["i"])} & {*held.of(first["j"])})


def test_a_pair_outside_the_search_is_still_shown(client):
    inside = {(pair["i"], pair["j"]) for pair in all_pairs(client)}
    outside = next((0, j) for j in range(1, 40) if j % 4 and (0, j) not in inside)
    assert not fetched(client, f"{MINING}/pair/0-{outside[1]}")["in_list"]
    around = fetched(client, MINING + "/pairs", around=f"0-{outside[1]}")
    assert around["offset"] == 0


def test_unlabelled_vectors_have_pairs_by_belief(client):
    found = fetched(client, f"/datasets/{VECTORS}/minings/3")
    assert found["label_source"] == "best"
    pair = fetched(client, f"/datasets/{VECTORS}/minings/3/pair/0-1")
    assert len(pair["sides"][0]["neighbours"]["rows"]) == N_VECTORS - 1
    belief = pair["sides"][0]["belief"]
    assert sum(belief.values()) == pytest.approx(1, abs=1e-3)
    assert {int(label) for label in belief} <= {*pair["sides"][0]["candidates"]}


def test_searches_are_listed_newest_first_with_their_features(client):
    found = fetched(client, f"/datasets/{quote(SHAPES)}/minings")
    assert [(each["id"], each["quantile"], each["stale"]) for each in found["minings"]] == [
        (2, 0.2, False),
        (1, 0.35, False),
    ]
    used = [each["spec"] for each in found["feature_sets"]]
    assert "pixels" in used
    assert found["extractors"][: len(used)] == used


def test_agreement_compares_no_more_pairs_than_both_have(client):
    found = fetched(client, f"{MINING}/agreement/2", top=10**6)
    n_second = fetched(client, f"/datasets/{quote(SHAPES)}/minings/2")["n_found"]
    assert (found["share"], found["top"]) == (1.0, n_second)
    assert fetched(client, f"{MINING}/agreement/2", top=0)["top"] == 1


def test_neighbours_come_with_their_candidates(client, services):
    found = fetched(client, f"/datasets/{quote(SHAPES)}/neighbours/5", features=1, count=4)
    features = services.mining.load_features(services.mining.feature_set(1))
    cosine = features @ features[5]
    cosine[5] = -2
    assert found["rows"] == np.argsort(-cosine)[:4].tolist()
    held = services.datasets.load(SHAPES).candidates
    assert found["candidates"] == [held.of(row) for row in found["rows"]]
    assert max(max(members) for members in found["candidates"]) < len(CLASSES)


def test_features_of_another_dataset_are_not_mixed_in(client):
    """Its rows were used for this dataset's, which ended in an IndexError or in wrong samples."""
    answer = client.get(f"/datasets/{VECTORS}/neighbours/0", params={"features": 1})
    assert answer.status_code == 404
    assert answer.json()["error"] == "Feature set 1 belongs to another dataset than vectors."
