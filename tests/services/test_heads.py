"""Heads on frozen features: an image dataset is learned from by what an extractor gives of it."""

import numpy as np
import pytest
import torch

from cad_studio.core.errors import CadStudioError, SettingError
from cad_studio.core.progress import Silent
from cad_studio.services.training.inputs import extractor_of
from cad_studio.services.training.training import TrainingRequest
from cad_studio.training.batching import DROPPED, feature_view
from tests.services.small import save, store
from tests.services.test_training import N_CLASSES, N_TEST, pictures, train, vectors

BOTH = pytest.mark.parametrize("head", ["features", "features-linear"])


def head_run(services, backbone, method="cad-cam", **config):
    request = TrainingRequest(
        "shades", method, backbone, config={"device": "cpu", "epochs": 4, "threads": 1, **config}
    )
    run = services.training.create(request)
    return services.training.train(run.id, Silent())


@BOTH
def test_a_head_learns_and_everything_behind_a_run_works(services, tmp_path, head):
    pictures(services, tmp_path)
    result = head_run(services, f"{head}:hog")
    assert result["backbone"] == f"{head}:hog"
    told = services.runs.get(result["run"])
    assert told["features"] == "hog"  # neighbours by the same features
    assert (told["config"]["optimiser"], told["config"]["learning_rate"]) == ("adamw", 1e-3)
    assert told["settings"]["without_rl"]
    found = services.diagnosis.predictions.prepare(result["run"], Silent())
    assert found.logits.shape[1] == N_CLASSES
    said = services.training.evaluate(result["run"], None, Silent())
    assert said["n"] == N_TEST
    rows = found.rows(None)
    agrees = (found.logits[rows].argmax(axis=1) == found.truth[rows]).mean()
    assert agrees == pytest.approx(said["accuracy"]) == pytest.approx(result["test_accuracy"])


@pytest.mark.parametrize(("n_samples", "batch"), [(4999, 64), (5000, 256)])
def test_many_samples_come_in_larger_batches(services, tmp_path, n_samples, batch):
    arrays = {
        "features": np.random.default_rng(0).normal(size=(n_samples, 3)).astype(np.float32),
        "candidates": np.ones((n_samples, 2), bool),
    }
    store(services, save(tmp_path / "points.npz", **arrays), name="points")
    run = services.training.create(TrainingRequest("points", "cc", "features:raw"))
    assert run.config["batch_size"] == batch


def test_what_is_given_counts_before_what_heads_take(services, tmp_path):
    pictures(services, tmp_path)
    run = head_run(services, "features:hog", "proden", optimiser="sgd", learning_rate=0.02)
    config = services.runs.get(run["run"])["config"]
    assert (config["optimiser"], config["learning_rate"], config["epochs"]) == ("sgd", 0.02, 4)


def test_a_head_without_an_extractor_takes_the_features_whose_neighbours_share_most(
    services, tmp_path
):
    pictures(services, tmp_path)
    n_samples = services.datasets.get("shades").n_samples
    noise = np.random.default_rng(0).normal(size=(n_samples, 8)).astype(np.float32)
    np.save(tmp_path / "noise.npy", noise)
    services.mining.extract("shades", "pixels", Silent())
    services.mining.extract("shades", f"npy:{tmp_path}/noise.npy", Silent())
    assert services.mining.best_features("shades") == "pixels"
    assert head_run(services, "features")["backbone"] == "features:pixels"


@pytest.mark.parametrize(
    "method", ["pico", "crdpll", "pop", "able", "dirk-ref", "cc", "supervised"]
)
def test_methods_of_several_views_read_vectors_of_which_views_drop_some(services, tmp_path, method):
    pictures(services, tmp_path)
    assert head_run(services, "features:hog", method, epochs=2)["test_accuracy"] is not None


def test_views_of_vectors_drop_features_and_keep_their_mean():
    vectors_given = torch.ones(200, 50)
    for name in ("cls", "weak", "strong"):
        made = feature_view(name, vectors_given, torch.Generator().manual_seed(0))
        assert (made == 0).float().mean() == pytest.approx(DROPPED.get(name, 0.0), abs=0.02)
        assert made.mean() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(
    ("backbone", "settings", "message"),
    [
        ("features:hog", {"without_rl": False}, "needs images; features:hog gives feature vectors"),
        ("features:nothing", {}, "nothing"),
        ("features:npy:/no/such/file.npy", {}, "file.npy"),
        ("mlp", {}, "mlp does not read images"),
    ],
)
def test_what_a_head_cannot_do_is_told_before_anything_is_stored(
    services, tmp_path, backbone, settings, message
):
    pictures(services, tmp_path)
    request = TrainingRequest("shades", "cad-cam", backbone, settings=settings)
    with pytest.raises(Exception, match=message) as told:
        services.training.train(services.training.create(request).id, Silent())
    assert type(told.value).__module__ == "cad_studio.core.errors"


def test_a_head_judges_no_edits(services, tmp_path):
    pictures(services, tmp_path)
    result = head_run(services, "features:hog")
    with pytest.raises(SettingError, match="reads feature vectors"):
        services.judges.check("shades", result["run"])
    assert services.judges.offered("shades") == []


def test_photographs_with_features_of_a_network_begin_with_heads(services, tmp_path):
    chance = np.random.default_rng(0)
    n_samples = len(pictures(services, tmp_path, name="small"))
    large = chance.integers(0, 255, (n_samples, 100, 100)).astype(np.uint8)
    pictures(services, tmp_path, name="large", images=large)
    np.save(tmp_path / "f.npy", chance.normal(size=(n_samples, 8)).astype(np.float32))
    assert services.training.offers("large")["preset"] == "Default"
    for name in ("small", "large"):
        services.mining.extract(name, f"npy:{tmp_path}/f.npy", Silent())
    assert services.training.offers("large")["preset"] == "Frozen features"
    assert services.training.offers("small")["preset"] == "Default"
    assert f"features:npy:{tmp_path}/f.npy" in services.training.offers("small")["backbones"]


def test_a_dataset_of_vectors_takes_a_head_too(services, tmp_path):
    vectors(services, tmp_path)
    request = TrainingRequest("points", "proden", "features:raw", config={"epochs": 3})
    run = services.training.create(request)
    assert services.training.train(run.id, Silent())["test_accuracy"] is not None
    assert train(services, "points", "proden")["backbone"] == "mlp"


def test_an_extractor_is_what_stands_after_the_colon():
    assert extractor_of("features:npy:/a:b.npy") == "npy:/a:b.npy"
    assert [extractor_of(each) for each in ("mlp", "torchvision:resnet18", "resnet8")] == [""] * 3


def test_a_run_teaches_a_head_on_its_features_but_not_one_that_saw_true_labels(services, tmp_path):
    pictures(services, tmp_path)
    first = head_run(services, "features:hog", "proden")["run"]
    second = head_run(services, f"features:run:{first}", "proden")
    assert second["backbone"] == f"features:run:{first}"
    width = services.diagnosis.predictions.load(first).features.shape[1]
    stored = services.mining.stored("shades", f"run:{first}")
    assert (stored.n_dims, stored.description) == (width, f"features of run {first}")
    assert services.mining.best_features("shades") != f"run:{first}"  # it learned from these sets
    above = head_run(services, "features:hog", "supervised")["run"]
    for spec, message in (
        (f"run:{above}", "trained on true labels"), ("run:x", "by its number"),
        ("run:999", "not in this project"),
    ):  # fmt: skip
        with pytest.raises(CadStudioError, match=message):
            services.mining.check_spec("shades", spec)
