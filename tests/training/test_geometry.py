"""Crops, shifts and resizes against slow loops over single images."""

import pytest
import torch

from cad_studio.core.optional import require
from cad_studio.training.geometry import (
    cut_out,
    draw_flips,
    draw_windows,
    resample,
    resize_weights,
    shift,
)

N_IMAGES = 6


@pytest.fixture
def chance():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def images(chance):
    return torch.rand(N_IMAGES, 3, 10, 12, generator=chance)


def test_a_crop_of_the_whole_image_is_the_image(images):
    zero = torch.zeros(N_IMAGES, dtype=torch.long)
    weights = [resize_weights(zero, zero + side, side, side) for side in (10, 12)]
    assert torch.allclose(resample(images, *weights), images, atol=1e-6)


@pytest.mark.parametrize("size", [(10, 12), (7, 5), (20, 31)])
def test_crops_of_a_batch_equal_torchvisions_crops_one_by_one(images, chance, size):
    functional = require("torchvision.transforms.functional", "torchvision", "This test")
    window = draw_windows(N_IMAGES, (10, 12), (0.2, 1.0), chance)
    flips = draw_flips(N_IMAGES, chance)
    vertical = resize_weights(window.top, window.height, 10, size[0])
    horizontal = resize_weights(window.left, window.width, 12, size[1], flips)
    got = resample(images, vertical, horizontal)
    for row in range(N_IMAGES):
        box = [int(side[row]) for side in (window.top, window.left, window.height, window.width)]
        want = functional.resized_crop(images[row], *box, list(size), antialias=True)
        if flips[row]:
            want = want.flip(-1)
        assert torch.allclose(got[row], want, atol=1e-4)
    assert len({tuple(box) for box in torch.stack([window.top, window.left]).T.tolist()}) > 1


def test_a_shift_equals_padding_by_reflection_and_cropping(images):
    offset = torch.tensor([[-4, -1, 0, 2, 3, 4], [4, -3, 0, 1, -2, 2]])
    flips = torch.tensor([False, True, False, True, False, True])
    got = shift(images, offset, flips)
    for row in range(N_IMAGES):
        image = images[row].flip(-1) if flips[row] else images[row]
        padded = torch.nn.functional.pad(image[None], (4, 4, 4, 4), mode="reflect")[0]
        top, left = (4 + offset[:, row]).tolist()
        assert torch.equal(got[row], padded[:, top : top + 10, left : left + 12])


def test_a_cut_out_square_is_clipped_at_the_border(images):
    centre = torch.tensor([[0, 5, 9, 5, 5, 5], [0, 6, 11, 6, 6, 6]])
    size = torch.tensor([4, 4, 4, 0, 3, 40])
    got = cut_out(images, centre, size, 7.0)
    for row in range(N_IMAGES):
        want = images[row].clone()
        side = int(size[row])
        for y in range(10):
            for x in range(12):
                top, left = (int(place) - side // 2 for place in centre[:, row])
                if top <= y < top + side and left <= x < left + side:
                    want[:, y, x] = 7.0
        assert torch.equal(got[row], want)


def test_windows_lie_in_the_image_and_keep_the_wanted_area(chance):
    window = draw_windows(2000, (28, 28), (0.2, 1.0), chance)
    assert (window.top >= 0).all()
    assert (window.left >= 0).all()
    assert (window.top + window.height <= 28).all()
    assert (window.left + window.width <= 28).all()
    share = window.height * window.width / (28 * 28)
    # Sides are rounded to whole pixels: a little off at either end.
    assert share.min() > 0.15
    assert 0.5 < share.mean() < 0.65
    ratio = window.width / window.height
    assert (ratio.median() - 1.0).abs() < 0.15


def test_a_shape_that_never_fits_takes_the_whole_image(chance):
    window = draw_windows(20, (4, 400), (0.9, 1.0), chance)
    assert (window.height == 4).all()
    assert (window.width == 400).all()
    assert (window.top == 0).all()
