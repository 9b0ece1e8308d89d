"""An estimate runs steps of the plan it is asked about, and leaves no trace."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cad_studio.core.errors import SettingError
from cad_studio.core.progress import Silent
from cad_studio.training import inputs
from cad_studio.training.estimate import estimate
from cad_studio.training.opening import Outside
from cad_studio.training.subset import take_subset
from cad_studio.training.trainer import Trainer
from tests.training.runs import N_CLASSES, N_TRAIN, SIDE_PX, small_images, small_plan

SHORT = 0.05


@pytest.mark.parametrize("method", ["proden", "cad-cam", "cc", "pop", "supervised"])
def test_the_parts_make_the_whole(method):
    plan = small_plan(method, epochs=30)
    found = estimate(small_images(), plan, seconds=SHORT)
    # 96 samples, a tenth held out, 16 a batch.
    assert found.steps_per_epoch == 5
    assert found.seconds_per_step > 0
    assert found.seconds_per_epoch > 5 * found.seconds_per_step
    assert found.samples_per_second == pytest.approx(16 / found.seconds_per_step)
    assert found.seconds == pytest.approx(found.seconds_setup + 30 * found.seconds_per_epoch)
    assert found.memory_mb > 50


def test_it_times_the_steps_that_are_made_after_the_warm_up(monkeypatch):
    """Class views by activation maps, and contrast by class, are what costs."""
    from cad_studio.algorithms.cad_cam import CadCam

    seen = []
    step = CadCam.step

    def watched(self, batch):
        is_class_aware = self.epoch >= self.first_class_epoch
        seen.append((is_class_aware, self.cam.cache.maps.numel() > 0, len(batch.row)))
        return step(self, batch)

    monkeypatch.setattr(CadCam, "step", watched)
    estimate(small_images(), small_plan("cad-cam", epochs=30), seconds=0.5)
    assert all(is_class_aware and has_maps for is_class_aware, has_maps, _ in seen)
    assert seen[-1][2] == 16


def test_nothing_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data, plan = small_images(), small_plan(epochs=2)
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    first = Trainer(data, plan, tmp_path / "before").fit(Silent()).last
    estimate(data, plan, seconds=SHORT)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert [path.name for path in tmp_path.iterdir()] == ["before"]
    again = Trainer(data, plan, tmp_path / "after").fit(Silent()).last
    assert again.losses == first.losses


def test_a_start_and_its_refreshes_are_counted(monkeypatch):
    asked = []

    def start(rows):
        asked.append(len(rows))
        return np.full((len(rows), N_CLASSES), 1 / N_CLASSES, np.float32)

    outside = Outside(start=start, refresh=lambda rows, features: start(rows))
    plan = small_plan(epochs=4, refresh_epochs="1, 2")
    found = estimate(small_images(), plan, outside, seconds=SHORT)
    assert asked == [round(N_TRAIN * 0.9)]
    assert found.seconds_setup > 0


def test_a_budget_bounds_the_whole():
    found = estimate(small_images(), small_plan(epochs=100_000, max_seconds=5.0), seconds=SHORT)
    assert found.seconds == found.seconds_setup + 5.0


def test_vectors_and_streamed_images_are_timed_too(monkeypatch):
    data = small_images()
    rows = np.arange(len(data.candidates))
    flat = data.pixels.batch(rows, SIDE_PX, SIDE_PX, 1).reshape(-1, SIDE_PX**2)
    vectors = replace(data, pixels=None, features=flat.astype(np.float32))
    plan = replace(small_plan(), backbone="mlp")
    assert estimate(vectors, plan, seconds=SHORT).seconds_per_step > 0
    monkeypatch.setattr(inputs, "RESIDENT_BYTES", 0)
    assert estimate(data, small_plan(), seconds=SHORT).seconds_setup == 0.0


def test_what_cannot_be_trained_is_refused_as_in_training():
    data = small_images(truth=None)
    with pytest.raises(SettingError, match="supervised training needs true labels"):
        estimate(data, small_plan("supervised"), seconds=SHORT)


def test_a_subset_keeps_each_sample_with_its_own():
    data = small_images()
    rows = np.array([40, 3, 77])
    seen = []

    def edits(asked, guide):
        seen.append((asked.tolist(), guide.tolist()))
        return np.zeros((2, SIDE_PX, SIDE_PX, 3), np.uint8), np.zeros(2, bool)

    part, outside = take_subset(data, rows, Outside(edits=edits))
    assert part.candidates == data.candidates.take(rows)
    assert np.array_equal(part.truth, data.truth[rows])
    wanted = data.pixels.batch(rows[[2, 0]], SIDE_PX, SIDE_PX, 1)
    assert np.array_equal(part.pixels.batch(np.array([2, 0]), SIDE_PX, SIDE_PX, 1), wanted)
    assert np.array_equal(part.pixels.image(1), data.pixels.image(3))
    outside.edits(np.array([1, 2]), np.array([0, 0]))
    assert seen == [([3, 77], [0, 0])]
