"""Options behind the name of a network: size, mirror images, several stages."""

import numpy as np
import pytest
import torch

from cad_studio.core.errors import SettingError
from cad_studio.core.progress import Silent
from cad_studio.core.workers import ALONE, Task
from cad_studio.extractors import _chunked
from cad_studio.extractors._base import make_extractor
from cad_studio.extractors._networks import images_at_once
from cad_studio.extractors._options import Options, split_options
from tests.extractors.memory_pixels import MemoryPixels
from tests.extractors.tiny_models import save_tiny_vit, use_random_resnet

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)


def features(spec, folder, images=IMAGES):
    return make_extractor(spec).extract(MemoryPixels(images), None, Silent(), folder / spec[-9:])


def test_options_are_read_in_any_order_and_leave_the_name():
    assert split_options("resnet18") == ("resnet18", Options())
    assert split_options("a,b/c,mirror,size=160") == ("a,b/c", Options(160, True, 1))
    assert split_options("x,layers=3") == ("x", Options(layers=3))


@pytest.mark.parametrize(
    ("argument", "words"),
    [("x,size=4", "size is 4; expected 16"), ("x,layers=0", "layers is 0"),
     ("x,mirror,mirror", "given twice")],
)  # fmt: skip
def test_options_that_cannot_be_used_are_told(argument, words):
    with pytest.raises(SettingError, match=words):
        split_options(argument)


def test_a_convolutional_network_looks_as_it_is_told(tmp_path, monkeypatch):
    use_random_resnet(tmp_path, monkeypatch)
    plain = features("torchvision:resnet18,size=64", tmp_path)
    assert plain.shape == (3, 512)
    # a mirrored image looks the same from both sides, so its two looks are one
    mirror = features("torchvision:resnet18,size=56,mirror", tmp_path)
    both = [features("torchvision:resnet18,size=56", tmp_path / name, images)
            for name, images in (("a", IMAGES), ("b", IMAGES[:, :, ::-1]))]  # fmt: skip
    mean = torch.nn.functional.normalize(torch.tensor(both[0] + both[1])).numpy()
    np.testing.assert_allclose(mirror, mean, atol=2e-3)
    joined = features("torchvision:resnet18,size=64,layers=2", tmp_path)
    assert joined.shape == (3, 512 + 256)
    np.testing.assert_allclose(joined[:, :512] * np.sqrt(2), plain, atol=1e-5)
    with pytest.raises(SettingError, match="has 4 stages to take features of, not 9"):
        features("torchvision:resnet18,size=32,layers=9", tmp_path)
    keys = {make_extractor(f"torchvision:resnet18{option}").key()
            for option in ("", ",size=56", ",mirror", ",layers=2")}  # fmt: skip
    assert len(keys) == 4
    assert (
        "56 px, with mirror images"
        in make_extractor("torchvision:resnet18,size=56,mirror").describe()
    )


def test_a_transformer_looks_as_it_is_told(tmp_path):
    folder = save_tiny_vit(tmp_path / "vit")
    plain = features(f"hf:{folder}", tmp_path)
    larger = features(f"hf:{folder},size=16", tmp_path)
    assert larger.shape == plain.shape
    assert not np.allclose(larger, plain)
    joined = features(f"hf:{folder},layers=2,mirror", tmp_path)
    assert joined.shape == (3, 2 * plain.shape[1])


def test_large_images_go_through_a_few_at_a_time():
    cpu = torch.device("cpu")
    assert 1 <= images_at_once(2048, cpu) <= images_at_once(64, cpu) <= 32
    assert images_at_once(100_000, cpu) == 1


def test_progress_says_how_long_it_takes_still_and_a_stop_is_heard_within_a_part(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(_chunked, "STEP", 2)
    said, computed = [], []

    class Listener:
        def report(self, fraction, message):
            said.append(message)
            if len(said) == 2:
                raise KeyboardInterrupt

    class Ones(Task):
        def prepare(self):
            return self.work

        def work(self, shard):
            computed.extend(shard.rows.tolist())
            return np.ones((len(shard), 2), np.float32)

    pixels = MemoryPixels(np.zeros((7, 4, 4), np.uint8))
    with pytest.raises(KeyboardInterrupt):
        _chunked.in_parts(Ones(), pixels, tmp_path, "k", Listener(), ALONE)
    assert computed == [0, 1, 2, 3]
    assert said[1] == "Features of 4 of 7 images, about 1 s left"
