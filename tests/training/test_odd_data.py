"""Data at the edge of what can be learned from, and a disk that fills up meanwhile."""

import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cad_studio.core.errors import SettingError
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.progress import Silent
from cad_studio.training.checkpoint import Checkpoints
from cad_studio.training.model_file import load_model
from cad_studio.training.settings import TrainConfig
from cad_studio.training.trainer import MODEL_FILE, Trainer
from tests.training.runs import N_CLASSES, small_images, small_plan
from tests.training.test_resuming import assert_same_run, plan_of

METHODS = ["proden", "cc", "pico", "pop", "cad-cam"]


def fit(folder, data, plan):
    return Trainer(data, plan, folder).fit(Silent())


@pytest.mark.parametrize("method", METHODS)
def test_samples_with_every_class_and_with_one_are_learned_from(tmp_path, method):
    data = small_images()
    dense = np.zeros((len(data.candidates), N_CLASSES), bool)
    dense[::2] = True
    dense[np.arange(len(dense)), data.truth] = True
    odd = replace(data, candidates=PartialLabels.from_dense(dense))
    result = fit(tmp_path, odd, plan_of(method, epochs=3))
    assert all(math.isfinite(value) for value in result.last.losses.values())


@pytest.mark.parametrize("method", METHODS)
def test_a_class_that_no_sample_may_have_harms_nothing(tmp_path, method):
    data = small_images()
    dense = np.pad(data.candidates.dense(), ((0, 0), (1, 0)))
    shifted = replace(data, candidates=PartialLabels.from_dense(dense), truth=data.truth + 1)
    result = fit(tmp_path, shifted, plan_of(method, epochs=3))
    assert all(math.isfinite(value) for value in result.last.losses.values())
    assert result.last.held_out["covering_rate"] is not None


@pytest.mark.parametrize("method", METHODS)
def test_sets_that_say_nothing_at_all_are_no_error(tmp_path, method):
    data = small_images()
    dense = np.ones((len(data.candidates), N_CLASSES), bool)
    result = fit(
        tmp_path,
        replace(data, candidates=PartialLabels.from_dense(dense)),
        plan_of(method, epochs=3),
    )
    assert all(math.isfinite(value) for value in result.last.losses.values())


@pytest.mark.parametrize("method", METHODS)
def test_two_samples_are_enough_and_no_batch_is_ever_one(tmp_path, method):
    """BatchNorm has no statistics of a single sample: what fills no batch is left out."""
    two = small_images(n_train=2)
    result = fit(tmp_path / "two", two, plan_of(method, epochs=2, hold_out=0.5))
    assert math.isfinite(result.last.losses["loss"])
    # 9 samples in batches of 8 would leave one.
    nine = small_images(n_train=9)
    result = fit(tmp_path / "nine", nine, plan_of(method, epochs=2, batch_size=8, hold_out=0.0))
    assert math.isfinite(result.last.losses["loss"])


def test_a_batch_of_one_is_refused():
    with pytest.raises(SettingError, match="batch_size"):
        TrainConfig(batch_size=1)


PROGRAM = """
import resource, signal, sys
from pathlib import Path
from cad_studio.core.errors import StorageError
from cad_studio.core.progress import Silent
from cad_studio.training.trainer import Trainer
from tests.training.runs import small_images, small_plan

def fill(report, is_best):
    if report.epoch == full_after:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

full_after, every = map(int, sys.argv[2:])
plan = small_plan(epochs=4, hold_out=0.0, checkpoint_epochs=every)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    Trainer(small_images(), plan, Path(sys.argv[1])).fit(Silent(), fill)
except StorageError as error:
    print(error)
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files by ulimit")
@pytest.mark.parametrize(
    ("full_after", "every", "said", "kept"),
    [(1, 1, "No space is left for a checkpoint", 1), (2, 2, r"No space .*model\.safetensors", 2)],
)
def test_a_run_whose_disk_fills_up_goes_on_where_it_was_once_there_is_space(
    tmp_path, full_after, every, said, kept
):
    """The limit on file size stands for a full disk: both refuse the write half-way."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "full"), str(full_after), str(every)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(said, done.stdout), done.stderr
    assert Checkpoints(tmp_path / "full" / "checkpoints").load().state["epoch"] == kept
    load_model(tmp_path / "full" / MODEL_FILE)
    plan = small_plan(epochs=4, hold_out=0.0)
    fit(tmp_path / "full", small_images(), plan)
    fit(tmp_path / "whole", small_images(), plan)
    assert_same_run(tmp_path / "full", tmp_path / "whole")
