import pytest
import torch

from cad_studio.models.ema import copy_network, update_ema
from cad_studio.models.network import make_network


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def make_pair(spec="resnet8"):
    kind = {"n_inputs": 6} if spec == "mlp" else {"image_px": 16}
    network = make_network(spec, 3, **kind)
    return network, copy_network(network)


@pytest.mark.parametrize("spec", ["resnet8", "mlp", "torchvision:resnet18"])
def test_a_copy_is_exact_apart_and_always_in_evaluation_mode(spec):
    kind = {"n_inputs": 6} if spec == "mlp" else {"image_px": 64}
    network = make_network(spec, 3, **kind)
    copy = copy_network(network)
    network.train()
    copy.train()
    assert all(not part.training for part in copy.modules())
    assert network.training
    assert not any(weight.requires_grad for weight in copy.parameters())
    assert all(weight.requires_grad for weight in network.parameters())
    network.eval()
    inputs = torch.randn((2, 6) if spec == "mlp" else (2, 3, 64, 64))
    assert torch.equal(network(inputs), copy(inputs))
    before = copy.fc.weight.clone()
    with torch.no_grad():
        network.fc.weight.add_(1.0)
    assert torch.equal(copy.fc.weight, before)


def test_a_copy_of_a_copy_and_of_a_trained_network_can_be_made():
    network, copy = make_pair()
    network(torch.randn(2, 3, 16, 16)).sum().backward()
    again = copy_network(copy_network(network))
    assert again.frozen
    assert not network.frozen
    assert copy.frozen


@pytest.mark.parametrize("momentum", [0.0, 0.9, 1.0])
def test_weights_are_averaged_and_statistics_copied(momentum):
    network, copy = make_pair()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight))
    network.train()(torch.randn(4, 3, 16, 16))
    before = {name: value.clone() for name, value in copy.named_parameters()}
    update_ema(copy, network, momentum)
    for name, weight in copy.named_parameters():
        expected = momentum * before[name] + (1 - momentum) * network.get_parameter(name)
        torch.testing.assert_close(weight, expected)
        assert weight.grad_fn is None
    for name, value in copy.named_buffers():
        assert torch.equal(value, network.get_buffer(name)), name


def test_a_copy_does_not_change_statistics_when_it_looks():
    _, copy = make_pair()
    before = {name: value.clone() for name, value in copy.named_buffers()}
    copy.train()
    copy(torch.randn(4, 3, 16, 16))
    assert all(torch.equal(value, copy.get_buffer(name)) for name, value in before.items())
