"""What a dataset is described as, worked out by hand, and which rows a filter finds."""

import json

import numpy as np
import pytest
from PIL import Image

from cad_studio.core.errors import RecordNotFoundError, SettingError
from cad_studio.diagnosis.confusion import busiest
from cad_studio.services.datasets.datasets import MAX_MATRIX_CLASSES, RowFilter
from tests.services.small import save, store

CLASSES = ["cat", "dog", "cow"]
# sizes 2, 2, 3, 1, 1; truth inside, inside, unknown, outside, inside
SETS = np.array([[1, 1, 0], [0, 1, 1], [1, 1, 1], [0, 0, 1], [1, 0, 0]], bool)
TRUTH = np.array([0, 2, -1, 0, 0])
IDS = ["a/Ü1", "a/2", "b/ü3", "b/4", "c/5"]


@pytest.fixture
def pets(services, tmp_path):
    store(services, save(
        tmp_path / "pets.npz", images=np.arange(5 * 6, dtype=np.uint8).reshape(5, 2, 3),
        candidates=SETS, labels=TRUTH, ids=np.array(IDS), class_names=np.array(CLASSES),
        split=np.array(["train", "train", "test", "test", "train"]),
    ))  # fmt: skip
    return services.datasets


def test_the_description_counts_what_is_there(pets):
    found = pets.describe("pets")
    wanted = {
        "name": "pets", "kind": "images", "n": 5, "k": 3,
        "mean_candidates": 1.8,  # (2 + 2 + 3 + 1 + 1) / 5
        "empty": 0, "singletons": 2, "full": 1,
        "truth_known": 4, "truth_in_candidates": 3,
        "votes": 0, "image_size": [2, 3, 1], "n_dims": None,
        "splits": {"train": 3, "test": 2},
        "size_histogram": [0, 2, 2, 1],
        "class_names": CLASSES, "version_number": 1, "made_by": "import",
    }  # fmt: skip
    assert {key: found[key] for key in wanted} == wanted
    kinds = {each["kind"]: each["count"] for each in found["report"]["findings"]}
    assert kinds == {"full-set": 1, "singleton": 2, "truth-outside": 1}


def test_a_dataset_of_vectors_without_truth_says_so(services, tmp_path):
    store(services, save(tmp_path / "v.npz", features=np.eye(5, 7), candidates=SETS), name="v")
    found = services.datasets.describe("v")
    assert (found["kind"], found["n_dims"], found["image_size"]) == ("features", 7, None)
    assert (found["truth_known"], found["truth_in_candidates"]) == (0, None)


def test_co_occurrence_counts_the_samples_that_hold_both(pets):
    # cat: rows 0, 2, 4; dog: 0, 1, 2; cow: 1, 2, 3; cat and dog: 0, 2; cat and cow: 2
    assert pets.co_occurrence("pets") == {
        "classes": [0, 1, 2],
        "counts": [[3, 2, 1], [2, 3, 2], [1, 2, 3]],
        "n_classes": 3,
    }


def test_known_labels_give_the_worst_distractor_of_each_class(pets):
    """The third sample has no true label and does not count."""
    data = pets.load("pets")
    assert (data.truth >= 0).sum() == 4
    found = pets.describe("pets")
    told = found["worst_distractor"]
    assert found["held_together"] is None
    assert (told["uses_true_labels"], told["n_known"], told["threshold"]) == (True, 4, 0.9)
    dense = data.candidates.dense()
    for label, row in enumerate(told["classes"]):
        own = dense[data.truth == label]
        assert row["n"] == len(own)
        others = np.delete(own, label, axis=1).mean(axis=0) if len(own) else np.zeros(1)
        assert row["share"] == (pytest.approx(others.max(), abs=1e-4) if others.max() else None)
    assert json.dumps(told, allow_nan=False)


def test_without_true_labels_the_sets_alone_are_told_both_ways(services, tmp_path):
    store(services, save(tmp_path / "v.npz", features=np.eye(5, 7), candidates=SETS), name="v")
    found = services.datasets.describe("v")
    assert found["worst_distractor"] is None
    told = found["held_together"]
    assert told["uses_true_labels"] is False
    assert "not how often a distractor is in the sets of a class" in told["about"]
    # class 0 in rows 0, 2, 4; 1 in 0, 1, 2; 2 in 1, 2, 3: 0 and 1 share two, 1 and 2 two
    assert [(c["other"], c["share"], c["back"]) for c in told["classes"]] == [
        ("1", 0.6667, 0.6667),
        ("0", 0.6667, 0.6667),
        ("1", 0.6667, 0.6667),
    ]


def test_no_answer_by_the_sets_alone_depends_on_true_labels(services, tmp_path):
    """With other labels, or none, the set model and what is held together stay the same."""
    generator = np.random.default_rng(0)
    dense = generator.random((60, 4)) < 0.5
    dense[~dense.any(axis=1), 0] = True
    told = []
    for name, labels in (("a", dense.argmax(axis=1)), ("b", 3 - dense[:, ::-1].argmax(axis=1)),
                         ("c", None)):  # fmt: skip
        path = save(tmp_path / f"{name}.npz", features=np.eye(60, 5), candidates=dense,
                    labels=labels)  # fmt: skip
        store(services, path, name=name)
        told.append((services.datasets.set_model(name), services.datasets.mistaken_for(name)))
    assert told[0] == told[1] == told[2]
    table, mistaken = told[0]
    assert table["uses_true_labels"] is mistaken["uses_true_labels"] is False
    assert (table["classes"], table["n_samples"]) == ([0, 1, 2, 3], 60)
    values = np.array(table["table"])
    assert (np.diag(values) == 1).all()
    for label, row in enumerate(mistaken["classes"]):
        others = np.delete(values[label], label)
        assert row["share"] == others.max()
        assert row["back"] == values[int(row["other"]), label]


def test_of_many_classes_those_that_go_together_most_are_shown():
    counts = np.zeros((100, 100), int)
    np.fill_diagonal(counts, 1000)
    busy = np.arange(1, 2 * MAX_MATRIX_CLASSES, 2)[:MAX_MATRIX_CLASSES] % 100
    busy = np.unique(busy)
    for one, other in zip(busy[::2], busy[1::2], strict=False):
        counts[one, other] = counts[other, one] = 5
    shown = busiest(counts, MAX_MATRIX_CLASSES)
    assert len(shown) == MAX_MATRIX_CLASSES
    assert set(busy[: len(busy) // 2 * 2]) <= set(shown.tolist())
    assert (np.diff(shown) > 0).all()


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"holds": ("cat",)}, [0, 2, 4]),
        ({"holds": ("cat", "dog")}, [0, 2]),
        ({"holds": ("dog", "cow")}, [1, 2]),
        ({"size": 1}, [3, 4]),
        ({"size": 7}, []),
        ({"split": "test"}, [2, 3]),
        ({"text": "ü"}, [0, 2]),
        ({"text": "A/"}, [0, 1]),
        ({"text": "nowhere"}, []),
        ({"holds": ("cat",), "size": 2, "split": "train", "text": "1"}, [0]),
    ],
)
def test_a_filter_finds_exactly_its_rows(pets, wanted, rows):
    found = pets.rows("pets", RowFilter(**wanted))
    assert found.tolist() == rows
    assert found.dtype == np.int64


def test_a_filter_by_what_is_not_there_is_refused(pets):
    with pytest.raises(SettingError, match=r"'cta' is not a class of pets\. Closest: 'cat'"):
        pets.rows("pets", RowFilter(holds=("cta",)))
    with pytest.raises(SettingError, match=r"'val' is not a split of pets\. Allowed: train, test"):
        pets.rows("pets", RowFilter(split="val"))


def test_an_instance_hides_its_truth_until_it_is_revealed(pets):
    hidden = pets.instance("pets", 3)
    assert hidden == {
        "row": 3, "id": "b/4", "split": "test", "candidates": [2], "votes": [],
        "truth_known": True, "fields": {}, "tags": [],
    }  # fmt: skip
    assert pets.instance("pets", 3, reveal=True) == hidden | {"truth": 0}
    assert pets.instance("pets", 2, reveal=True)["truth_known"] is False
    assert "truth" not in pets.instance("pets", 2, reveal=True)


@pytest.mark.parametrize("row", [-1, 5])
def test_a_row_that_is_not_there_is_refused(pets, row):
    with pytest.raises(RecordNotFoundError, match=f"pets has no row {row}; its rows are 0 to 4"):
        pets.instance("pets", row)


def test_votes_are_kept_and_their_majority_is_the_best_current_label(services, tmp_path):
    shots = tmp_path / "shots"
    shots.mkdir()
    for row in range(4):
        Image.fromarray(np.full((3, 3), 60 * row, np.uint8)).save(shots / f"{row}.png")
    votes = ["image,annotator,label"]
    for row, said in enumerate(["cat cat dog", "dog cat", "cow cow", "dog cat dog cow"]):
        votes += [f"{row}.png,anna {n},{label}" for n, label in enumerate(said.split())]
    (tmp_path / "votes.csv").write_text("\n".join(votes))
    store(services, tmp_path / "votes.csv", name="v", images_dir=str(shots),
          class_names=tuple(CLASSES))  # fmt: skip
    data = services.datasets.load("v")
    assert data.candidates.lists() == [[0, 1], [0, 1], [2], [0, 1, 2]]
    assert services.datasets.instance("v", 0)["votes"] == [
        {"annotator": "anna 0", "label": 0, "weight": 1.0},
        {"annotator": "anna 1", "label": 0, "weight": 1.0},
        {"annotator": "anna 2", "label": 1, "weight": 1.0},
    ]
    assert services.datasets.describe("v")["votes"] == 11
    labels, known = data.current_labels()
    assert labels.tolist() == [0, -1, 2, 1]  # row 1 is a tie
    assert not known.any()
