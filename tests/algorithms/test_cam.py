import pytest
import torch

from cad_studio.algorithms._cam import CamMaps, class_activation, reweight
from tests.algorithms.small import make_images, make_tiny_network, normalise
from tests.vectors import assert_near

# One image, two channels on 2 x 2 places, three classes.
FEATURES = torch.tensor([[[[1.0, 2.0], [0.0, 4.0]], [[3.0, 0.0], [1.0, 2.0]]]])
WEIGHTS = torch.tensor([[1.0, 0.0], [1.0, -1.0], [-1.0, -1.0]])
ALL = torch.tensor([[True, True, True]])


def test_plain_maps_by_hand():
    # Class 0 is channel 0, at most 4. Class 1 is the difference (-2, 2; -1, 2), so (0, 2; 0, 2).
    # Class 2 is nowhere positive: 1 everywhere.
    expected = [[[0.25, 0.5], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]]]
    assert_near(class_activation(FEATURES, WEIGHTS, ALL, "plain"), [expected])


def test_contrast_maps_by_hand():
    # Candidates 0 and 1: their maps are (1, 2; 0, 4) and (-2, 2; -1, 2), the mean
    # (-0.5, 2; -0.5, 3). Less the mean: (1.5, 0; 0.5, 1) and, nowhere positive but at most 0,
    # (-1.5, 0; -0.5, -1).
    candidates = torch.tensor([[True, True, False]])
    found = class_activation(FEATURES, WEIGHTS, candidates, "contrast")[0]
    assert_near(found[0], [[1.0, 0.0], [1 / 3, 2 / 3]])
    assert_near(found[1], [[1.0, 1.0], [1.0, 1.0]])


def test_a_single_candidate_leaves_the_image_alone():
    candidates = torch.tensor([[True, False, False]])
    assert_near(class_activation(FEATURES, WEIGHTS, candidates, "plain"), torch.ones(1, 3, 2, 2))


@pytest.mark.parametrize(
    ("fill", "expected"),
    # Gains a + 0.5 (1 - a): 1, 0.75, 0.5, 0.5. The mean is 0.5: 0.5 + (x - 0.5) * gain.
    [("zero", [[0.8, 0.3], [0.1, 0.3]]), ("mean", [[0.8, 0.425], [0.35, 0.55]])],
)
def test_reweighting_by_hand(fill, expected):
    image = torch.tensor([[0.8, 0.4], [0.2, 0.6]]).expand(1, 3, 2, 2)
    activation = torch.tensor([[[[1.0, 0.5], [0.0, 0.0]]]])
    found = reweight(image, activation, 0.5, fill)
    assert_near(found, torch.tensor(expected).expand(1, 3, 2, 2))


def make_maps():
    network = make_tiny_network().eval()
    images = normalise(make_images())
    candidates = torch.rand((8, 4), generator=torch.Generator().manual_seed(0)) < 0.6
    candidates[:, 0] = True
    candidates[3] = torch.tensor([True, False, False, False])
    return network, images, candidates


def test_every_sample_and_candidate_gets_its_own_map_back():
    network, images, candidates = make_maps()
    maps = CamMaps(candidates)
    order = torch.tensor([5, 0, 3, 1, 2, 7, 6, 4])
    for rows in order.split(3):
        maps.refresh(network, rows, images[rows], candidates[rows], "plain")
    expected = class_activation(network.feature_map(images), network.fc.weight, candidates, "plain")
    rows = torch.tensor([6, 3, 0])
    source, guide = candidates[rows].nonzero(as_tuple=True)
    found = maps.look_up(rows, candidates[rows], source, guide, (2, 2))
    # Stored as bytes, so half of 1 / 255 may be lost.
    torch.testing.assert_close(
        found[:, 0], expected[rows[source], guide].detach(), atol=0.6 / 255, rtol=0
    )


def test_maps_are_enlarged_without_aligned_corners():
    # (0, 255) over two places, to four: 0, 1/4, 3/4, 1 with corners not aligned.
    maps = CamMaps(torch.tensor([[True, True]]))
    maps.maps = torch.tensor([[[0, 255]], [[255, 255]]], dtype=torch.uint8)
    one = torch.tensor([0])
    found = maps.look_up(one, torch.tensor([[True, True]]), one, one, (1, 4))
    assert_near(found, [[[[0.0, 0.25, 0.75, 1.0]]]])


def test_without_a_refresh_nothing_is_dimmed():
    candidates = torch.tensor([[True, True]])
    one = torch.tensor([0])
    assert_near(
        CamMaps(candidates).look_up(one, candidates, one, one, (2, 3)), torch.ones(1, 1, 2, 3)
    )


def test_maps_come_back_from_a_checkpoint_into_one_that_has_none():
    network, images, candidates = make_maps()
    maps, other = CamMaps(candidates), CamMaps(candidates)
    other.load_state_dict(maps.state_dict())
    assert not other.maps.numel()
    maps.refresh(network, torch.arange(8), images, candidates, "contrast")
    other.load_state_dict(maps.state_dict())
    assert other.maps.shape == (int(candidates.sum()), 2, 2)
    assert torch.equal(other.maps, maps.maps)
