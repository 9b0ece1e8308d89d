"""What the views of a batch promise, for every kind and name."""

import pytest
import torch

from cad_studio.core.errors import SettingError
from cad_studio.training.views import KINDS, VIEW_NAMES, Views, choose_kind

SIDES = {"grey": (28, 28), "small": (32, 32), "large": (128, 112)}
ALL = [(kind, name) for kind in KINDS for name in VIEW_NAMES]


def images_of(kind, n_images=8):
    stored, _ = SIDES[kind]
    channels = 1 if kind == "grey" else 3
    chance = torch.Generator().manual_seed(3)
    shape = (n_images, stored, stored, channels)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=chance)


def views_of(kind, mean=(0.0,), std=(1.0,)):
    return Views(kind, SIDES[kind][1], mean, std)


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_views_have_one_size_and_the_range_of_pixels(kind, name):
    views = views_of(kind)
    out = views.make(name, views.unit(images_of(kind)), torch.Generator().manual_seed(0))
    side = SIDES[kind][1]
    assert out.shape == (8, 3, side, side)
    assert out.dtype == torch.float32
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert out.min() >= -1e-5
    assert out.max() <= 1.0 + 1e-5


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_each_image_of_a_batch_has_its_own_chance(kind, name):
    """A transform applied to a whole batch at once gives all images the same crop."""
    views = views_of(kind)
    same = views.unit(images_of(kind, 1)).expand(16, -1, -1, -1)
    out = views.make(name, same, torch.Generator().manual_seed(0))
    assert len({image.contiguous().numpy().tobytes() for image in out}) > 12


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_the_same_seed_gives_the_same_views(kind, name):
    views = views_of(kind)
    images = views.unit(images_of(kind))
    first, again, other = (
        views.make(name, images, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_grey_images_stay_grey_in_every_view():
    views = views_of("grey")
    for name in VIEW_NAMES:
        out = views.make(name, views.unit(images_of("grey")), torch.Generator().manual_seed(0))
        assert torch.equal(out[:, 0], out[:, 1])
        assert torch.equal(out[:, 0], out[:, 2])


def test_the_plain_view_is_the_image_normalised_by_channel():
    pixels = torch.zeros(1, 32, 32, 3, dtype=torch.uint8)
    pixels[0, 4, 5] = torch.tensor([255, 51, 0])
    views = views_of("small", mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 2.0))
    out = views.plain(views.unit(pixels))
    # (1 - .5) / .5, (.2 - .25) / .25, (0 - 0) / 2
    assert out[0, :, 4, 5].tolist() == pytest.approx([1.0, -0.2, 0.0])
    # (0 - .5) / .5, (0 - .25) / .25, (0 - 0) / 2
    assert out[0, :, 0, 0].tolist() == pytest.approx([-1.0, -1.0, 0.0])


def test_photographs_are_tested_on_their_middle():
    pixels = torch.zeros(1, 256, 256, 3, dtype=torch.uint8)
    pixels[0, 16:240, 16:240] = 255
    views = Views("large", 224, [0.0], [1.0])
    assert views.plain(views.unit(pixels)).min() == pytest.approx(1.0)
    assert views.whole(views.unit(pixels))[0, 0, 0, 0] == 0.0


def test_a_cls_view_of_small_grey_images_is_cut_out():
    white = torch.full((64, 28, 28, 1), 255, dtype=torch.uint8)
    views = views_of("grey")
    out = views.make("cls", views.unit(white), torch.Generator().manual_seed(0))
    black = (out[:, 0] == 0.0).sum(dim=(1, 2))
    # 16 x 16 in the middle, 8 x 8 in a corner.
    assert black.max() == 256
    assert black.min() >= 64


@pytest.mark.parametrize(("kind", "most"), [("grey", 2), ("small", 2), ("large", None)])
def test_gentle_cls_views_keep_every_colour_and_hide_nothing(kind, most):
    side = SIDES[kind][1]
    views = Views(kind, side, [0.0], [1.0], is_gentle=True)
    white = torch.full((64, *images_of(kind).shape[1:]), 255, dtype=torch.uint8)
    out = views.make("cls", views.unit(white), torch.Generator().manual_seed(0))
    assert out.min() > 0.999
    if most is not None:
        # A dot in the middle is found at most so many pixels from there, or from its mirror.
        dot = torch.zeros_like(white)
        dot[:, side // 2, side // 2] = 255
        out = views.make("cls", views.unit(dot), torch.Generator().manual_seed(0))
        rows, columns = out[:, 0].nonzero()[:, 1], out[:, 0].nonzero()[:, 2]
        assert (rows - side // 2).abs().max() == most
        assert (columns - (side - 1) / 2).abs().max() == most + 0.5


def test_the_kind_follows_from_size_and_channels():
    assert choose_kind(28, 1) == "grey"
    assert choose_kind(32, 3) == "small"
    assert choose_kind(224, 3) == "large"
    assert choose_kind(224, 1) == "large"


def test_an_unknown_kind_is_named_with_the_closest():
    with pytest.raises(SettingError, match=r"'smal' is not a .* views\. Closest: 'small'"):
        Views("smal", 28, [0.0], [1.0])
