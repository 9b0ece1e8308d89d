"""Small images as PNG files: any decoder gives back every pixel."""

import io

import numpy as np
import pytest
from PIL import Image

from cad_studio.datasets.png_files import png_files


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (28, 28), (3, 64), (64, 2), (65, 8)])
def test_every_pixel_comes_back(height, width, channels):
    chance = np.random.default_rng(0)
    images = chance.integers(0, 256, (3, height, width, channels), np.uint8)
    images[1] = 7
    files = png_files(images)
    assert len(files) == 3
    for file, image in zip(files, images, strict=True):
        with Image.open(io.BytesIO(file)) as read:
            read.load()
            assert (read.format, read.mode) == ("PNG", "L" if channels == 1 else "RGB")
            assert (np.asarray(read).reshape(image.shape) == image).all()


def test_none_are_none():
    assert png_files(np.zeros((0, 28, 28, 1), np.uint8)) == []
