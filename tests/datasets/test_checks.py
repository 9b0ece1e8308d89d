"""Counts with the first case, and leaving bad samples out."""

import json

import numpy as np

from cad_studio.core.dataset import Problem, SourceDataset, Votes
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.datasets._images import ArrayImages
from cad_studio.datasets.checks import check, without


def source() -> SourceDataset:
    features = np.zeros((6, 2), np.float32)
    features[5, 1] = np.nan
    return SourceDataset(
        class_names=["a", "b", "c"],
        ids=["0", "1", "2", "3", "1", "5"],
        splits=["train"] * 6,
        candidates=PartialLabels.from_lists([[0], [], [0, 1, 2], [1, 2], [0, 1], []], 3),
        truth=np.array([0, 1, 1, 0, -1, 2], np.int32),
        images=ArrayImages(np.arange(6, dtype=np.uint8).reshape(6, 1, 1)),
        features=features,
        votes=Votes(
            sample=np.array([0, 3, 3, 5], np.int32),
            annotator=np.array([0, 0, 1, 1], np.int32),
            label=np.array([0, 1, 2, 2], np.int32),
            annotators=["anna", "ben"],
        ),
        problems=[
            Problem("unreadable-image", 3, "3.png does not exist."),
            Problem("unknown-class", 5, "metadata.csv, line 7: 'cot' is not one of 3."),
        ],
    )


def test_each_kind_is_counted_with_its_first_case():
    report = check(source(), hashes=["x", "y", "x", None, "z", "x"])
    found = {f.kind: (f.count, f.first_row, f.blocking) for f in report.findings}
    assert found == {
        # Row 5 is empty too, but because of its unknown class: said once.
        "empty-set": (1, 1, True),
        "unknown-class": (1, 5, True),
        "unreadable-image": (1, 3, True),
        "duplicate-id": (1, 4, True),
        "non-finite": (1, 5, True),
        "full-set": (1, 2, False),
        "singleton": (1, 0, False),
        "truth-outside": (1, 3, False),
        "duplicate-image": (2, 2, False),
    }
    assert report.bad_rows().tolist() == [1, 3, 4, 5]
    assert not report.is_clean
    assert json.loads(json.dumps(report.to_json()))["n_bad"] == 4
    assert "1 of 6: labels that are no known class (first: metadata.csv, line 7" in "\n".join(
        report.lines()
    )


def test_samples_left_out_take_everything_of_theirs_along():
    left = without(source(), check(source()).bad_rows())
    assert left.ids == ["0", "2"]
    assert left.candidates.lists() == [[0], [0, 1, 2]]
    assert left.truth.tolist() == [0, 1]
    assert left.features.shape == (2, 2)
    assert [left.images.read(row).item() for row in range(2)] == [0, 2]
    assert left.votes.sample.tolist() == [0]
    assert left.problems == []
    assert check(left).is_clean


def test_votes_and_problems_move_with_their_samples():
    left = without(source(), [0, 1])
    assert left.votes.sample.tolist() == [1, 1, 3]
    assert [(p.kind, p.row) for p in left.problems] == [
        ("unreadable-image", 1),
        ("unknown-class", 3),
    ]
    assert without(left, [0]).images.read(0).item() == 3


def test_labelled_source_without_some_labels_is_not_clean():
    bare = SourceDataset(["a", "b"], ["0", "1"], ["train"] * 2, truth=np.array([0, -1], np.int32))
    assert [(p.kind, p.row) for p in check(bare).problems] == [("empty-set", 1)]
