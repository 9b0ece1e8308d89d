import numpy as np
import pytest

from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.progress import Silent
from cad_studio.extractors._base import make_extractor
from tests.extractors.memory_pixels import MemoryPixels


def features_of(images, tmp_path):
    return make_extractor("pixels").extract(MemoryPixels(images), None, Silent(), tmp_path)


def test_cosines_are_those_of_centred_images_when_no_component_is_left_out(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (30, 4, 5), np.uint8)
    features = features_of(images, tmp_path)
    centred = images.reshape(30, 20) / 255.0
    centred -= centred.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    assert features.shape == (30, 20)
    np.testing.assert_allclose(features @ features.T, centred @ centred.T, atol=1e-5)


def test_large_images_give_64_components_whatever_the_block_size(tmp_path, monkeypatch):
    images = np.random.default_rng(1).integers(0, 256, (90, 40, 36, 3), np.uint8)
    features = features_of(images, tmp_path)
    monkeypatch.setattr("cad_studio.extractors._principal._BLOCK", 7)
    assert features.shape == (90, 64)
    again = features_of(images, tmp_path)
    np.testing.assert_allclose(again @ again.T, features @ features.T, atol=1e-3)


@pytest.mark.parametrize("n_images", [1, 3])
def test_images_without_variation_share_one_direction(n_images, tmp_path):
    images = np.full((n_images, 9, 9), 77, np.uint8)
    features = features_of(images, tmp_path)
    expected = np.zeros((n_images, 64), np.float32)
    expected[:, 0] = 1
    np.testing.assert_array_equal(features, expected)


def test_a_dataset_of_vectors_is_refused(tmp_path):
    with pytest.raises(DatasetFormatError, match="Use raw"):
        make_extractor("pixels").extract(None, np.ones((2, 2), np.float32), Silent(), tmp_path)
