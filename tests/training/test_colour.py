"""Colour changes and policies against torchvision, one image at a time."""

import math

import pytest
import torch

from cad_studio.core.optional import require
from cad_studio.training import colour
from cad_studio.training.policies import (
    OPERATIONS,
    auto_augment,
    move,
    rand_augment,
    strengths,
)

N_IMAGES = 6
FACTORS = torch.linspace(0.3, 1.8, N_IMAGES)
TURNS = torch.linspace(-0.5, 0.5, N_IMAGES)


@pytest.fixture
def functional():
    return require("torchvision.transforms.functional", "torchvision", "This test")


@pytest.fixture
def pixels():
    chance = torch.Generator().manual_seed(1)
    coarse = torch.rand(N_IMAGES, 3, 8, 8, generator=chance)
    return (torch.nn.functional.interpolate(coarse, size=32, mode="bilinear") * 255).byte()


@pytest.mark.parametrize(
    ("change", "amounts", "reference"),
    [
        (colour.change_brightness, FACTORS, "adjust_brightness"),
        (colour.change_contrast, FACTORS, "adjust_contrast"),
        (colour.change_saturation, FACTORS, "adjust_saturation"),
        (colour.change_sharpness, FACTORS, "adjust_sharpness"),
        (colour.turn_hue, TURNS, "adjust_hue"),
        (colour.posterize, torch.tensor([3.0, 4.0, 5.0, 6.0, 7.0, 8.0]), "posterize"),
        (colour.solarize, torch.linspace(0, 1, N_IMAGES), "solarize"),
        (colour.equalize, FACTORS, "equalize"),
        (colour.stretch_contrast, FACTORS, "autocontrast"),
        (colour.invert, FACTORS, "invert"),
    ],
)
def test_changes_of_a_batch_equal_torchvisions_one_by_one(
    functional, pixels, change, amounts, reference
):
    got = change(pixels / 255.0, amounts) * 255.0
    single = getattr(functional, reference)
    for row in range(N_IMAGES):
        amount = float(amounts[row])
        if reference == "posterize":
            want = single(pixels[row], int(amount))
        elif reference == "solarize":
            want = single(pixels[row], amount * 255.0)
        elif reference in {"equalize", "autocontrast", "invert"}:
            want = single(pixels[row])
        else:
            want = single(pixels[row], amount)
        # torchvision rounds to whole levels on the way, up to two times.
        assert (got[row] - want).abs().max() <= 2.0


@pytest.mark.parametrize(
    ("name", "amount"),
    [
        ("ShearX", 0.21),
        ("ShearY", -0.17),
        ("TranslateX", 0.2),
        ("TranslateY", -0.3),
        ("Rotate", 23.0),
    ],
)
def test_moves_of_a_batch_equal_torchvisions(functional, pixels, name, amount):
    chosen = torch.full((N_IMAGES,), OPERATIONS.index(name))
    got = move(pixels / 255.0, chosen, torch.full((N_IMAGES,), amount)) * 255.0
    shift, shear = [0, 0], [0.0, 0.0]
    if name.startswith("Translate"):
        shift[name == "TranslateY"] = int(amount * 32)
    if name.startswith("Shear"):
        shear[name == "ShearY"] = math.degrees(math.atan(amount))
    if name == "Rotate":
        want = functional.rotate(pixels, amount)
    else:
        centre = [0, 0] if name.startswith("Shear") else None
        want = functional.affine(pixels, 0.0, shift, 1.0, shear, center=centre)
    # The nearest pixel may differ where two are equally near.
    assert ((got - want).abs() > 1.0).float().mean() < 0.01


def test_strengths_are_those_of_torchvision_at_both_ends():
    low, high = (strengths(torch.tensor([level]), torch.tensor([-1.0])) for level in (0.0, 1.0))
    of = {name: place for place, name in enumerate(OPERATIONS)}
    assert low[of["Rotate"], 0] == 0.0
    assert high[of["Rotate"], 0] == -30.0
    assert low[of["Brightness"], 0] == 1.0
    assert high[of["Brightness"], 0] == pytest.approx(0.1)
    assert low[of["Posterize"], 0] == 8.0
    assert high[of["Posterize"], 0] == 4.0
    assert low[of["Solarize"], 0] == 1.0
    assert high[of["Solarize"], 0] == 0.0


@pytest.mark.parametrize("policy", ["cifar10", "imagenet"])
def test_auto_augment_treats_equal_images_differently(pixels, policy):
    same = (pixels[:1] / 255.0).expand(16, -1, -1, -1)
    out = auto_augment(same, policy, torch.Generator().manual_seed(0))
    assert out.shape == same.shape
    assert out.min() >= 0.0
    assert out.max() <= 1.0
    assert len({image.numpy().tobytes() for image in out}) > 8


def test_rand_augment_treats_equal_images_differently(pixels):
    same = (pixels[:1] / 255.0).expand(16, -1, -1, -1)
    out = rand_augment(same, 3, 0.3, torch.Generator().manual_seed(0))
    assert len({image.numpy().tobytes() for image in out}) > 12
    assert out.min() >= 0.0
    assert out.max() <= 1.0


def test_jitter_leaves_the_share_of_images_it_should(pixels):
    same = (pixels[:1] / 255.0).expand(400, -1, -1, -1)
    out = colour.jitter(same, (0.4, 0.4, 0.4, 0.1), 0.8, torch.Generator().manual_seed(0))
    untouched = (out == same).flatten(1).all(dim=1).float().mean()
    assert 0.13 < untouched < 0.27


def test_a_turn_of_hue_leaves_greys_as_they_are(pixels):
    grey = colour.to_grey(pixels / 255.0).expand(-1, 3, -1, -1)
    assert torch.allclose(colour.turn_hue(grey, TURNS), grey, atol=1e-6)
    assert torch.equal(colour.turn_hue(grey[:, :1], TURNS), grey[:, :1])


@pytest.mark.parametrize("channels", [1, 3])
def test_jitter_makes_each_image_its_own_changes_in_its_own_order(pixels, channels):
    """The blends are made for the whole batch in one go; one image at a time must give the same."""
    images = (pixels[:, :channels] / 255.0).repeat(4, 1, 1, 1)
    out = colour.jitter(images, (0.4, 0.4, 0.4, 0.1), 0.8, torch.Generator().manual_seed(5))
    chance = torch.Generator().manual_seed(5)
    touched = torch.rand(len(images), generator=chance) < 0.8
    spread = torch.empty(4, len(images)).uniform_(-1.0, 1.0, generator=chance)
    amounts = spread * torch.tensor([0.4, 0.4, 0.4, 0.1])[:, None]
    amounts[:3] += 1.0
    changes = [
        colour.change_brightness,
        colour.change_contrast,
        colour.change_saturation,
        colour.turn_hue,
    ][: 2 if channels == 1 else 4]
    order = torch.rand(len(images), len(changes), generator=chance).argsort(dim=1)
    for row in range(len(images)):
        want = images[row : row + 1]
        for which in order[row].tolist() if touched[row] else []:
            want = changes[which](want, amounts[which, row : row + 1])
        assert torch.allclose(out[row : row + 1], want, atol=1e-5)
