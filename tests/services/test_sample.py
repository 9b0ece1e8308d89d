"""The bundled sample: what its note says is true, and opening it is done once."""

import json

import numpy as np
import pytest

from cad_studio.config import AppConfig
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from cad_studio.services.pairs import PairFilter
from cad_studio.services.sample import SAMPLE_FILE, SAMPLE_NAME
from tests.services.small import blobs_in, save, store

MOST_BYTES = 8_000_000


@pytest.fixture(scope="module")
def arrays():
    with np.load(SAMPLE_FILE) as file:
        return dict(file)


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    services = Services(AppConfig(tmp_path_factory.mktemp("sample")))
    assert services.sample.is_wanted()
    services.sample.open(Silent())
    yield services
    services.close()


def test_the_file_is_small_enough_for_a_repository():
    assert SAMPLE_FILE.stat().st_size <= MOST_BYTES


def test_the_file_is_what_its_note_says(arrays):
    note = json.loads(SAMPLE_FILE.with_suffix(".json").read_text(encoding="utf-8"))
    for split, per_class in note["per_class"].items():
        labels = arrays["labels"][arrays["split"] == split]
        assert np.bincount(labels).tolist() == [per_class] * 10
    assert note["per_class"] == {"train": 1000, "test": 200}
    sizes = arrays["candidates"].sum(axis=1)
    assert sizes.mean() == pytest.approx(note["mean_candidates"], abs=1e-4)
    assert "MIT" in note["licence"]
    assert note["command"].startswith("python -m cad_studio build-sample")


def test_the_truth_is_always_among_the_candidates_and_seldom_alone(arrays):
    rows = np.arange(len(arrays["labels"]))
    assert arrays["candidates"][rows, arrays["labels"]].all()
    assert (arrays["candidates"].sum(axis=1) > 1).mean() > 0.5


def test_images_and_ids_are_whole(arrays):
    assert (arrays["images"].shape, arrays["images"].dtype) == ((12_000, 28, 28), np.uint8)
    assert len(set(arrays["ids"].tolist())) == 12_000
    assert arrays["class_names"].tolist()[0] == "T-shirt/top"
    assert len(arrays["class_names"]) == 10


def test_a_new_project_has_the_sample_its_features_and_its_pairs(opened, arrays):
    found = opened.datasets.describe(SAMPLE_NAME)
    assert (found["n"], found["k"], found["splits"]) == (
        12_000,
        10,
        {"train": 10_000, "test": 2_000},
    )
    assert found["truth_in_candidates"] == found["truth_known"] == 12_000
    assert (found["empty"], found["image_size"]) == (0, [28, 28, 1])
    data = opened.datasets.load(SAMPLE_NAME)
    np.testing.assert_array_equal(data.candidates.dense(), arrays["candidates"])
    np.testing.assert_array_equal(data.pixels.image(11_999)[..., 0], arrays["images"][-1])
    (mining,) = opened.mining.minings(SAMPLE_NAME)
    told = opened.pairs.summary(SAMPLE_NAME, mining.id, PairFilter())
    assert told["features"] == "pixels"
    assert told["n_pairs"] > 1000
    # 0.001 of the pairs with different labels; those that also share a candidate
    assert told["n_pairs"] <= 0.001 * told["n_cross"] * 1.01


def test_opening_again_changes_nothing(opened):
    assert not opened.sample.is_wanted()
    before = blobs_in(opened.project.folder)
    minings = opened.mining.minings(SAMPLE_NAME)
    opened.sample.open(Silent())
    assert blobs_in(opened.project.folder) == before
    assert opened.mining.minings(SAMPLE_NAME) == minings
    assert opened.datasets.names() == [SAMPLE_NAME]


def test_a_project_with_data_of_its_own_is_left_alone(services, tmp_path):
    store(services, save(tmp_path / "a.npz", features=np.eye(3), labels=np.arange(3)))
    assert not services.sample.is_wanted()


def test_a_start_that_was_cut_off_after_the_import_is_taken_up_again(services, tmp_path):
    store(services, save(tmp_path / "a.npz", features=np.eye(3), labels=np.arange(3)),
          name=SAMPLE_NAME)  # fmt: skip
    assert services.sample.is_wanted()
