import numpy as np
import pytest

from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.progress import Silent
from cad_studio.extractors._base import make_extractor
from cad_studio.extractors.hog import describe_gradients
from tests.extractors.memory_pixels import MemoryPixels


def features_of(images, tmp_path):
    return make_extractor("hog").extract(MemoryPixels(images), None, Silent(), tmp_path)


def test_an_upright_edge_fills_one_direction_of_the_cells_it_crosses():
    # Left half black, right half white: only columns 3 and 4 have a gradient, of 1 across and 0
    # down, in all 8 rows; direction 0. Cells of 4 px: each of the four holds 4 of that, in the
    # first of its 9 bins. Length of the block 8; 4 / (8 + 0.1) = 0.4938, cut to 0.2; length
    # 0.4, 0.2 / (0.4 + 0.1) = 0.4.
    image = np.zeros((1, 8, 8, 1), np.uint8)
    image[:, :, 4:] = 255
    expected = np.zeros((4, 9))
    expected[:, 0] = 0.4
    np.testing.assert_allclose(describe_gradients(image, 4)[0], expected.ravel(), atol=1e-6)


def test_a_direction_between_two_bins_is_shared_by_them():
    # Square roots rise alike across and down: 45 degrees, place 2.25 of 9. Each of the four cells
    # has three quarters of its length in bin 2, one in bin 3: both above the cut at 0.2.
    steps = np.add.outer(np.arange(8), np.arange(8)) / 14
    image = np.round(255 * steps**2).astype(np.uint8)[None, :, :, None]
    first = describe_gradients(image, 4)[0].reshape(4, 9)[0]
    assert set(np.flatnonzero(first > 0.2)) == {2, 3}
    assert first[[0, 1, 4, 5, 6, 7, 8]].max() < 0.15


def test_the_channel_with_the_steepest_edge_counts():
    grey = np.random.default_rng(0).integers(0, 256, (3, 12, 8, 1), np.uint8)
    flat = np.full_like(grey, 90)
    colour = np.concatenate([flat, grey, flat], axis=3)
    np.testing.assert_allclose(describe_gradients(colour, 4), describe_gradients(grey, 4))


def test_brightness_and_contrast_matter_less_than_shape(tmp_path):
    generator = np.random.default_rng(1)
    shapes = generator.integers(0, 2, (2, 7, 7)).repeat(4, axis=1).repeat(4, axis=2)
    scale = generator.uniform(120, 250, (40, 1, 1))
    noise = generator.integers(0, 6, (40, 28, 28))
    kind = np.arange(40) % 2
    images = (shapes[kind] * scale + noise).astype(np.uint8)[..., None]
    features = features_of(images, tmp_path)
    cosine = features @ features.T
    same = kind[:, None] == kind
    assert cosine[same].min() > cosine[~same].max()


@pytest.mark.parametrize("shape", [(3, 1, 1, 1), (3, 28, 28, 1), (3, 30, 9, 3), (2, 90, 70, 3)])
def test_images_of_any_size_get_unit_length(shape, tmp_path):
    images = np.random.default_rng(2).integers(0, 256, shape, np.uint8)
    features = features_of(images, tmp_path)
    assert features.shape[1] <= 64
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)


def test_a_dataset_of_vectors_is_refused(tmp_path):
    with pytest.raises(DatasetFormatError, match="Use raw"):
        make_extractor("hog").extract(None, np.ones((2, 2), np.float32), Silent(), tmp_path)
