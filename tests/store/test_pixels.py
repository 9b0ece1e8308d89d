"""Stored pixels, decoded in batches of the shape asked for."""

import io

import numpy as np
import pytest
from PIL import Image

from cad_studio.datasets.decoding import decode
from cad_studio.store.pixels import EncodedPixels, MappedPixels


def mapped(channels):
    shape = (4, 6, 5, channels)
    array = np.random.default_rng(channels).integers(0, 256, shape, np.uint8)
    return array, MappedPixels(array)


def encoded():
    generator = np.random.default_rng(0)
    grey = generator.integers(0, 256, (7, 5), np.uint8)
    colour = generator.integers(0, 256, (3, 9, 3), np.uint8)
    files = []
    for pixels in (grey, colour):
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG")
        files.append(out.getvalue())
    offsets = np.cumsum([0, *map(len, files)]).astype(np.int64)
    data = np.frombuffer(b"".join(files), np.uint8)
    return grey, colour, files, EncodedPixels(data, offsets, ["a", "b"], decode)


@pytest.mark.parametrize("channels", [1, 3])
def test_mapped_images_come_back_unchanged_in_their_own_shape(channels):
    array, pixels = mapped(channels)
    assert pixels.native_shape == (6, 5, channels)
    assert len(pixels) == 4
    batch = pixels.batch(np.array([3, 0, 3]), 6, 5, channels)
    np.testing.assert_array_equal(batch, array[[3, 0, 3]])
    assert pixels.image(2).shape == (6, 5, 3)
    np.testing.assert_array_equal(pixels.image(2)[..., :channels], array[2])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("wanted", [(8, 3, 1), (8, 3, 3), (6, 5, 1), (6, 5, 3)])
def test_any_shape_can_be_asked_for(channels, wanted):
    _, pixels = mapped(channels)
    batch = pixels.batch(np.array([1, 2]), *wanted)
    assert batch.shape == (2, *wanted)
    assert batch.dtype == np.uint8
    _, _, _, files = encoded()
    assert files.batch(np.array([1, 0]), *wanted).shape == (2, *wanted)


def test_grey_stays_grey_when_three_channels_are_asked_for():
    array, pixels = mapped(1)
    batch = pixels.batch(np.array([1]), 6, 5, 3)
    np.testing.assert_array_equal(batch[0], np.repeat(array[1], 3, axis=2))


def test_encoded_images_of_different_sizes_keep_their_files_and_pixels():
    grey, colour, files, pixels = encoded()
    assert pixels.native_shape is None
    assert len(pixels) == 2
    assert [pixels.file(0), pixels.file(1)] == files
    np.testing.assert_array_equal(pixels.image(0), np.repeat(grey[..., None], 3, axis=2))
    np.testing.assert_array_equal(pixels.image(1), colour)
    np.testing.assert_array_equal(pixels.batch(np.array([1]), 3, 9, 3)[0], colour)
    np.testing.assert_array_equal(pixels.batch(np.array([0]), 7, 5, 1)[0, ..., 0], grey)


def test_no_rows_give_an_empty_batch():
    _, pixels = mapped(3)
    assert pixels.batch(np.zeros(0, int), 4, 4, 1).shape == (0, 4, 4, 1)
