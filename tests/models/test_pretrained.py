import re
from copy import deepcopy
from urllib.error import URLError

import pytest
import torch

from cad_studio.core.errors import ResourceError
from cad_studio.models.network import make_network
from tests.extractors.tiny_models import use_random_resnet, use_random_weights

SPEC = "torchvision:resnet18:pretrained"


def test_pretrained_weights_arrive_in_the_backbone(tmp_path, monkeypatch):
    state = use_random_resnet(tmp_path, monkeypatch)
    network = make_network(SPEC, 5, image_px=64)
    found = network.backbone.layers.state_dict()
    assert found
    for name, weight in found.items():
        assert torch.equal(weight, state[name])


@pytest.mark.parametrize("name", ["resnet18", "vit_b_32"])
def test_only_the_last_layers_learn_where_the_rest_is_kept(tmp_path, monkeypatch, name):
    use_random_weights(tmp_path, monkeypatch, name)
    network = make_network(f"torchvision:{name}:pretrained-top", 5, image_px=64)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    copy = deepcopy(network)
    network.train()
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    optimiser = torch.optim.SGD(trained, lr=0.5)
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    torch.nn.functional.cross_entropy(network(images), torch.arange(4)).backward()
    optimiser.step()
    changed = [not torch.equal(value, before[key]) for key, value in network.state_dict().items()]
    backbone = [key.startswith("backbone.") for key in before]
    own = [was for was, is_own in zip(changed, backbone, strict=True) if is_own]
    first = own.index(True)
    assert first > len(own) / 2
    assert not any(own[:first])
    assert sum(own[first:]) > 0.8 * len(own[first:])
    copy.train()  # a slow copy keeps its own layers, not those of the network it was made of
    assert [each.training for each in copy.modules()] == [
        each.training for each in network.modules()
    ]


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
