"""Candidate synthesis as a user sees it: a new version, reproducible, from known truth only."""

import numpy as np
import pytest

from cad_studio.core.errors import RecordNotFoundError, SettingError
from cad_studio.core.progress import Silent
from cad_studio.mining.settings import MiningConfig
from cad_studio.services.datasets.synthesis import SynthesisConfig
from cad_studio.services.pairs.mining import MiningRequest
from cad_studio.services.pairs.pairs import PairFilter
from tests.services.small import blobs_in, save, store

N_SAMPLES = 60


@pytest.fixture
def labelled(services, tmp_path):
    generator = np.random.default_rng(0)
    truth = np.arange(N_SAMPLES) % 3
    images = (generator.integers(0, 120, (N_SAMPLES, 6, 6)) + truth[:, None, None] * 60).astype(
        np.uint8
    )
    split = np.where(np.arange(N_SAMPLES) % 4 == 0, "test", "train")
    store(services, save(tmp_path / "a.npz", images=images, labels=truth, split=split))
    return services


def make(services, name="pets", **settings):
    config = SynthesisConfig(**{"rate": 1.0, "seed": 0, "epochs": 2} | settings)
    return services.synthesis.synthesize(name, config, Silent())


def test_new_sets_are_a_new_version_with_what_is_needed_to_make_them_again(labelled):
    request = MiningRequest("pixels", MiningConfig(threshold=-1.0))
    old = labelled.mining.mine("pets", request, Silent())
    assert labelled.pairs.summary("pets", old.id, PairFilter())["stale"] is False
    before = labelled.datasets.describe("pets")
    told = make(labelled)
    after = labelled.datasets.describe("pets")
    assert (before["version_number"], after["version_number"]) == (1, 2)
    assert before["version"] != after["version"] == told["version"]
    assert after["made_by"] == "synthesize"
    assert after["made_with"].items() <= told.items()
    assert after["mean_candidates"] == pytest.approx(told["mean_candidates"], abs=1e-4)
    assert after["mean_candidates"] > 1.0
    assert after["truth_in_candidates"] == N_SAMPLES
    assert (told["rate"], told["seed"], told["annotator"]) == (1.0, 0, "mlp")
    assert told["annotator_learned_from"] == 45  # the train split alone
    assert 0.0 <= told["annotator_accuracy"] <= 1.0
    versions = labelled.project.datasets.versions("pets")
    assert [version.number for version in versions] == [1, 2]
    # what was found in the older sets is marked stale
    assert labelled.pairs.summary("pets", old.id, PairFilter())["stale"] is True
    new = labelled.mining.mine("pets", request, Silent())
    assert labelled.pairs.summary("pets", new.id, PairFilter())["stale"] is False
    assert new.feature_set_id == old.feature_set_id
    assert [mining.id for mining in labelled.mining.minings("pets")] == [new.id, old.id]
    # a seed gives the same sets again, and another does not
    again, other = (make(labelled, seed=seed) for seed in (0, 1))
    assert told["candidates_hash"] == again["candidates_hash"] != other["candidates_hash"]
    assert told["version"] == again["version"] != other["version"]


def test_a_rate_of_zero_leaves_the_truth_alone(labelled):
    assert make(labelled, rate=0.0)["mean_candidates"] == 1.0
    data = labelled.datasets.load("pets")
    assert data.candidates.lists() == [[label] for label in data.truth.tolist()]


def test_unknown_truth_is_refused_with_a_count_and_the_first_row(services, tmp_path):
    truth = np.arange(9) % 3
    truth[[4, 7]] = -1
    candidates = np.ones((9, 3), bool)
    vectors = np.random.default_rng(0).normal(size=(9, 4))
    store(services, save(tmp_path / "a.npz", features=vectors, labels=truth,
                         candidates=candidates))  # fmt: skip
    store(services, save(tmp_path / "b.npz", features=vectors, candidates=candidates), name="none")
    before = blobs_in(services.project.folder)
    with pytest.raises(SettingError, match=r"2 of 9 samples of pets have no .*first: row 4\)"):
        make(services)
    with pytest.raises(SettingError, match=r"9 of 9 samples of none have no .*first: row 0\)"):
        make(services, "none")
    assert services.datasets.describe("pets")["version_number"] == 1
    assert blobs_in(services.project.folder) == before


def test_vectors_alone_can_be_given_sets_too(services, tmp_path):
    vectors = np.random.default_rng(0).normal(size=(30, 4))
    store(services, save(tmp_path / "a.npz", features=vectors, labels=np.arange(30) % 3))
    told = make(services, rate=2.0)
    assert told["annotator_learned_from"] == 30
    assert services.datasets.describe("pets")["truth_in_candidates"] == 30


def again(services, told, **settings):
    """What the settings give that a calibration says it found."""
    return make(
        services, rate=told["rate"], epochs=told["annotator_settings"]["epochs"], **settings
    )


@pytest.mark.long
@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"epochs": 2}, ["rate"]),
        ({"epochs": None}, ["epochs", "rate"]),
        ({"rate": 1.0, "epochs": None}, ["epochs"]),
    ],
)
def test_a_mean_size_finds_what_is_left_out_and_what_it_found_gives_the_same_sets(
    labelled, given, found
):
    # at rate 1 the sets of this little annotator have the size that it has after 67 epochs or more
    reached = make(labelled, epochs=80)["mean_candidates"] if "rate" in given else 1.5
    told = make(labelled, **{"rate": None, "mean_size": reached} | given)
    calibration = told["calibration"]
    assert calibration["found"] == found
    assert calibration["mean_size"] == reached
    assert abs(calibration["expected_size"] - reached) <= calibration["tolerance"] == 0.1
    # 60 draws of sets between 1 and 3: three times their standard error
    assert told["mean_candidates"] == pytest.approx(reached, abs=0.1 + 3 * 1 / 60**0.5)
    assert labelled.datasets.describe("pets")["made_with"]["calibration"] == calibration
    repeated = again(labelled, told)
    assert repeated["candidates_hash"] == told["candidates_hash"]
    assert "calibration" not in repeated


def test_a_size_of_one_is_the_true_label_alone(labelled):
    told = make(labelled, rate=None, mean_size=1)
    assert (told["rate"], told["mean_candidates"]) == (0.0, 1.0)
    assert told["worst_distractor"]["warning"] == ""


@pytest.mark.long
def test_a_size_that_no_epochs_reach_at_a_given_rate_is_refused(labelled):
    with pytest.raises(
        SettingError, match=r"At rate 0 no number of epochs .* size 2 .* closest with 1\.00"
    ):
        make(labelled, rate=0.0, epochs=None, mean_size=2)
    assert labelled.datasets.describe("pets")["version_number"] == 1


def test_a_size_above_the_number_of_classes_is_refused_before_any_training(labelled):
    with pytest.raises(SettingError, match=r"mean_size is 3\.5, but pets has 3 classes"):
        make(labelled, rate=None, mean_size=3.5)


def test_two_classes_and_a_class_that_is_missing_are_no_trouble(services, tmp_path):
    vectors = np.random.default_rng(0).normal(size=(80, 4))
    for name, labels, names in [
        ("two", np.arange(80) % 2, ["a", "b"]),
        ("missing", np.arange(80) % 2, ["a", "b", "never"]),
    ]:
        path = save(tmp_path / f"{name}.npz", features=vectors, labels=labels,
                    class_names=np.array(names))  # fmt: skip
        store(services, path, name=name)
        told = make(services, name, rate=None, mean_size=1.5)
        assert told["calibration"]["expected_size"] == pytest.approx(1.5, abs=0.01)
        worst = told["worst_distractor"]
        assert worst["n_known"] == 80
        if name == "missing":
            assert worst["classes"][2] == {
                "class": "never", "n": 0, "distractor": None, "share": None,
            }  # fmt: skip


def test_the_result_states_the_worst_distractors_and_warns(labelled):
    told = make(labelled, rate=1000.0)
    assert told["mean_candidates"] == 3.0
    worst = told["worst_distractor"]
    assert (worst["largest"], worst["mean"], worst["carrying"]) == (1.0, 1.0, 1.0)
    assert worst["warning"].startswith("3 of 3 classes have a distractor in more than 90% of")
    assert worst == labelled.datasets.describe("pets")["worst_distractor"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mean_size": 0.5}, "mean_size is 0.5; the least is 1.0"),
        ({"mean_size": float("nan")}, "mean_size is not a number"),
        ({"mean_size": 2000.0}, "mean_size is 2000.0; the most is 1000.0"),
        ({"mean_size": 3.0, "rate": 1.0, "epochs": 5}, "which leaves nothing to find"),
        ({"epochs": 1001}, "epochs is 1001; the most is 1000"),
        ({"rate": -0.5}, "rate is -0.5; the least is 0.0"),
        ({"rate": float("nan")}, "rate is not a number"),
        ({"seed": -1}, "seed is -1; the least is 0"),
        ({"annotator": "ccn"}, "annotator is 'ccn'. Closest: 'cnn'"),
        ({"epochs": 0}, "epochs is 0; the least is 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(SettingError, match=words.replace(".", r"\.")):
        SynthesisConfig(**settings)


def test_a_dataset_that_is_not_there_is_refused(services):
    with pytest.raises(RecordNotFoundError, match="no dataset 'pest' in this project"):
        make(services, "pest")
