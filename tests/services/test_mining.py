"""Features and searches as services: cached, exact, and blind to the truth where asked to be."""

import numpy as np
import pytest
from PIL import Image

from cad_studio.core.errors import DatasetFormatError, RecordNotFoundError, SettingError
from cad_studio.core.progress import Silent
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.pairs.mining import MiningRequest
from tests.services.small import blobs_in, save, sets, store

N_SAMPLES, N_CLASSES = 40, 4
TRUTH = np.random.default_rng(1).integers(0, N_CLASSES, N_SAMPLES)
VECTORS = np.random.default_rng(2).normal(size=(N_SAMPLES, 6)).astype(np.float32)
SETS = sets(N_SAMPLES, N_CLASSES, TRUTH, 3)


def vectors(services, tmp_path, name="pets", **changes):
    arrays = {"features": VECTORS, "candidates": SETS, "labels": TRUTH} | changes
    store(services, save(tmp_path / f"{name}.npz", **arrays), name=name)


def mine(services, name="pets", labels="auto", split=None, features="raw", **config):
    config = config or {"threshold": 0.3}
    request = MiningRequest(features, MiningConfig(**config), labels, split)
    return services.mining.mine(name, request, Silent())


def found(services, mining):
    pairs = services.mining.load_pairs(mining)
    return list(zip(pairs.i.tolist(), pairs.j.tolist(), pairs.similarity.tolist(), strict=True))


def by_hand(labels, threshold, rows=range(N_SAMPLES)):
    """Every couple of rows, one by one: {(i, j): cosine}."""
    out = {}
    for i in rows:
        for j in rows:
            cosine = VECTORS[i].astype(float) @ VECTORS[j].astype(float)
            cosine /= np.linalg.norm(VECTORS[i].astype(float))
            cosine /= np.linalg.norm(VECTORS[j].astype(float))
            differ = labels[i] != labels[j] or labels[i] == -1
            if i < j and differ and cosine >= threshold and (SETS[i] & SETS[j]).any():
                out[i, j] = cosine
    return out


def assert_same(pairs, wanted):
    assert {(i, j) for i, j, _ in pairs} == set(wanted)
    assert len(pairs) == len(wanted) > 5
    for i, j, similarity in pairs:
        assert similarity == pytest.approx(wanted[i, j], abs=1e-5)
    similarities = [similarity for *_, similarity in pairs]
    assert similarities == sorted(similarities, reverse=True)


def test_the_pairs_are_those_of_a_double_loop(services, tmp_path):
    vectors(services, tmp_path)
    mining = mine(services, threshold=0.3)
    wanted = by_hand(TRUTH, 0.3)
    assert_same(found(services, mining), wanted)
    assert (mining.n_pairs, mining.n_kept) == (len(wanted), len(wanted))
    assert mining.n_instances == len({row for pair in wanted for row in pair})
    assert (mining.label_source, mining.method) == ("true", "exact")
    assert mining.threshold == pytest.approx(0.3)
    assert services.mining.labels_of(mining).tolist() == TRUTH.tolist()


def test_a_search_within_a_split_names_rows_of_the_whole_dataset(services, tmp_path):
    split = np.where(np.arange(N_SAMPLES) % 3 == 0, "test", "train")
    vectors(services, tmp_path, split=split)
    mining = mine(services, split="train", threshold=0.3)
    rows = np.flatnonzero(split == "train").tolist()
    assert_same(found(services, mining), by_hand(TRUTH, 0.3, rows))
    assert mining.settings["n_searched"] == len(rows)
    with pytest.raises(SettingError, match=r"'val' is not a split of pets\. Allowed: test, train"):
        mine(services, split="val")


def test_best_labels_never_use_the_truth(services, tmp_path):
    vectors(services, tmp_path)
    vectors(services, tmp_path, "shuffled", labels=np.roll(TRUTH, 7))
    vectors(services, tmp_path, "without", labels=None)
    minings = [mine(services, name, labels="best") for name in ("pets", "shuffled", "without")]
    assert [mining.label_source for mining in minings] == ["best"] * 3
    first, *others = [found(services, mining) for mining in minings]
    assert len(first) > 5
    assert all(other == first for other in others)
    told = services.pairs.result("pets", minings[0].id, 5)
    assert told["labels"] == "best"


def test_best_labels_use_the_votes_where_the_truth_is_known_too(services, tmp_path):
    """Where a true label was known, votes and single candidates were dropped with it."""
    shots = tmp_path / "shots"
    shots.mkdir()
    lines = {"with": ["image,annotator,label,truth"], "without": ["image,annotator,label"]}
    generator = np.random.default_rng(5)
    for row in range(12):
        pixels = generator.integers(0, 256, (4, 4), np.uint8)
        Image.fromarray(pixels).save(shots / f"{row}.png")
        said = ["ab"[row % 2]] * 2 + ["abc"[generator.integers(3)]]
        for voter, label in enumerate(said):
            lines["without"].append(f"{row}.png,anna {voter},{label}")
            lines["with"].append(f"{row}.png,anna {voter},{label},c")
    for name, text in lines.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(text))
        store(services, tmp_path / f"{name}.csv", name=name, images_dir=str(shots),
              class_names=("a", "b", "c"))  # fmt: skip
    labels = [
        services.mining.labels_of(
            mine(services, name, labels="best", features="pixels", threshold=-1.0)
        ).tolist()
        for name in ("with", "without")
    ]
    assert labels[0] == labels[1] == [row % 2 for row in range(12)]


def test_labels_known_in_part_are_used_where_they_are_known(services, tmp_path):
    partly = np.where(np.arange(N_SAMPLES) % 2 == 0, TRUTH, -1)
    vectors(services, tmp_path, labels=partly)
    mining = mine(services)
    labels = services.mining.labels_of(mining)
    assert mining.label_source == "mixed"
    assert labels[::2].tolist() == TRUTH[::2].tolist()
    assert_same(found(services, mining), by_hand(labels, 0.3))
    open_rows = np.flatnonzero(labels[1::2] >= 0) * 2 + 1
    assert SETS[open_rows, labels[open_rows]].all()  # a best label is one of the candidates
    belief = services.mining.belief_of(mining, 1)
    assert set(belief) <= set(np.flatnonzero(SETS[1]).tolist())
    assert sum(belief.values()) == pytest.approx(1.0, abs=1e-3)


def test_a_choice_of_labels_that_does_not_exist_is_refused():
    with pytest.raises(SettingError, match=r"labels is 'bets'\. Closest: 'best'"):
        MiningRequest("raw", MiningConfig(threshold=0.5), "bets")


def test_features_are_made_once_for_equal_content(services, tmp_path):
    vectors(services, tmp_path)
    vectors(services, tmp_path, "twin", labels=None)
    first = services.mining.extract("pets", "raw", Silent())
    files = blobs_in(services.project.folder)
    again = [services.mining.extract(name, "raw", Silent()) for name in ("pets", "twin")]
    assert [each.id for each in again] == [first.id, first.id]
    assert blobs_in(services.project.folder) == files  # not even written again
    features = services.mining.load_features(first)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1.0, atol=1e-6)
    assert list((services.project.folder / "partial").iterdir()) == []


def test_other_content_or_another_extractor_makes_other_features(services, tmp_path):
    vectors(services, tmp_path)
    vectors(services, tmp_path, "moved", features=VECTORS + 1)
    np.save(tmp_path / "own.npy", np.roll(VECTORS, 1, axis=1))
    own = f"npy:{tmp_path / 'own.npy'}"
    ids = [
        services.mining.extract(name, spec, Silent()).id
        for name, spec in (("pets", "raw"), ("moved", "raw"), ("pets", own))
    ]
    assert len(set(ids)) == 3
    assert services.mining.offered("pets") == ["raw", own]
    np.save(tmp_path / "own.npy", np.roll(VECTORS, 2, axis=1))  # the file has changed
    assert services.mining.extract("pets", own, Silent()).id not in ids


@pytest.mark.parametrize(
    ("spec", "error", "words"),
    [
        ("pixel", SettingError, "'pixel' is not a known feature extractor. Closest: 'pixels'"),
        ("raw:3", SettingError, "raw takes no argument. Write raw."),
        ("npy:", SettingError, "npy needs an argument. Write npy:"),
        ("pixels", DatasetFormatError, "feature vectors only. Use raw"),
    ],
)
def test_features_that_cannot_be_made_are_refused(services, tmp_path, spec, error, words):
    vectors(services, tmp_path)
    before = blobs_in(services.project.folder)
    with pytest.raises(error, match=words.replace(".", r"\.")):
        mine(services, features=spec)
    assert blobs_in(services.project.folder) == before
    assert services.mining.minings("pets") == []


def test_a_dataset_of_one_instance_has_no_pairs(services, tmp_path):
    for name, labels in (("labelled", [1]), ("open", None)):
        vectors(services, tmp_path, name, features=VECTORS[:1], candidates=SETS[:1],
                labels=None if labels is None else np.array(labels))  # fmt: skip
        for config in ({"threshold": 0.0}, {"quantile": 0.5}):
            mining = mine(services, name, **config)
            assert (mining.n_pairs, mining.n_instances) == (0, 0)
            assert services.pairs.result(name, mining.id, 5)["top"] == []


def test_a_search_of_another_dataset_is_not_shown(services, tmp_path):
    vectors(services, tmp_path)
    vectors(services, tmp_path, "other")
    mining = mine(services)
    with pytest.raises(RecordNotFoundError, match=f"Mining {mining.id} belongs to another"):
        services.mining.mining("other", mining.id)
    with pytest.raises(RecordNotFoundError, match=r"mining 99 are not in this .*Find pairs again"):
        services.mining.mining("pets", 99)


class Removing:
    """Progress during which another process removes the dataset."""

    def __init__(self, services, name):
        self._services = services
        self._name = name

    def report(self, fraction, message):
        if message == "Saving":
            self._services.datasets.remove(self._name)


def test_a_dataset_removed_during_its_search_is_told_in_words(services, tmp_path):
    """It ended in the database's own error, a traceback for the user."""
    vectors(services, tmp_path)
    request = MiningRequest("raw", MiningConfig(threshold=0.3))
    with pytest.raises(RecordNotFoundError, match="removed while its pairs were searched"):
        services.mining.mine("pets", request, Removing(services, "pets"))
    assert services.datasets.names() == []
    assert list((services.project.folder / "blobs").glob("??/*")) == []
