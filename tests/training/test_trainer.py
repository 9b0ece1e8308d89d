"""The loop as a whole, on images small enough to train in a second."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from cad_studio.algorithms._base import ALGORITHMS
from cad_studio.core.errors import SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Silent
from cad_studio.training.batching import epoch_order
from cad_studio.training.checkpoint import Checkpoints
from cad_studio.training.model_file import load_model
from cad_studio.training.opening import Outside
from cad_studio.training.plan import Plan
from cad_studio.training.schedule import first_choosable_epoch, learning_rate_at, snapshot_epochs
from cad_studio.training.settings import TrainConfig
from cad_studio.training.snapshots import Snapshots
from cad_studio.training.trainer import MODEL_FILE, Trainer
from tests.training.runs import N_CLASSES, N_TRAIN, SIDE_PX, small_images, small_plan


def fit(folder, data=None, plan=None, outside=None):
    """Train to the end; the reports, the result and what the last checkpoint holds."""
    reports = []
    trainer = Trainer(data or small_images(), plan or small_plan(), folder, outside)
    result = trainer.fit(Silent(), lambda report, is_best: reports.append(report))
    return reports, result, Checkpoints(folder / "checkpoints").load()


def test_learning_rates_are_those_of_the_reference():
    # V7 of the specification's test vectors, 500 epochs from 0.01.
    wanted = {
        0: 0.01,
        1: 0.009999901,
        125: 0.008536998,
        250: 0.005005,
        375: 0.001473002,
        499: 1.0099e-05,
    }
    for epoch, rate in wanted.items():
        assert learning_rate_at(epoch / 500, 0.01) == pytest.approx(rate, abs=1e-8)


def test_an_epoch_takes_each_sample_at_most_once_and_drops_the_rest():
    order = epoch_order(50, 16, seed=0, epoch=0)
    assert order.shape == (3, 16)
    assert len(np.unique(order)) == 48
    assert not np.array_equal(order, epoch_order(50, 16, seed=0, epoch=1))
    assert np.array_equal(order, epoch_order(50, 16, seed=0, epoch=0))


def test_fewer_samples_than_a_batch_make_one_smaller_batch():
    assert sorted(epoch_order(5, 16, seed=0, epoch=0)[0]) == list(range(5))


def test_a_run_learns_and_reports_every_epoch(tmp_path):
    pairs = {"0.1": np.array([[N_TRAIN, N_TRAIN + 1]])}
    data = small_images(pairs=pairs)
    plan = small_plan(epochs=12, learning_rate=0.05)
    reports, result, _ = fit(tmp_path, data, plan)
    assert [report.epoch for report in reports] == list(range(12))
    assert reports[0].learning_rate == 0.05
    assert reports[-1].learning_rate == pytest.approx(learning_rate_at(11 / 12, 0.05))
    assert reports[-1].losses["loss"] < reports[0].losses["loss"]
    assert result.last.oracle["test_accuracy"] > 0.8
    assert result.last.oracle["disambiguation"] > 0.8
    assert "entangled/0.1/swap_rate" in result.last.oracle
    assert result.last.held_out["covering_rate"] > 0.8
    assert result.last.samples_per_second > 0
    assert result.last.memory_mb > 0
    late = [report.held_out["set_likelihood"] for report in reports[first_choosable_epoch(12) :]]
    assert len(late) == 2
    assert result.best.held_out["set_likelihood"] == max(late)
    assert 0.25 < result.last.mean_confidence <= 1.0


def test_the_saved_model_predicts_as_the_run_said(tmp_path):
    data = small_images(class_names=["a", "b", "c", "d"])
    _, result, _ = fit(tmp_path, data, small_plan(epochs=6, learning_rate=0.05))
    network, views = load_model(tmp_path / MODEL_FILE)
    pixels = torch.from_numpy(data.pixels.batch(data.test_rows, SIDE_PX, SIDE_PX, 1))
    with torch.inference_mode():
        predicted = network(views.plain(views.unit(pixels))).argmax(dim=1).numpy()
    right = (predicted == data.truth[data.test_rows]).mean()
    assert right == pytest.approx(result.best.oracle["test_accuracy"])


@pytest.mark.parametrize("method", ["proden", "pico", "cad-cam"])
def test_true_labels_influence_nothing(tmp_path, method):
    """Truth is for figures alone: shuffling it must not move a single weight."""
    data = small_images()
    shuffled = np.random.default_rng(9).permutation(data.truth)
    plan = small_plan(method, epochs=2)
    if method == "cad-cam":
        plan = replace(plan, settings=replace(plan.settings, warm_up_epochs=1, queue_size=64))
    _, first, told = fit(tmp_path / "told", data, plan)
    _, second, lied = fit(tmp_path / "lied", replace(data, truth=shuffled), plan)
    assert first.last.oracle != second.last.oracle
    assert told.tensors.keys() == lied.tensors.keys()
    for name, value in told.tensors.items():
        assert torch.equal(value, lied.tensors[name]), name


def test_candidates_of_test_samples_influence_nothing(tmp_path):
    data = small_images()
    dense = data.candidates.dense()
    dense[data.test_rows] = True
    other = replace(data, candidates=PartialLabels.from_dense(dense))
    _, first, told = fit(tmp_path / "told", data)
    _, second, lied = fit(tmp_path / "lied", other)
    assert first.last.held_out == second.last.held_out
    for name, value in told.tensors.items():
        assert torch.equal(value, lied.tensors[name]), name


def test_another_seed_gives_other_weights(tmp_path):
    _, _, first = fit(tmp_path / "0", plan=small_plan(epochs=1))
    _, _, other = fit(tmp_path / "1", plan=small_plan(epochs=1, seed=1))
    name = "method.network.fc.weight"
    assert not torch.equal(first.tensors[name], other.tensors[name])


def test_a_loss_that_is_not_finite_is_told_with_its_step_rows_and_settings(tmp_path):
    data = small_images()
    features = np.random.default_rng(0).normal(size=(len(data.candidates), 5))
    vectors = replace(data, pixels=None, features=features.astype(np.float32))
    plan = replace(small_plan(epochs=4, learning_rate=1e30), backbone="mlp")
    said = (
        r"The loss became (nan|inf) at step \d of epoch \d, in a batch of rows \d+, .* and 8 more"
    )
    with pytest.raises(SettingError, match=said) as caught:
        fit(tmp_path, vectors, plan)
    assert "proden, mlp, learning_rate 1e+30, batch_size 16, float32" in str(caught.value)
    assert "the checkpoint before is intact" in str(caught.value)


def test_the_last_good_checkpoint_stays_when_the_loss_diverges(tmp_path):
    """The belief turns to NaN before epoch 2: epochs 0 and 1 are on the disk and stay."""
    plan = small_plan(epochs=4, refresh_epochs="2", start="propagation")

    def spoil(rows, features, belief):
        return np.full((len(rows), N_CLASSES), math.nan, np.float32)

    with pytest.raises(SettingError, match=r"at step 1 of epoch 3"):
        fit(tmp_path, plan=plan, outside=Outside(refresh=spoil))
    kept = Checkpoints(tmp_path / "checkpoints").load()
    assert (kept.state["epoch"], kept.state["step"]) == (2, 0)
    assert all(value.float().isfinite().all() for value in kept.tensors.values())


def test_a_start_is_taken_and_refreshed_in_the_runs_own_features(tmp_path):
    data = small_images()
    seen = []

    def start(rows):
        return np.eye(N_CLASSES, dtype=np.float32)[data.truth[rows]]

    def refresh(rows, features, belief):
        seen.append((rows, features, belief))
        return start(rows)

    plan = small_plan(epochs=10, refresh_epochs="1, 3", start="propagation")
    reports, _, _ = fit(tmp_path, data, plan, Outside(start=start, refresh=refresh))
    # Each is held for an epoch, so all the labels it gives are still believed.
    assert [reports[epoch].oracle["disambiguation"] for epoch in (0, 1, 3)] == [1.0] * 3
    assert [report.epochs_in_force for report in reports] == [0, 0, 1, 1, 2, 3, 4, 5, 6, 7]
    assert plan.config.epochs_in_force() == 7
    assert len(seen) == 2
    rows, features, belief = seen[1]
    # It starts from what the method believed itself, an epoch after the start was held.
    assert not np.array_equal(belief, start(rows))
    assert np.allclose(belief.sum(axis=1), 1.0, atol=1e-4)
    assert len(rows) == len(features) == round(N_TRAIN * 0.9)
    assert np.allclose(np.linalg.norm(features, axis=1), 1.0, atol=1e-4)
    assert not np.array_equal(seen[0][1], seen[1][1])


def test_beliefs_are_kept_for_the_candidates_alone(tmp_path):
    data = small_images()
    fit(tmp_path, data, small_plan(epochs=5, snapshots=3, hold_out=0.0))
    snapshots = Snapshots(tmp_path / "beliefs")
    assert snapshots.epochs() == [0, 2, 4]
    sets = data.candidates.take(data.train_rows)
    assert len(snapshots.load(4)) == sets.sizes().sum()
    history = snapshots.of(7, sets)
    assert list(history) == sets.of(7)
    assert [sum(at) for at in zip(*history.values(), strict=True)] == pytest.approx(
        [1, 1, 1], abs=2e-3
    )


def test_beliefs_are_kept_for_methods_that_remember_none(tmp_path):
    fit(tmp_path, plan=small_plan("cc", epochs=2))
    values = Snapshots(tmp_path / "beliefs").load(1)
    assert np.isfinite(values).all()
    assert values.max() <= 1.0


def test_snapshots_are_spread_and_hold_both_ends():
    assert snapshot_epochs(3, 20) == {0, 1, 2}
    assert snapshot_epochs(9, 3) == {0, 4, 8}
    assert snapshot_epochs(9, 1) == {8}


def test_vectors_train_where_the_method_needs_no_images(tmp_path):
    data = small_images()
    rows = np.arange(len(data.candidates))
    flat = data.pixels.batch(rows, SIDE_PX, SIDE_PX, 1).reshape(-1, SIDE_PX**2)
    vectors = replace(data, pixels=None, features=flat.astype(np.float32))
    plan = replace(small_plan(epochs=10), backbone="mlp")
    _, result, _ = fit(tmp_path, vectors, plan)
    assert result.last.oracle["test_accuracy"] > 0.7
    network, views = load_model(tmp_path / MODEL_FILE)
    assert views is None
    assert network(torch.zeros(2, SIDE_PX**2)).shape == (2, N_CLASSES)


def test_a_method_that_needs_images_says_so(tmp_path):
    data = replace(small_images(), pixels=None, features=np.zeros((120, 3), np.float32))
    needy = next(name for name in ALGORITHMS.names() if ALGORITHMS.get(name).needs_images)
    plan = Plan(needy, "mlp", TrainConfig(epochs=1, device="cpu"))
    with pytest.raises(SettingError, match="needs images; here are feature vectors only"):
        fit(tmp_path, data, plan)


def test_the_supervised_ceiling_wants_every_true_label(tmp_path):
    data = small_images()
    truth = data.truth.copy()
    truth[3] = -1
    with pytest.raises(SettingError, match=r"1 of 96 training samples have none \(first: row 3\)"):
        fit(tmp_path, replace(data, truth=truth), small_plan("supervised", hold_out=0.0))


def test_a_sample_without_candidates_is_named():
    dense = small_images().candidates.dense()
    dense[[5, 9]] = False
    with pytest.raises(SettingError, match=r"2 of 96 training samples .* \(first: row 5\)"):
        small_images(candidates=PartialLabels.from_dense(dense))


def test_a_time_budget_ends_the_run_within_its_epochs(tmp_path):
    plan = small_plan(epochs=10_000, max_seconds=1.0)
    reports, result, _ = fit(tmp_path, plan=plan)
    assert 1 <= len(reports) < 10_000
    assert result.last.seconds >= 1.0
    rates = [report.learning_rate for report in reports]
    assert rates == sorted(rates, reverse=True)
    assert fit(tmp_path, plan=plan)[1].last == result.last


def test_more_threads_than_asked_for_are_not_left_behind(tmp_path):
    before, state = torch.get_num_threads(), torch.get_rng_state()
    fit(tmp_path, plan=small_plan(epochs=1))
    assert torch.get_num_threads() == before
    assert torch.equal(torch.get_rng_state(), state)


def test_refresh_epochs_that_are_no_numbers_are_named():
    with pytest.raises(SettingError, match="refresh_epochs has 'six'; expected whole numbers"):
        TrainConfig(refresh_epochs="2, six")


def test_refreshes_and_holds_may_be_shares_of_the_run():
    assert TrainConfig(epochs=40, refresh_epochs="50%, 6").refreshes() == [6, 20]
    # A share that comes before the method had a confidence of its own is left out.
    assert TrainConfig(epochs=5, refresh_epochs="25%, 50%").refreshes() == [2]
    assert TrainConfig(epochs=1, refresh_epochs="25%, 50%").refreshes() == []
    assert TrainConfig(epochs=40, start_epochs="5%").held_epochs() == 2
    assert TrainConfig(epochs=40, start_epochs="0.05").held_epochs() == 2
    uniform = {"start": "uniform"}
    assert TrainConfig(epochs=30, uniform_epochs="10%", **uniform).held_epochs() == 3
    assert TrainConfig(epochs=4, uniform_epochs="10%", **uniform).held_epochs() == 1
    assert TrainConfig(epochs=4, uniform_epochs="0", **uniform).held_epochs() == 0
    with pytest.raises(SettingError, match="refresh_epochs has '%'"):
        TrainConfig(refresh_epochs="%")


@pytest.mark.parametrize("start", ["uniform", "propagation"])
@pytest.mark.parametrize("epochs", [1, 2, 3, 5, 9, 10, 15, 19, 40, 500])
def test_the_defaults_fit_runs_of_any_length(start, epochs):
    config = TrainConfig(epochs=epochs, start=start)
    assert config.epochs_in_force() > 0
    if start == "propagation":
        assert config.held_epochs() <= max(1, epochs // 10)
        assert all(2 * epoch <= epochs for epoch in config.refreshes())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": "uniform", "uniform_epochs": "11"}, "uniform_epochs is '11', 11 epochs; the ru"),
        ({"start": "uniform", "uniform_epochs": "150%"}, "uniform_epochs has '150%'; expected who"),
        ({"start": "uniform", "uniform_epochs": "1.5"}, "uniform_epochs has '1.5'; expected whole"),
        ({"start": "uniform", "uniform_epochs": "-1"}, "uniform_epochs has '-1'; expected whole n"),
        ({"start": "uniform", "uniform_epochs": "nan"}, "uniform_epochs has 'nan'; expected whole"),
        ({"start": "uniform", "uniform_epochs": ""}, "uniform_epochs has ''; expected whole num"),
        ({"start_epochs": "2"}, "start_epochs is '2', 2 epochs; a tenth of the run is 1"),
        ({"start_epochs": "30%"}, "start_epochs is '30%', 3 epochs; a tenth of the run is 1"),
        ({"refresh_epochs": "6"}, "none after half of the 10 epochs"),
        ({"refresh_epochs": "1, 2, 3"}, "at most 2 refreshes"),
        ({"set_model": -1.0}, "set_model is -1.0"),
        ({"confidence_momentum": 1.0}, "confidence_momentum is 1.0"),
        ({"judged_average": 1.0}, "judged_average is 1.0"),
    ],
)
def test_holds_and_refreshes_that_do_not_fit_a_run_are_named(settings, message):
    with pytest.raises(SettingError, match=message):
        TrainConfig(epochs=10, **settings)


def test_a_run_that_is_all_warm_up_says_so(tmp_path):
    plan = small_plan("cad-cam", epochs=1, start="uniform", uniform_epochs="1")
    assert plan.config.epochs_in_force() == 0
    reports, result, _ = fit(tmp_path, plan=plan)
    assert reports[0].epochs_in_force == 0
    assert any("In none of its epochs" in words for words in result.words)
    other = small_plan("cad-cam", epochs=3, start="uniform")
    assert not any("In none" in words for words in fit(tmp_path / "other", plan=other)[1].words)


@pytest.mark.long
def test_a_run_that_is_sure_before_it_can_know_says_so(tmp_path):
    """Labels it is given at the first step make it sure: that is what confirming itself does."""
    settings = {"epochs": 60, "start": "uniform", "uniform_epochs": "0", "learning_rate": 0.05}
    early = fit(tmp_path / "a", plan=small_plan("proden", **settings))[1]
    assert any("sure of its candidates already" in words for words in early.words)
    settings["learning_rate"] = 1e-6
    late = fit(tmp_path / "b", plan=small_plan("proden", **settings))[1]
    assert not any("sure of its" in words for words in late.words)


def test_the_judged_network_is_an_average_that_teaches_nobody(tmp_path):
    images = small_images()
    plain = fit(tmp_path / "a", images, small_plan(epochs=4, judged_average=0.0))
    averaged = fit(tmp_path / "b", images, small_plan(epochs=4, judged_average=0.9))
    # The same losses, step by step: what is judged has no influence on what is learned.
    assert [report.losses for report in plain[0]] == [report.losses for report in averaged[0]]
    networks = [load_model(tmp_path / name / MODEL_FILE)[0] for name in "ab"]
    first, second = (network.fc.weight for network in networks)
    assert not torch.equal(first, second)
