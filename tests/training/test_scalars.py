"""What TensorBoard reads of a run."""

import sys

import pytest

from cad_studio.core.errors import JobCancelled, MissingPackageError
from cad_studio.core.progress import Silent
from cad_studio.training.scalars import named_figures
from cad_studio.training.trainer import SCALARS_FOLDER, Trainer
from tests.training.runs import StopsAfter, small_images, small_plan


def read_back(folder):
    """Name to {epoch: value}."""
    loading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = loading.EventAccumulator(str(folder))
    events.Reload()
    return {
        name: {event.step: event.value for event in events.Scalars(name)}
        for name in events.Tags()["scalars"]
    }


def test_figures_of_every_epoch_are_read_back_after_a_stop_and_a_resume(tmp_path):
    data, plan = small_images(), small_plan(epochs=3, tensorboard=True)
    with pytest.raises(JobCancelled):
        Trainer(data, plan, tmp_path).fit(StopsAfter(2, lambda message: "Epoch 2" in message))
    reports = []
    Trainer(data, plan, tmp_path).fit(Silent(), lambda report, is_best: reports.append(report))
    found = read_back(tmp_path / SCALARS_FOLDER)
    assert sorted(found["loss/loss"]) == [0, 1, 2]
    for report in reports:
        for name, value in named_figures(report).items():
            assert found[name][report.epoch] == pytest.approx(value, rel=1e-6), name
    assert {"held_out/approximated_accuracy", "oracle/test_accuracy"} <= set(found)


def test_nothing_is_written_unless_asked_for(tmp_path):
    Trainer(small_images(), small_plan(epochs=1), tmp_path).fit(Silent())
    assert not (tmp_path / SCALARS_FOLDER).exists()


def test_a_missing_package_is_said_before_anything_is_trained(tmp_path, monkeypatch):
    # None in the table of modules is how Python marks one that cannot be imported.
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingPackageError, match="pip install tensorboard"):
        Trainer(small_images(), small_plan(tensorboard=True), tmp_path).fit(Silent())
    assert list(tmp_path.iterdir()) == []
