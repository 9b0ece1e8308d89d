"""Imports that are refused, whole or in part, and that a refusal changes nothing."""

import numpy as np
import pytest
from PIL import Image

from cad_studio.core.errors import DatasetFormatError, SettingError
from cad_studio.services.datasets.importing import check_name
from cad_studio.store.pixels import EncodedPixels
from tests.services.small import blobs_in, noise, picture_folder, save, store


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"candidates": np.ones((3, 1), bool)}, r"a\.npz: only one class \('0'\)\. At least 2"),
        ({"labels": np.zeros(3, int)}, r"only one class \('0'\)\. At least 2 are needed"),
        ({"candidates": np.ones((3, 1001), bool)}, r"1,?00[01] classes"),
        ({"candidates": np.ones((2, 4), bool)}, "images has 3 rows, candidates has 2"),
        ({}, "neither candidates nor labels"),
    ],
)
def test_a_source_that_is_no_dataset_is_refused(services, tmp_path, arrays, words):
    file = save(tmp_path / "a.npz", images=noise(3, 3, 3), **arrays)
    with pytest.raises(DatasetFormatError, match=words):
        store(services, file)
    assert services.datasets.names() == []
    assert blobs_in(services.project.folder) == {}


def test_bad_samples_stop_an_import_with_counts_and_first_cases(services, tmp_path):
    candidates = np.ones((5, 3), bool)
    candidates[[1, 3]] = False
    features = np.arange(10.0).reshape(5, 2)
    features[2, 1] = np.nan
    file = save(
        tmp_path / "a.npz", features=features, candidates=candidates,
        ids=np.array(["a", "b", "c", "d", "a"]),
    )  # fmt: skip
    with pytest.raises(DatasetFormatError) as raised:
        store(services, file)
    text = str(raised.value)
    assert text.startswith("Nothing was imported. ")
    assert "2 of 5 samples: empty candidate sets (first: row 1 ('b'): " in text
    assert "1 of 5 samples: ids used twice (first: " in text
    assert "1 of 5 samples: feature vectors with NaN or infinity (first: row 2 ('c')" in text
    assert text.endswith("Correct them, or import the rest with --skip-bad.")
    assert services.datasets.names() == []
    assert blobs_in(services.project.folder) == {}


def test_skip_bad_imports_the_rest_and_lists_what_it_left_out(services, tmp_path):
    arrays = [noise(5, 4, seed=row) for row in range(6)]
    folder = picture_folder(tmp_path / "p", arrays)
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:50])
    (folder / "4.png").unlink()
    with pytest.raises(DatasetFormatError, match=r"2 of 6 samples: unreadable images \(first"):
        store(services, folder)
    assert blobs_in(services.project.folder) == {}
    result = store(services, folder, skip_bad=True)
    assert (result["n"], result["left_out_count"], len(result["left_out"])) == (4, 2, 2)
    assert "1.png" in result["left_out"][0]
    assert "4.png" in result["left_out"][1]
    data = services.datasets.load("pets")
    assert data.ids == ["0.png", "2.png", "3.png", "5.png"]
    for row, source in enumerate([0, 2, 3, 5]):
        np.testing.assert_array_equal(data.pixels.image(row)[..., 0], arrays[source])
    assert data.record.report["n_bad"] == 2


def test_skip_bad_keeps_encoded_images_at_their_places(services, tmp_path):
    arrays = [noise(5 + row, 4, seed=row) for row in range(5)]
    folder = picture_folder(tmp_path / "p", arrays)
    (folder / "0.png").write_bytes(b"")
    (folder / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    store(services, folder, skip_bad=True)
    data = services.datasets.load("pets")
    assert isinstance(data.pixels, EncodedPixels)
    for row, source in enumerate([1, 2, 4]):
        assert data.pixels.file(row) == (folder / f"{source}.png").read_bytes()


def test_skip_bad_does_not_make_a_dataset_of_nothing(services, tmp_path):
    candidates = np.zeros((3, 2), bool)
    file = save(tmp_path / "a.npz", images=noise(3, 3, 3), candidates=candidates)
    with pytest.raises(DatasetFormatError, match="Every one of the 3 samples is bad"):
        store(services, file, skip_bad=True)
    assert blobs_in(services.project.folder) == {}


def test_votes_of_samples_left_out_go_with_them(services, tmp_path):
    shots = tmp_path / "shots"
    shots.mkdir()
    for row in range(3):
        Image.fromarray(noise(4, 4, seed=row)).save(shots / f"{row}.png")
    (shots / "1.png").write_bytes(b"broken")
    lines = ["image,annotator,label", "0.png,anna,cat", "1.png,anna,cat", "1.png,bo,dog",
             "2.png,bo,dog", "2.png,anna,cat", "2.png,bo,dog"]  # fmt: skip
    (tmp_path / "votes.csv").write_text("\n".join(lines))
    store(services, tmp_path / "votes.csv", skip_bad=True, images_dir=str(shots))
    votes = [services.datasets.instance("pets", row)["votes"] for row in range(2)]
    assert votes[0] == [{"annotator": "anna", "label": 0, "weight": 1.0}]
    assert sorted((v["annotator"], v["label"]) for v in votes[1]) == [
        ("anna", 0), ("bo", 1), ("bo", 1),
    ]  # fmt: skip


def test_a_taken_name_is_refused_before_anything_is_read(services, tmp_path):
    file = save(tmp_path / "a.npz", images=noise(2, 3, 3), labels=np.array([0, 1]))
    store(services, file)
    before = blobs_in(services.project.folder)
    with pytest.raises(SettingError, match="already has a dataset 'pets'"):
        store(services, tmp_path / "not even there")
    with pytest.raises(SettingError, match="already has a dataset 'pets'"):
        store(services, file)
    assert blobs_in(services.project.folder) == before


@pytest.mark.parametrize("name", ["a", "Fashion MNIST 2", "ü_1", "名前", "x" * 80, "3.1+2-b"])
def test_readable_names_are_allowed(name):
    check_name(name)


@pytest.mark.parametrize(
    "name", ["", " a", "-x", ".", "../up", "a/b", "a\nb", "a\n", "x" * 81, "<b>", "a?b", "a%b"]
)
def test_other_names_are_refused_in_words(services, tmp_path, name):
    with pytest.raises(SettingError, match=r"cannot be a dataset name\. Use letters, digits"):
        store(services, tmp_path / "x", name=name)
