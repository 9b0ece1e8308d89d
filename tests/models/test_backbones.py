import pytest
import torch
from torch import nn

from cad_studio.core.errors import SettingError
from cad_studio.models._base import BACKBONES, make_backbone
from cad_studio.models.network import make_network

SPECS = [
    ("mlp", 7),
    ("features:hog", 7),
    ("features-linear:hog", 7),
    ("resnet8", 28),
    ("resnet8", 32),
    ("resnet8-wide", 28),
    ("resnet18", 28),
    ("resnet18", 96),
    ("resnet34", 32),
    ("torchvision:resnet18", 64),
    ("torchvision:mobilenet_v3_small", 64),
]


def of_vectors(spec):
    return spec != "vit" and BACKBONES.get(spec.partition(":")[0]).takes_features


def make_inputs(spec, size, n_samples=2):
    shape = (n_samples, size) if of_vectors(spec) else (n_samples, 3, size, size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def make(spec, size, seed=0):
    kind = "n_inputs" if of_vectors(spec) else "image_px"
    return make_network(spec, 5, **{kind: size}, projection_width=16, seed=seed)


def test_every_backbone_is_tried_here():
    here = {spec.partition(":")[0] for spec, _ in SPECS}
    assert here | {"hf"} == set(BACKBONES.names())  # those of transformers: test_hf.py


@pytest.mark.parametrize(("spec", "size"), SPECS)
def test_shapes_are_those_promised(spec, size):
    network, inputs = make(spec, size).eval(), make_inputs(spec, size)
    with torch.no_grad():
        found = network.feature_map(inputs)
        assert found.shape[:2] == (2, network.width)
        assert found.dim() == 4
        assert (found.shape[2:] == (1, 1)) == BACKBONES.get(spec.partition(":")[0]).takes_features
        features = network.features(inputs)
        torch.testing.assert_close(features, found.flatten(2).mean(dim=2))
        projected = network.project(features)
        assert projected.shape == (2, 16)
        torch.testing.assert_close(projected.norm(dim=1), torch.ones(2))
        torch.testing.assert_close(network(inputs), network.classify(features))
        assert network(inputs).shape == (2, 5)


@pytest.mark.parametrize(("spec", "size"), [SPECS[0], SPECS[1], SPECS[3], SPECS[6], SPECS[9]])
def test_weights_follow_from_the_seed_and_torchs_own_chance_is_left_alone(spec, size):
    before = torch.random.get_rng_state()
    first, second, other = make(spec, size), make(spec, size), make(spec, size, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, second.state_dict()[name])
    assert not torch.equal(first.fc.weight, other.fc.weight)
    place = next(name for name, weight in first.backbone.named_parameters() if weight.dim() > 1)
    assert not torch.equal(
        first.state_dict()[f"backbone.{place}"], other.state_dict()[f"backbone.{place}"]
    )


@pytest.mark.parametrize(("spec", "size"), [SPECS[0], SPECS[1], SPECS[3], SPECS[9]])
def test_every_weight_that_makes_logits_gets_a_gradient(spec, size):
    network = make(spec, size)
    network(make_inputs(spec, size, 4)).square().sum().backward()
    unused = [n for n, w in network.named_parameters() if w.grad is None]
    assert all(name.startswith("projection.") for name in unused), unused


@pytest.mark.parametrize(
    ("spec", "size", "expected"),
    # Halved at the stem and twice after: 28 -> 14 -> 7 -> 4. From 96 px on divided by 32.
    [("resnet8", 28, 4), ("resnet18", 28, 4), ("resnet18", 32, 4), ("resnet18", 96, 3)],
)
def test_maps_have_the_side_that_follows_from_the_strides(spec, size, expected):
    found = make(spec, size).feature_map(make_inputs(spec, size))
    assert found.shape[2:] == (expected, expected)


def test_small_networks_have_the_size_that_was_measured():
    sizes = {
        spec: sum(w.numel() for w in make_network(spec, 10, image_px=28).parameters())
        for spec in ("resnet8", "resnet8-wide")
    }
    assert sizes == {"resnet8": 90_522, "resnet8-wide": 341_674}


def test_a_vision_transformer_gives_the_grid_of_its_patches():
    with torch.random.fork_rng(devices=[]):
        backbone = make_backbone("torchvision:vit_b_32", 64).eval()
    with torch.no_grad():
        assert backbone(make_inputs("vit", 64)).shape == (2, 768, 2, 2)


def test_a_cut_classifier_computes_what_the_whole_one_does():
    from cad_studio.core.optional import require

    models = require("torchvision.models", "torchvision", "The test")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        whole = models.resnet18(weights=None).eval()
        torch.manual_seed(3)
        backbone = make_backbone("torchvision:resnet18", 64).eval()
    whole.fc = nn.Identity()
    inputs = make_inputs("resnet18", 64)
    with torch.no_grad():
        torch.testing.assert_close(backbone(inputs).mean(dim=(2, 3)), whole(inputs))


@pytest.mark.parametrize(
    ("spec", "size", "message"),
    [
        ("resnet9", 28, "'resnet9' is not a known backbone. Closest: 'resnet8'"),
        ("resnet8:pretrained", 28, "resnet8 takes no argument. Write resnet8"),
        ("torchvision", 28, "torchvision needs an argument. Write torchvision:NAME"),
        ("torchvision:resnet_18", 28, "Closest: 'resnet18'"),
        (
            "torchvision:resnet18:best",
            28,
            "resnet18:pretrained, or resnet18:pretrained-top",
        ),
        ("torchvision:alexnet", 28, "does not fit images of 28 px. Use larger images"),
        ("torchvision:vit_b_16", 30, "does not fit images of 30 px. Use larger images"),
        ("mlp", 28, "The backbone mlp does not read images. Allowed: hf, resnet18, "),
    ],
)
def test_a_spec_that_cannot_be_built_says_what_could(spec, size, message):
    with pytest.raises(SettingError) as caught:
        make_network(spec, 5, image_px=size)
    assert message in str(caught.value)


def test_vectors_need_the_backbone_for_vectors():
    with pytest.raises(SettingError, match="does not read feature vectors"):
        make_network("resnet8", 5, n_inputs=10)
