"""Images on their way to the device, resident or streamed, and what is measured of them."""

import numpy as np
import pytest
import torch

from cad_studio.core.progress import Silent
from cad_studio.training import inputs as module
from cad_studio.training.data import measure_normalisation
from cad_studio.training.hold_out import split_hold_out
from cad_studio.training.inputs import Resident, Streamed, open_inputs
from cad_studio.training.trainer import Trainer
from tests.array_pixels import ArrayPixels
from tests.training.runs import SIDE_PX, small_images, small_plan

CPU = torch.device("cpu")


class UnevenPixels(ArrayPixels):
    """Images that are to be decoded one by one."""

    @property
    def native_shape(self):
        return None

    def batch(self, rows, height, width, channels):
        return np.stack([self._images[row][:height, :width] for row in rows])


def uneven(n_images=30, side=24):
    chance = np.random.default_rng(0)
    return UnevenPixels(chance.integers(0, 256, (n_images, side, side, 3), dtype=np.uint8))


@pytest.mark.parametrize("n_workers", [0, 2])
def test_streamed_images_come_in_the_order_asked_for(n_workers):
    pixels = uneven()
    parts = [np.array([3, 1, 2]), np.array([7]), np.array([29, 0])] * 3
    streamed = Streamed(pixels, 16, 3, n_workers, CPU)
    got = list(streamed.batches(parts))
    assert len(got) == 9
    for rows, images in zip(parts, got, strict=True):
        assert images.dtype == torch.uint8
        assert np.array_equal(images.numpy(), pixels.batch(rows, 16, 16, 3))
    assert list(streamed.batches([])) == []


def test_a_dataset_that_fits_is_read_once_and_kept():
    data = small_images()
    opened = open_inputs(data, CPU, 0, Silent())
    assert isinstance(opened, Resident)
    rows = np.array([5, 0, 5])
    (images,) = opened.batches([rows])
    assert np.array_equal(images.numpy(), data.pixels.batch(rows, SIDE_PX, SIDE_PX, 1))


def test_streaming_changes_no_weight(tmp_path, monkeypatch):
    """Workers decode and draw no random number, so where images come from must not matter."""
    data, plan = small_images(), small_plan(epochs=2)
    resident = Trainer(data, plan, tmp_path / "resident").fit(Silent())
    monkeypatch.setattr(module, "RESIDENT_BYTES", 0)
    assert isinstance(open_inputs(data, CPU, 2, Silent()), Streamed)
    streamed = Trainer(data, plan, tmp_path / "streamed").fit(Silent())
    assert streamed.last.losses == resident.last.losses
    assert streamed.last.oracle == resident.last.oracle


def test_vectors_are_scaled_by_the_training_rows_alone():
    chance = np.random.default_rng(0)
    features = chance.normal(3.0, 2.0, (120, 4)).astype(np.float32)
    features[96:] = 1000.0
    data = small_images(pixels=None, features=features)
    (scaled,) = open_inputs(data, CPU, 0, Silent()).batches([np.arange(96)])
    assert scaled.mean(dim=0).abs().max() < 1e-4
    assert (scaled.std(dim=0, unbiased=False) - 1.0).abs().max() < 1e-3


def test_the_hold_out_is_a_share_that_leaves_two_samples():
    rows = np.arange(100, 200)
    kept, held = split_hold_out(rows, 0.1, seed=0)
    assert len(held) == 10
    assert sorted([*kept, *held]) == rows.tolist()
    assert not np.array_equal(held, split_hold_out(rows, 0.1, seed=1)[1])
    kept, held = split_hold_out(rows[:3], 0.5, seed=0)
    assert (len(kept), len(held)) == (2, 1)
    assert len(split_hold_out(rows, 0.0, seed=0)[1]) == 0


def test_normalisation_is_measured_by_channel():
    images = np.zeros((4, 10, 10, 3), np.uint8)
    images[:2, :, :, 1] = 255
    images[:, :, :, 2] = 51
    mean, std = measure_normalisation(ArrayPixels(images), np.arange(4), 3)
    assert mean == pytest.approx([0.0, 0.5, 0.2])
    # A constant channel is not divided by nothing.
    assert std == pytest.approx([0.01, 0.5, 0.01])
