"""Training as a service: what a run is bound to, what it may see, and what can be asked of it."""

import hashlib

import numpy as np
import pytest

from cad_studio.core.errors import JobCancelled, RecordNotFoundError, ResourceError, SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Silent
from cad_studio.services.datasets.synthesis import SynthesisConfig
from cad_studio.services.training.inputs import entangled_test_pairs, split_rows
from cad_studio.services.training.presets import PRESETS
from cad_studio.services.training.training import TrainingRequest
from tests.services.small import save, sets, store

N_TRAIN, N_TEST, N_CLASSES = 96, 32, 4
QUICK = {"epochs": 2, "batch_size": 16, "threads": 1, "device": "cpu", "hold_out": 0.1}


def pictures(services, tmp_path, name="shades", seed=0, **changes):
    """Grey images whose brightness is their class."""
    chance = np.random.default_rng(seed)
    n_samples = N_TRAIN + N_TEST
    truth = chance.integers(N_CLASSES, size=n_samples)
    images = 60 * truth[:, None, None] + chance.integers(0, 40, (n_samples, 20, 20))
    arrays = {
        "images": images.astype(np.uint8),
        "candidates": sets(n_samples, N_CLASSES, truth, seed),
        "labels": truth,
        "split": np.array(["train"] * N_TRAIN + ["test"] * N_TEST),
    } | changes
    store(services, save(tmp_path / f"{name}.npz", **arrays), name=name)
    return truth


def vectors(services, tmp_path, name="points", **changes):
    chance = np.random.default_rng(5)
    n_samples = N_TRAIN + N_TEST
    truth = chance.integers(N_CLASSES, size=n_samples)
    arrays = {
        "features": (chance.normal(size=(n_samples, 6)) + 3 * truth[:, None]).astype(np.float32),
        "candidates": sets(n_samples, N_CLASSES, truth, 5),
        "labels": truth,
        "split": np.array(["train"] * N_TRAIN + ["test"] * N_TEST),
    } | changes
    store(services, save(tmp_path / f"{name}.npz", **arrays), name=name)


def train(services, dataset="shades", method="proden", progress=None, **config):
    settings = config.pop("settings", {})
    request = TrainingRequest(dataset, method, config={**QUICK, **config}, settings=settings)
    run = services.training.create(request)
    return services.training.train(run.id, progress or Silent())


def weights(services, run_id):
    return hashlib.sha256(services.runs.model_path(run_id).read_bytes()).hexdigest()


def test_a_run_leaves_figures_curves_and_a_model(services, tmp_path):
    pictures(services, tmp_path)
    result = train(services, start="propagation")
    row = services.runs.all()[0]
    assert (row["status"], row["epochs_done"], row["dataset"]) == ("done", 2, "shades")
    assert row["model_bytes"] == services.runs.model_path(result["run"]).stat().st_size
    reports = services.runs.reports(result["run"])
    assert [report["epoch"] for report in reports] == [0, 1]
    assert services.runs.reports(result["run"], after=0) == reports[1:]
    best = reports[result["best_epoch"]]
    assert result["test_accuracy"] == best["oracle"]["test_accuracy"]
    assert result["approximated_accuracy"] == best["approximated_accuracy"]
    details = services.runs.get(result["run"])
    assert details["environment"]["torch"]
    assert details["config"]["start"] == "propagation"


def test_evaluation_repeats_the_figures_of_the_run(services, tmp_path):
    truth = pictures(services, tmp_path)
    result = train(services)
    found = services.training.evaluate(result["run"], None, Silent())
    assert found["n"] == N_TEST
    assert found["accuracy"] == pytest.approx(result["test_accuracy"], abs=1e-6)
    entangled = found["entangled"]["0.1"]["instance_accuracy"]
    assert entangled == pytest.approx(result["entangled_accuracy"], abs=1e-6)
    on_train = services.training.evaluate(result["run"], "train", Silent())
    assert (on_train["n"], on_train["entangled"]) == (N_TRAIN, {})
    counts = np.bincount(truth[:N_TRAIN], minlength=N_CLASSES)
    mean = sum(on_train["class_accuracy"][str(c)] * counts[c] for c in range(N_CLASSES)) / N_TRAIN
    assert mean == pytest.approx(on_train["accuracy"])
    with pytest.raises(SettingError, match="'dev' is not a split"):
        services.training.evaluate(result["run"], "dev", Silent())


@pytest.mark.parametrize("method", ["proden", "cad-cam"])
def test_true_labels_never_influence_a_run(services, tmp_path, method):
    truth = pictures(services, tmp_path)
    pictures(services, tmp_path, "shuffled", labels=np.random.default_rng(9).permutation(truth))
    runs = [
        train(services, name, method, start="propagation", refresh_epochs="1")
        for name in ("shades", "shuffled")
    ]
    assert weights(services, runs[0]["run"]) == weights(services, runs[1]["run"])
    assert runs[0]["approximated_accuracy"] == runs[1]["approximated_accuracy"]
    assert runs[0]["test_accuracy"] != runs[1]["test_accuracy"]


class Stops:
    """Progress that asks to stop once the second epoch is under way."""

    def report(self, fraction, message):
        if message.startswith("Epoch 2"):
            raise JobCancelled


def test_a_stopped_run_goes_on_to_the_same_end(services, tmp_path):
    pictures(services, tmp_path)
    whole = train(services)
    request = TrainingRequest("shades", "proden", config=QUICK)
    run = services.training.create(request)
    with pytest.raises(JobCancelled):
        services.training.train(run.id, Stops())
    assert services.runs.get(run.id)["epochs_done"] == 1
    services.training.train(run.id, Silent())
    assert weights(services, run.id) == weights(services, whole["run"])
    without_time = {"samples_per_second", "seconds", "memory_mb"}
    kept = [
        [{k: v for k, v in report.items() if k not in without_time} for report in reports]
        for reports in (services.runs.reports(whole["run"]), services.runs.reports(run.id))
    ]
    assert kept[0] == kept[1]


def test_a_run_stays_with_the_version_it_was_made_on(services, tmp_path):
    pictures(services, tmp_path)
    request = TrainingRequest("shades", "proden", config=QUICK)
    first = services.training.create(request)
    services.synthesis.synthesize("shades", SynthesisConfig(rate=2.0, epochs=1), Silent())
    assert services.runs.get(first.id)["is_stale"]
    services.training.train(first.id, Silent())
    pictures(services, tmp_path, "untouched")
    untouched = train(services, "untouched")
    assert weights(services, first.id) == weights(services, untouched["run"])
    assert services.training.create(request).version_hash != first.version_hash


def test_a_dataset_removed_during_a_run_is_told_in_words(services, tmp_path):
    pictures(services, tmp_path)

    class Removes:
        def report(self, fraction, message):
            if message.startswith("Epoch 1") and services.datasets.names():
                services.datasets.remove("shades")

    with pytest.raises(RecordNotFoundError, match="deleted while it was trained"):
        train(services, progress=Removes())
    assert services.runs.all() == []


def test_samples_without_candidates_are_left_out_and_counted(services, tmp_path):
    pictures(services, tmp_path)
    dense = services.datasets.load("shades").candidates.dense(slice(None))
    dense[3:8] = False
    with services.project.saving():
        blob = services.project.blobs.save_array(PartialLabels.from_dense(dense).packed)
        services.project.datasets.add_version("shades", blob, "none of these", {})
    run = train(services)["run"]
    assert services.runs.get(run)["environment"]["left_out"] == 5


def test_sets_of_every_size_and_an_absent_class_can_be_learned_from(services, tmp_path):
    candidates = np.zeros((N_TRAIN + N_TEST, N_CLASSES), bool)
    candidates[::2, :3] = True
    candidates[1::2, 1] = True
    candidates[::5] = True
    candidates[::5, 3] = False
    pictures(services, tmp_path, candidates=candidates, labels=None)
    result = train(services)
    assert result["test_accuracy"] is None
    assert 0.0 <= result["approximated_accuracy"] <= 1.0


def test_vectors_train_an_mlp_and_refuse_what_needs_images(services, tmp_path):
    vectors(services, tmp_path)
    result = train(services, "points", "proden", start="propagation")
    assert result["backbone"] == "mlp"
    assert train(services, "points", "cad-cam")["test_accuracy"] is not None  # without contrast
    request = TrainingRequest("points", "cad-cam", settings={"without_rl": False})
    with pytest.raises(SettingError, match="CAD-CAM needs images; points gives feature vectors"):
        services.training.create(request)
    with pytest.raises(SettingError, match=r"resnet8 does not read feature vectors\. Choose mlp"):
        services.training.create(TrainingRequest("points", "proden", backbone="resnet8"))
    offers = services.training.offers("points")
    assert offers["backbones"] == ["mlp", "features:raw", "features-linear:raw"]
    assert {m["name"] for m in offers["methods"] if not m["available"]} == {"cel"}


@pytest.mark.parametrize(
    ("request_values", "message"),
    [
        ({"method": "cad-can"}, "'cad-can' is not a known method. Closest: 'cad-cam'"),
        ({"backbone": "resnet9"}, "'resnet9' is not a known backbone"),
        ({"backbone": "mlp"}, "mlp does not read images"),
        ({"features": "pixel"}, "'pixel' is not"),
        ({"config": {"epochs": 0}}, "epochs is 0; the least is 1"),
        ({"config": {"epoch": 3}}, "'epoch' is not a setting here. Closest: 'epochs'"),
        ({"settings": {"beta": -1.0}}, "beta is -1.0; the least is 0.0"),
        ({"dataset": "shade"}, "shade"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_stored(
    services, tmp_path, request_values, message
):
    pictures(services, tmp_path)
    request = TrainingRequest(**{"dataset": "shades", "method": "cad-cam"} | request_values)
    with pytest.raises((SettingError, RecordNotFoundError), match=message):
        services.training.create(request)
    assert services.runs.all() == []


def test_supervised_training_asks_for_every_label(services, tmp_path):
    truth = pictures(services, tmp_path)
    train(services, method="supervised")
    partly = truth.copy()
    partly[4] = -1
    pictures(services, tmp_path, "partly", labels=partly)
    with pytest.raises(SettingError, match="needs the true label of every training sample"):
        train(services, "partly", "supervised")


def test_an_earlier_run_of_the_same_kind_tells_how_long_the_next_takes(services, tmp_path):
    pictures(services, tmp_path)
    request = TrainingRequest("shades", "proden", config=QUICK)
    assert services.training.known_estimate(request) is None
    train(services)
    longer = TrainingRequest("shades", "proden", config={**QUICK, "epochs": 20})
    known = services.training.known_estimate(longer)
    row = services.runs.all()[0]
    assert known["seconds"] == pytest.approx(10 * row["seconds"])
    other = TrainingRequest("shades", "proden", config={**QUICK, "batch_size": 32})
    assert services.training.known_estimate(other) is None


def test_a_measured_estimate_leaves_nothing_behind(services, tmp_path):
    pictures(services, tmp_path)
    request = TrainingRequest("shades", "cad-cam", config={**QUICK, "epochs": 7})
    found = services.training.estimate(request, Silent())
    assert found["seconds"] >= 7 * found["seconds_per_epoch"] > 0
    assert services.runs.all() == []
    assert not (services.project.folder / "runs").exists()


def test_runs_are_renamed_noted_thrown_away_and_brought_back(services, tmp_path):
    pictures(services, tmp_path)
    run = train(services)["run"]
    services.runs.rename(run, "  my   run ")
    services.runs.set_note(run, "better\nsets")
    row = services.runs.all()[0]
    assert (row["name"], row["note"]) == ("my run", "better\nsets")
    services.runs.rename(run, "")
    assert services.runs.all()[0]["name"] == f"proden-{run}"
    services.runs.remove(run)
    assert services.runs.all() == []
    assert services.runs.trash()["n"] == 1
    services.runs.restore(run)
    assert services.runs.model_path(run).is_file()
    services.runs.remove(run)
    held = services.runs.trash()["bytes"]
    assert services.runs.purge() >= held > 0
    assert not services.project.run_folder(run).exists()
    with pytest.raises(RecordNotFoundError, match=f"Run {run} is not in this project"):
        services.runs.get(run)


def test_a_model_is_loaded_by_the_lines_the_studio_gives(services, tmp_path, monkeypatch):
    pictures(services, tmp_path)
    run = train(services)["run"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"proden-{run}.safetensors").write_bytes(services.runs.model_path(run).read_bytes())
    names: dict = {}
    exec(services.runs.model_usage(run), names)
    images = np.zeros((2, 20, 20, 1), np.uint8)
    import torch

    given = names["views"].plain(names["views"].unit(torch.from_numpy(images)))
    assert names["network"](given).shape == (2, N_CLASSES)


def test_what_is_uploaded_says_what_it_is_and_an_unreachable_hub_is_told_in_words(
    services, tmp_path, monkeypatch
):
    pictures(services, tmp_path)
    run = train(services)["run"]
    folder = tmp_path / "upload"
    folder.mkdir()
    services.publishing.write(run, folder)
    assert {file.name for file in folder.iterdir()} == {
        "model.safetensors", "config.json", "README.md",
    }  # fmt: skip
    assert "took true labels" in (folder / "README.md").read_text()
    with pytest.raises(SettingError, match=r"'proden' is not a repository\. Write owner/name"):
        services.publishing.push(run, "proden", True, Silent())
    with pytest.raises(ResourceError, match="me/proden could not be uploaded"):
        services.publishing.push(run, "me/proden", True, Silent())


def test_the_splits_say_what_is_learned_from(services, tmp_path):
    pictures(services, tmp_path)
    train_rows, test_rows = split_rows(services.datasets.load("shades"))
    assert (len(train_rows), len(test_rows)) == (N_TRAIN, N_TEST)
    pictures(services, tmp_path, "whole", split=None)
    train_rows, test_rows = split_rows(services.datasets.load("whole"))
    assert (len(train_rows), len(test_rows)) == (N_TRAIN + N_TEST, 0)


def test_entangled_test_pairs_are_the_closest_of_different_classes():
    chance = np.random.default_rng(3)
    features = chance.normal(size=(60, 5)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    truth = chance.integers(3, size=60).astype(np.int32)
    truth[50:] = -1
    rows = np.arange(10, 60)
    found = entangled_test_pairs(features, truth, rows, Silent())
    cross = sorted(
        (
            (float(features[i].astype(float) @ features[j].astype(float)), i, j)
            for i in range(10, 50)
            for j in range(i + 1, 50)
            if truth[i] != truth[j]
        ),
        reverse=True,
    )
    n_wanted = int(np.ceil(1e-3 * len(cross)))
    assert found["0.1"].tolist() == [[i, j] for _, i, j in cross[:n_wanted]]
    assert len(found["0.001"]) == 1
    assert entangled_test_pairs(features, None, rows, Silent()) == {}


def test_every_preset_is_a_run_that_can_be_trained(services, tmp_path):
    pictures(services, tmp_path)
    for preset in PRESETS:
        method = preset.method or "cad-cam"
        request = TrainingRequest(
            "shades", method, preset.backbone or "", config=preset.config, settings=preset.settings
        )
        services.training.create(request)
