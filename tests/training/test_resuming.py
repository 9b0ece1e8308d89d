"""A run that was stopped or killed and then resumed is the run that was never interrupted."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from cad_studio.algorithms._base import ALGORITHMS
from cad_studio.core.errors import JobCancelled, SettingError
from cad_studio.core.progress import Silent
from cad_studio.training.checkpoint import Checkpoints
from cad_studio.training.report import EpochReport
from cad_studio.training.settings import OPTIMISERS
from cad_studio.training.trainer import Trainer
from tests.training.runs import StopsAfter, small_images, small_plan

# Not all: speed, time and memory are a machine's.
FIGURES = tuple(
    each.name
    for each in fields(EpochReport)
    if each.name not in ("samples_per_second", "seconds", "memory_mb")
)
METHODS = ["cad-cam", "pico", "cel", "proden"]


def plan_of(method, **changes):
    plan = small_plan(method, **changes)
    if method == "cad-cam":
        # Maps are computed in epoch 1 and matter from then on.
        settings = replace(plan.settings, warm_up_epochs=1, queue_size=40, ramp_epochs=2)
        plan = replace(plan, settings=settings)
    return plan


def weights(folder):
    checkpoint = Checkpoints(folder / "checkpoints").load()
    assert checkpoint is not None
    return checkpoint.tensors


def assert_same_run(folder, other):
    ours, theirs = weights(folder), weights(other)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


def assert_goes_on(folder, plan):
    """A run that is stopped in its second epoch and resumed is the one that was not."""
    data = small_images()
    Trainer(data, plan, folder / "whole").fit(Silent())
    with pytest.raises(JobCancelled):
        Trainer(data, plan, folder / "parts").fit(
            StopsAfter(4, lambda message: "Epoch 2" in message)
        )
    Trainer(data, plan, folder / "parts").fit(Silent())
    assert_same_run(folder / "parts", folder / "whole")


def figures(report):
    return {name: getattr(report, name) for name in FIGURES}


@pytest.mark.parametrize("method", METHODS)
def test_a_run_stopped_in_an_epoch_and_resumed_equals_one_that_was_not(tmp_path, method):
    data, plan = small_images(), plan_of(method)
    whole = Trainer(data, plan, tmp_path / "whole").fit(Silent())
    for epoch in (1, 2):
        with pytest.raises(JobCancelled):
            Trainer(data, plan, tmp_path / "parts").fit(
                StopsAfter(3, lambda message, name=f"Epoch {epoch} of": name in message)
            )
    resumed = Trainer(data, plan, tmp_path / "parts").fit(Silent())
    assert resumed.resumed == (1, 2)
    assert figures(resumed.last) == figures(whole.last)
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_what_an_optimiser_remembers_of_earlier_steps_is_resumed(tmp_path, optimiser):
    assert_goes_on(tmp_path, small_plan(optimiser=optimiser, learning_rate=1e-3))


def test_a_run_stopped_while_it_is_evaluated_loses_no_step(tmp_path):
    data, plan = small_images(), small_plan()
    whole = Trainer(data, plan, tmp_path / "whole").fit(Silent())
    with pytest.raises(JobCancelled):
        Trainer(data, plan, tmp_path / "parts").fit(StopsAfter(3, lambda m: "Asking" in m))
    state = Checkpoints(tmp_path / "parts" / "checkpoints").load().state
    assert (state["epoch"], state["is_epoch_trained"]) == (1, True)
    reports = []
    resumed = Trainer(data, plan, tmp_path / "parts").fit(
        Silent(), lambda report, is_best: reports.append(report)
    )
    assert [report.epoch for report in reports] == [1, 2]
    assert figures(resumed.last) == figures(whole.last)
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


@pytest.mark.parametrize(("word", "n_reports", "n_stops"), [("Epoch", 4, 4), ("Asking", 3, 2)])
def test_wherever_a_run_is_stopped_its_state_is_that_of_one_that_was_not(
    tmp_path, word, n_reports, n_stops
):
    """Plain values of the checkpoint too: counts and curves, not weights alone."""
    data = small_images()
    plan = small_plan(start="uniform", uniform_epochs="1", set_model=1.0, judged_average=0.9)
    Trainer(data, plan, tmp_path / "whole").fit(Silent())
    for _ in range(n_stops):
        with pytest.raises(JobCancelled):
            Trainer(data, plan, tmp_path / "parts").fit(StopsAfter(n_reports, lambda m: word in m))
    Trainer(data, plan, tmp_path / "parts").fit(Silent())
    assert_same_run(tmp_path / "parts", tmp_path / "whole")
    ours, theirs = (
        Checkpoints(tmp_path / each / "checkpoints").load().state for each in ("parts", "whole")
    )
    for state in (ours, theirs):
        for key in ("seconds", "samples_per_second", "memory_mb"):
            for held in (state, state["last"], state["best"]):
                held.pop(key, None)
    assert ours == theirs
    assert ours["epochs_in_force"] == 2


def test_a_stop_takes_effect_before_the_next_step(tmp_path):
    data, plan = small_images(), small_plan()
    with pytest.raises(JobCancelled):
        Trainer(data, plan, tmp_path).fit(StopsAfter(4, lambda message: "Epoch" in message))
    state = Checkpoints(tmp_path / "checkpoints").load().state
    assert (state["epoch"], state["step"]) == (0, 3)


PROGRAM = """
import sys
from pathlib import Path
from cad_studio.core.progress import Silent
from cad_studio.training.trainer import Trainer
from tests.training.test_resuming import plan_of
from tests.training.runs import small_images

class Slow:
    def report(self, fraction, message):
        import time
        print(message, flush=True)
        time.sleep(0.02)

plan = plan_of("cad-cam", epochs=4, checkpoint_steps=2)
Trainer(small_images(), plan, Path(sys.argv[1])).fit(Slow())
"""


@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="kill -9")
def test_a_run_killed_and_resumed_equals_one_that_was_not_bit_for_bit(tmp_path):
    data, plan = small_images(), plan_of("cad-cam", epochs=4, checkpoint_steps=2)
    whole = Trainer(data, plan, tmp_path / "whole").fit(Silent())
    root = Path(__file__).parents[2]
    for kills in range(2):
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / "killed")]
        with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                if f"Epoch {2 + kills}" in line:
                    time.sleep(0.07)
                    break
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
    resumed = Trainer(data, plan, tmp_path / "killed").fit(Silent())
    assert resumed.resumed is not None
    assert figures(resumed.last) == figures(whole.last)
    assert_same_run(tmp_path / "killed", tmp_path / "whole")


def test_a_damaged_checkpoint_is_passed_over_and_the_end_is_the_same(tmp_path):
    data, plan = small_images(), small_plan()
    whole = Trainer(data, plan, tmp_path / "whole").fit(Silent())
    with pytest.raises(JobCancelled):
        Trainer(data, plan, tmp_path / "parts").fit(
            StopsAfter(3, lambda message: "Epoch 3" in message)
        )
    newest = max((tmp_path / "parts" / "checkpoints").iterdir())
    os.truncate(newest / "tensors.safetensors", 100)
    resumed = Trainer(data, plan, tmp_path / "parts").fit(Silent())
    assert resumed.damaged == [newest.name]
    assert resumed.resumed == (2, 0)
    assert figures(resumed.last) == figures(whole.last)
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


def test_a_finished_run_gives_its_result_again_and_trains_nothing(tmp_path):
    data, plan = small_images(), small_plan()
    first = Trainer(data, plan, tmp_path).fit(Silent())
    reports = []
    again = Trainer(data, plan, tmp_path).fit(
        Silent(), lambda report, is_best: reports.append(report)
    )
    assert reports == []
    assert again.last == first.last
    assert again.best == first.best


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    data = small_images()
    Trainer(data, small_plan(epochs=1), tmp_path).fit(Silent())
    with pytest.raises(SettingError, match=r"made with batch_size 16, not 8\. Start a new run"):
        Trainer(data, small_plan(epochs=1, batch_size=8), tmp_path).fit(Silent())
    with pytest.raises(SettingError, match="made with method 'proden', not 'cc'"):
        Trainer(data, small_plan("cc", epochs=1), tmp_path).fit(Silent())


def test_a_checkpoint_of_other_candidates_is_refused(tmp_path):
    Trainer(small_images(), small_plan(epochs=1), tmp_path).fit(Silent())
    with pytest.raises(SettingError, match="made from other samples or candidates"):
        Trainer(small_images(seed=1), small_plan(epochs=1), tmp_path).fit(Silent())


@pytest.mark.slow
@pytest.mark.parametrize("method", ALGORITHMS.names())
def test_every_method_goes_on_in_the_middle_of_an_epoch(tmp_path, method):
    assert_goes_on(tmp_path, plan_of(method, hold_out=0.0))
