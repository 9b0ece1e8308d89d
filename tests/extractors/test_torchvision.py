from urllib.error import URLError

import numpy as np
import pytest
import torch

from cad_studio.core.errors import ResourceError, SettingError
from cad_studio.core.optional import require
from cad_studio.core.progress import Silent
from cad_studio.extractors import _chunked
from cad_studio.extractors._base import make_extractor
from tests.extractors.memory_pixels import MemoryPixels
from tests.extractors.tiny_models import use_random_resnet


def make_pixels(n_images=3):
    images = np.random.default_rng(0).integers(0, 256, (n_images, 8, 8, 3), np.uint8)
    return MemoryPixels(images)


def test_features_are_what_the_last_layer_is_given(tmp_path, monkeypatch):
    state = use_random_resnet(tmp_path, monkeypatch)
    models = require("torchvision.models", "torchvision", "The test")
    pixels = make_pixels(3)
    features = make_extractor("torchvision:resnet18").extract(pixels, None, Silent(), tmp_path)

    model = models.resnet18(weights=None)
    model.load_state_dict(state)
    model.fc = torch.nn.Identity()
    transform = models.ResNet18_Weights.DEFAULT.transforms()
    images = torch.stack([transform(torch.tensor(i).permute(2, 0, 1)) for i in pixels.images])
    with torch.no_grad():
        expected = torch.nn.functional.normalize(model.eval()(images)).numpy()
    np.testing.assert_allclose(features, expected, atol=1e-5)


def test_an_interrupted_extraction_goes_on_where_it_stopped(tmp_path, monkeypatch):
    use_random_resnet(tmp_path, monkeypatch)
    monkeypatch.setattr(_chunked, "PART_SIZE", 1)
    extractor = make_extractor("torchvision:resnet18")
    complete = extractor.extract(make_pixels(), None, Silent(), tmp_path / "other")

    class Stopped(Exception):
        pass

    class StopAfterTwoParts:
        def report(self, fraction, message):
            if fraction > 0.6:
                raise Stopped

    with pytest.raises(Stopped):
        extractor.extract(make_pixels(), None, StopAfterTwoParts(), tmp_path / "parts")
    pixels = make_pixels()
    resumed = extractor.extract(pixels, None, Silent(), tmp_path / "parts")
    assert pixels.read == [2]
    np.testing.assert_array_equal(resumed, complete)


def test_missing_weights_say_where_to_put_them(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", refuse)
    folder = tmp_path / "hub" / "checkpoints"
    with pytest.raises(ResourceError, match=f"Put resnet18-f37072fd.pth .* into {folder}"):
        make_extractor("torchvision:resnet18").extract(make_pixels(1), None, Silent(), tmp_path)


def test_damaged_weights_are_named(tmp_path, monkeypatch):
    use_random_resnet(tmp_path, monkeypatch)
    (tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth").write_bytes(b"cut off")
    with pytest.raises(ResourceError, match=r"resnet18-f37072fd\.pth is not a readable file"):
        make_extractor("torchvision:resnet18").extract(make_pixels(1), None, Silent(), tmp_path)


def test_a_misspelt_model_gets_a_suggestion():
    with pytest.raises(SettingError, match="Closest: 'resnet18'"):
        make_extractor("torchvision:resnet_18").describe()


def test_the_width_is_told_before_anything_is_loaded():
    described = make_extractor("torchvision:resnet18").describe()
    assert described.startswith("torchvision resnet18 (512 features")
