"""The bundled samples: what their note says is true, and opening them is done once."""

import hashlib
import json

import numpy as np
import pytest

from cad_studio.config import AppConfig
from cad_studio.core.errors import JobCancelled, ResourceError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Silent
from cad_studio.services.container import Services
from cad_studio.services.datasets import sample as sample_module
from cad_studio.services.datasets.sample import HARD_NAME, SAMPLE_FILE, SAMPLE_NAME, SAMPLES
from cad_studio.services.pairs.pairs import PairFilter
from tests.services.small import blobs_in, save, store

MOST_BYTES = 8_000_000

HARD_SETS = "359cdfb94eead05ec6f8e88e3f8bb74b9182e0f3a04c31a916de0ddf4bbc33e5"
EVERYTHING_ELSE = "7e0ad6eb72538472194886b13005609e7df3f66567084901fb82da4f0821a01d"
"""SHA-256 of what the first published sample held; none of it may ever change."""


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
    assert list(note["sets"]) == list(SAMPLES)
    for name, array in SAMPLES.items():
        told = note["sets"][name]
        sizes = arrays[array].sum(axis=1)
        assert sizes.mean() == pytest.approx(told["mean_candidates"], abs=1e-4)
    made = {name: told["synthesis"] for name, told in note["sets"].items()}
    assert [made[name]["annotator_settings"]["epochs"] for name in SAMPLES] == [30, 5]
    assert made[SAMPLE_NAME]["annotator_accuracy"] > made[HARD_NAME]["annotator_accuracy"]
    assert "MIT" in note["licence"]
    assert note["command"].startswith("python -m cad_studio build-sample")


@pytest.mark.parametrize("array", SAMPLES.values())
def test_the_truth_is_always_among_the_candidates_and_seldom_alone(arrays, array):
    rows = np.arange(len(arrays["labels"]))
    assert arrays[array][rows, arrays["labels"]].all()
    assert (arrays[array].sum(axis=1) > 1).mean() > 0.5


def test_what_was_published_is_there_bit_for_bit(arrays):
    """The sets of the first sample are `sample-hard`; images, ids, split and order are the same."""
    assert hashlib.sha256(arrays["candidates_hard"].tobytes()).hexdigest() == HARD_SETS
    rest = hashlib.sha256()
    for name in ("images", "labels", "ids", "split", "class_names"):
        rest.update(arrays[name].tobytes())
    assert rest.hexdigest() == EVERYTHING_ELSE


def test_images_and_ids_are_whole(arrays):
    assert (arrays["images"].shape, arrays["images"].dtype) == ((12_000, 28, 28), np.uint8)
    assert len(set(arrays["ids"].tolist())) == 12_000
    assert arrays["class_names"].tolist()[0] == "T-shirt/top"
    assert len(arrays["class_names"]) == 10


@pytest.mark.parametrize("name", SAMPLES)
def test_a_new_project_has_both_samples_their_features_and_their_pairs(opened, arrays, name):
    found = opened.datasets.describe(name)
    assert (found["n"], found["k"], found["splits"]) == (
        12_000,
        10,
        {"train": 10_000, "test": 2_000},
    )
    assert found["truth_in_candidates"] == found["truth_known"] == 12_000
    assert (found["empty"], found["image_size"]) == (0, [28, 28, 1])
    data = opened.datasets.load(name)
    np.testing.assert_array_equal(data.candidates.dense(), arrays[SAMPLES[name]])
    np.testing.assert_array_equal(data.pixels.image(11_999)[..., 0], arrays["images"][-1])
    (mining,) = opened.mining.minings(name)
    told = opened.pairs.summary(name, mining.id, PairFilter())
    assert told["features"] == "pixels"
    assert told["n_pairs"] > 1000
    # 0.001 of the pairs with different labels; those that also share a candidate
    assert told["n_pairs"] <= 0.001 * told["n_cross"] * 1.01
    assert opened.sample.bundled_sets(name) == name
    assert opened.sample.note(name) == ""


def test_one_sample_is_fair_and_the_other_hard(opened):
    fair, hard = (opened.datasets.describe(name) for name in SAMPLES)
    assert 2.8 <= fair["mean_candidates"] <= 3.0 < 3.5 < hard["mean_candidates"]
    assert fair["worst_distractor"]["carrying"] < 0.1 < 0.4 < hard["worst_distractor"]["carrying"]
    assert hard["worst_distractor"]["largest"] == pytest.approx(0.9858, abs=1e-4)
    # Shirt in 1,183 of the 1,200 sets of T-shirt/top
    assert hard["worst_distractor"]["classes"][0] == {
        "class": "T-shirt/top", "n": 1200, "distractor": "Shirt", "share": 0.9858,
    }  # fmt: skip


def test_a_project_keeps_the_images_and_features_of_both_once(opened):
    files = [opened.datasets.get(name).files for name in SAMPLES]
    assert files[0] == files[1]
    assert [each.spec for each in opened.mining.feature_sets(HARD_NAME)] == ["pixels"]
    ids = {m.feature_set_id for name in SAMPLES for m in opened.mining.minings(name)}
    assert len(ids) == 1


def test_opening_again_changes_nothing(opened):
    assert not opened.sample.is_wanted()
    before = blobs_in(opened.project.folder)
    minings = [opened.mining.minings(name) for name in SAMPLES]
    opened.sample.open(Silent())
    opened.sample.bring(HARD_NAME, Silent())
    assert blobs_in(opened.project.folder) == before
    assert [opened.mining.minings(name) for name in SAMPLES] == minings
    assert opened.datasets.names() == list(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_bundled_editor_is_offered_for_both_and_says_what_it_learned_from(opened, name):
    (offer,) = [each for each in opened.editors.offers(name) if each["name"] == "in-domain"]
    assert offer["missing"] == ""
    assert offer["model"] == "the bundled editor, trained on the sets of sample-hard"


def test_a_project_with_data_of_its_own_is_left_alone(services, tmp_path):
    store(services, save(tmp_path / "a.npz", features=np.eye(3), labels=np.arange(3)))
    assert not services.sample.is_wanted()
    services.sample.open(Silent())
    assert services.datasets.names() == ["pets"]


def small_file(path, arrays, step=40):
    """The bundled file with every 40th image, as the services read it."""
    return save(path, **{
        name: values if name == "class_names" else values[::step]
        for name, values in arrays.items()
    })  # fmt: skip


@pytest.fixture
def small(monkeypatch, tmp_path, arrays):
    file = small_file(tmp_path / "sample.npz", arrays)
    monkeypatch.setattr(sample_module, "SAMPLE_FILE", file)
    return file


class CutOff:
    """Progress that stops the work once so much of it is done."""

    def __init__(self, fraction):
        self.fraction = fraction

    def report(self, fraction, message):
        if fraction >= self.fraction:
            raise JobCancelled


# before anything, between the imports, before the pairs of the first and those of the second
@pytest.mark.parametrize("done", [0.0, 0.2, 0.4, 0.7])
def test_a_first_start_that_is_cut_off_anywhere_is_taken_up_again(small, services, done):
    with pytest.raises(JobCancelled):
        services.sample.open(CutOff(done))
    assert services.datasets.names() == list(SAMPLES)[: round(done / 0.2)]
    assert services.sample.is_wanted()
    services.sample.open(Silent())
    assert services.datasets.names() == list(SAMPLES)
    assert [len(services.mining.minings(name)) for name in SAMPLES] == [1, 1]
    assert not services.sample.is_wanted()


def test_a_project_of_an_earlier_version_keeps_its_sample(small, services, tmp_path):
    """Its `sample` has the sets that are `sample-hard` now; nothing of it may change silently."""
    with np.load(small) as file:
        old = dict(file)
    old["candidates"] = old.pop("candidates_hard")
    store(services, save(tmp_path / "old.npz", **old), name=SAMPLE_NAME)
    services.sample.open(Silent())  # as far as the earlier version was cut off: pairs alone
    assert services.datasets.names() == [SAMPLE_NAME]
    assert not services.sample.is_wanted()
    before = services.datasets.get(SAMPLE_NAME)
    assert services.sample.bundled_sets(SAMPLE_NAME) == HARD_NAME
    assert "the sets that are now called sample-hard" in services.sample.note(SAMPLE_NAME)
    # by name, on request: the same content, so whatever refers to it by hash fits both
    services.sample.bring(SAMPLE_NAME, Silent())
    services.sample.bring(HARD_NAME, Silent())
    assert services.datasets.names() == [SAMPLE_NAME, HARD_NAME]
    assert services.datasets.get(SAMPLE_NAME) == before
    assert services.datasets.get(HARD_NAME).version.hash == before.version.hash
    assert services.datasets.load(HARD_NAME).candidates == PartialLabels.from_dense(
        old["candidates"]
    )


def test_a_sample_that_was_removed_comes_back_only_when_it_is_named(small, services):
    services.sample.open(Silent())
    services.datasets.remove(HARD_NAME)
    assert not services.sample.is_wanted()
    services.sample.bring(SAMPLE_NAME, Silent())
    services.sample.bring("other", Silent())
    assert services.datasets.names() == [SAMPLE_NAME]
    services.sample.bring(HARD_NAME, Silent())
    assert services.datasets.names() == [SAMPLE_NAME, HARD_NAME]
    assert services.sample.bundled_sets(HARD_NAME) == HARD_NAME


def test_a_file_that_is_missing_or_of_an_earlier_version_says_how_to_get_it(
    small, services, arrays, monkeypatch, tmp_path
):
    old = {name: values for name, values in arrays.items() if name != "candidates_hard"}
    monkeypatch.setattr(sample_module, "SAMPLE_FILE", small_file(tmp_path / "old.npz", old))
    with pytest.raises(ResourceError, match=r"lacks candidates_hard.*build-sample FOLDER"):
        services.sample.open(Silent())
    monkeypatch.setattr(sample_module, "SAMPLE_FILE", tmp_path / "none.npz")
    with pytest.raises(ResourceError, match=r"is missing.*build-sample FOLDER"):
        services.sample.open(Silent())
    assert services.datasets.names() == []


def test_a_start_that_was_cut_off_after_the_import_is_taken_up_again(services, tmp_path):
    store(services, save(tmp_path / "a.npz", features=np.eye(3), labels=np.arange(3)),
          name=SAMPLE_NAME)  # fmt: skip
    assert services.sample.is_wanted()
