import re
from urllib.error import URLError

import pytest
import torch

from cad_studio.core.errors import ResourceError
from cad_studio.models.network import make_network
from tests.extractors.tiny_models import use_random_resnet

SPEC = "torchvision:resnet18:pretrained"


def test_pretrained_weights_arrive_in_the_backbone(tmp_path, monkeypatch):
    state = use_random_resnet(tmp_path, monkeypatch)
    network = make_network(SPEC, 5, image_px=64)
    found = network.backbone.layers.state_dict()
    assert found
    for name, weight in found.items():
        assert torch.equal(weight, state[name])


def test_missing_weights_say_where_to_put_them(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", refuse)
    folder = re.escape(str(tmp_path / "hub" / "checkpoints"))
    with pytest.raises(
        ResourceError, match=f"Put resnet18-f37072fd.pth .* into {folder}, or leave"
    ):
        make_network(SPEC, 5, image_px=64)


def test_damaged_weights_are_named(tmp_path, monkeypatch):
    use_random_resnet(tmp_path, monkeypatch)
    file = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    file.write_bytes(b"cut off")
    with pytest.raises(ResourceError, match=r"resnet18-f37072fd\.pth is not a readable file"):
        make_network(SPEC, 5, image_px=64)


def test_weights_of_another_model_are_named(tmp_path, monkeypatch):
    use_random_resnet(tmp_path, monkeypatch)
    file = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    torch.save({"conv1.weight": torch.zeros(1)}, file)
    with pytest.raises(ResourceError, match="does not hold weights of resnet18"):
        make_network(SPEC, 5, image_px=64)
