import pytest
import torch

from cad_studio.algorithms.pico import move_prototypes
from tests.algorithms.small import make_batch, make_images, make_method, make_setup
from tests.vectors import assert_near


def test_prototypes_move_as_one_sample_after_the_other():
    generator = torch.Generator().manual_seed(0)
    start = torch.nn.functional.normalize(torch.randn((4, 3), generator=generator), dim=1)
    features = torch.nn.functional.normalize(torch.randn((9, 3), generator=generator), dim=1)
    labels = torch.tensor([2, 0, 2, 2, 1, 0, 2, 1, 1])
    expected = start.clone()
    for feature, label in zip(features, labels, strict=True):
        expected[label] = 0.9 * expected[label] + 0.1 * feature
    expected = torch.nn.functional.normalize(expected, dim=1)
    assert_near(move_prototypes(start, features, labels, 0.9), expected)
    assert_near(expected[3], start[3])


@pytest.mark.parametrize(("epoch", "phi"), [(1, 0.935), (5, 0.875), (10, 0.8)])
def test_belief_moves_to_the_nearest_prototype_by_a_momentum_that_falls(epoch, phi):
    # 0.95 to 0.8 over 10 epochs: 0.95 - 0.015 * epoch.
    method = make_method("pico", make_setup(epochs=10), queue_size=16)
    batch = make_batch(method, make_images(), rows=torch.tensor([4]))
    with torch.no_grad():
        query = method.network.project(method.network.features(batch.views["weak"]))
        method.prototypes[1] = query[0]
    method.begin_epoch(epoch)
    method.step(batch)
    # Sample 4 has candidates 0 and 1, half believed each.
    assert_near(method.belief[4], [0.5 * phi, 0.5 * phi + 1 - phi, 0.0, 0.0])


def test_prototypes_are_not_followed_before_their_epoch():
    method = make_method("pico", make_setup(), queue_size=16)
    start = method.belief.clone()
    method.begin_epoch(0)
    method.step(make_batch(method, make_images()))
    assert torch.equal(method.belief, start)
    assert method.prototypes.norm(dim=1).max() == pytest.approx(1.0, abs=1e-5)
