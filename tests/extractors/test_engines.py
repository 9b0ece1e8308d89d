"""What computes a network: each engine gives what plain torch gives, or says why it cannot."""

import shutil
import sys
import threading
import time

import numpy as np
import pytest
import torch

from cad_studio.core.errors import MissingPackageError, ResourceError, SettingError
from cad_studio.core.optional import is_installed
from cad_studio.core.progress import Silent
from cad_studio.extractors import _engines
from cad_studio.extractors._base import make_extractor
from cad_studio.extractors._engines import engine
from cad_studio.extractors._looking import looking
from cad_studio.extractors._options import Options, split_options
from tests.extractors.memory_pixels import MemoryPixels
from tests.extractors.tiny_models import save_tiny_vit, use_random_resnet

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
CPU = torch.device("cpu")
needs_openvino = pytest.mark.skipif(
    not is_installed("openvino"), reason="openvino is not installed (pip install openvino)"
)


def features(spec, folder, images=IMAGES):
    folder = folder / spec.rpartition(",")[2]
    return make_extractor(spec).extract(MemoryPixels(images), None, Silent(), folder)


def cosines(one, other):
    return (one * other).sum(axis=1)


@needs_openvino
@pytest.mark.parametrize("options", ["size=64", "size=64,mirror,layers=2"])
def test_a_convolutional_network_gives_the_same_by_openvino(options, tmp_path, monkeypatch):
    use_random_resnet(tmp_path, monkeypatch)
    # in batches of 2 the last of 5 images is alone, and is filled up
    monkeypatch.setattr("cad_studio.extractors.torchvision.images_at_once", lambda *_: 2)
    spec = f"torchvision:resnet18,{options}"
    plain, by_openvino = features(spec, tmp_path / "a"), features(f"{spec},openvino", tmp_path)
    assert by_openvino.shape == plain.shape
    assert cosines(plain, by_openvino).min() > 0.99999
    assert not np.allclose(plain[0], plain[1], atol=1e-4)


@needs_openvino
def test_a_transformer_gives_the_same_by_openvino(tmp_path):
    folder = save_tiny_vit(tmp_path / "vit")
    for options in ("", ",size=16,layers=2"):
        plain = features(f"hf:{folder}{options}", tmp_path / "a")
        by_openvino = features(f"hf:{folder}{options},openvino", tmp_path / f"b{options}")
        assert cosines(plain, by_openvino).min() > 0.99999


@needs_openvino
def test_what_openvino_cannot_compute_is_said():
    network = torch.nn.Identity()
    computed = engine(network, lambda x: [torch.special.i0e(x)], Options(openvino=True), CPU)
    with pytest.raises(ResourceError, match=r"OpenVINO cannot compute this network: .*Leave openv"):
        computed(torch.zeros(1, 3, 4, 4))


def test_a_missing_openvino_is_named_before_anything_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    for spec in (f"hf:{tmp_path / 'nothing'},openvino", "torchvision:resnet18,openvino"):
        with pytest.raises(MissingPackageError, match=r"option openvino needs openvino.*pip"):
            features(spec, tmp_path)


def test_bf16_is_refused_where_it_would_be_slow_and_near_float32_elsewhere(tmp_path, monkeypatch):
    folder = save_tiny_vit(tmp_path / "vit")
    plain = features(f"hf:{folder}", tmp_path / "a")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    with pytest.raises(ResourceError, match=r"cpu of this machine has no bf16 .*Leave bf16 out"):
        features(f"hf:{folder},bf16", tmp_path / "b")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    rounded = features(f"hf:{folder},bf16", tmp_path / "c")
    assert rounded.dtype == np.float32
    assert cosines(plain, rounded).min() > 0.999
    assert not np.allclose(plain, rounded, atol=1e-6)


@needs_openvino
def test_openvino_in_bf16_is_near_float32_or_refused(tmp_path):
    import openvino

    folder = save_tiny_vit(tmp_path / "vit")
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        with pytest.raises(ResourceError, match="CPU of this machine has no bf16"):
            features(f"hf:{folder},openvino,bf16", tmp_path)
        return
    plain = features(f"hf:{folder}", tmp_path / "a")
    rounded = features(f"hf:{folder},openvino,bf16", tmp_path)
    assert cosines(plain, rounded).min() > 0.999


def test_a_compiled_network_gives_the_same(tmp_path, monkeypatch):
    # that the graph is whole is tried here; what inductor makes of it takes half a minute
    monkeypatch.setattr(_engines, "_COMPILER", "eager")
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/c++")
    monkeypatch.setattr("cad_studio.extractors.hf.images_at_once", lambda *_: 2)
    folder = save_tiny_vit(tmp_path / "vit")
    plain, compiled = (features(f"hf:{folder}{each}", tmp_path) for each in ("", ",compile"))
    np.testing.assert_allclose(compiled, plain, atol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("c++"), reason="needs a C++ compiler")
def test_inductor_gives_the_same(tmp_path, monkeypatch):
    use_random_resnet(tmp_path, monkeypatch)
    for spec in (f"hf:{save_tiny_vit(tmp_path / 'vit')}", "torchvision:resnet18,size=32,layers=2"):
        plain, compiled = features(spec, tmp_path / "a"), features(f"{spec},compile", tmp_path)
        np.testing.assert_allclose(compiled, plain, atol=1e-5)


def test_a_missing_compiler_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    folder = save_tiny_vit(tmp_path / "vit")
    with pytest.raises(MissingPackageError, match=r"needs a C\+\+ compiler.*leave compile out"):
        features(f"hf:{folder},compile", tmp_path)


def test_each_engine_has_a_key_of_its_own_and_the_plain_key_stays():
    keys = [Options(size=64, mirror=True, layers=2, **engine).key()
            for engine in ({}, {"openvino": True}, {"compile": True}, {"bf16": True})]  # fmt: skip
    assert keys[0] == "/mirror/layers=2"
    assert len(set(keys)) == 4
    assert split_options("x,bf16,openvino") == ("x", Options(openvino=True, bf16=True))
    with pytest.raises(SettingError, match="openvino and compile are two ways"):
        split_options("x,compile,openvino")


def test_images_are_decoded_while_the_network_computes():
    """Each wait below ends only because the other side goes on meanwhile."""
    decoded, looked_at = threading.Event(), threading.Event()

    class Pixels(MemoryPixels):
        def image(self, row):
            if row == 2:  # of the second batch, while the network has the first
                decoded.set()
            return super().image(row)

    def stages(values):
        if not looked_at.is_set():
            assert decoded.wait(20)
            looked_at.set()
        return [values.flatten(1).float()]

    def prepared(images):
        return torch.tensor(np.stack(images), dtype=torch.float32)

    look = looking(torch.nn.Identity(), stages, prepared, Options(), CPU, 2)
    found = look(Pixels(IMAGES))
    np.testing.assert_array_equal(found, IMAGES.reshape(5, -1).astype(np.float32))


def test_an_image_that_cannot_be_decoded_stops_the_look_with_its_error():
    class Pixels(MemoryPixels):
        def image(self, row):
            if row == 3:
                raise ResourceError("row 3")
            return super().image(row)

    look = looking(
        torch.nn.Identity(), lambda values: [values.flatten(1)],
        lambda images: torch.tensor(np.stack(images)), Options(), CPU, 2,
    )  # fmt: skip
    began = time.monotonic()
    with pytest.raises(ResourceError, match="row 3"):
        look(Pixels(IMAGES))
    assert time.monotonic() - began < 10
