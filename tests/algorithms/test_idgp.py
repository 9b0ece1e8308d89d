"""IDGP: the posterior by hand, and that a class which always comes along counts for less."""

import pytest
import torch

from cad_studio.algorithms.idgp import joining_losses, posterior
from tests.algorithms.small import make_batch, make_images, make_method, make_setup


def test_the_posterior_by_hand():
    # theta 0.5, 0.3, 0.2; z 0.8, 0.25, 0.5; the set is {0, 1}:
    # 0.5 * 0.2 / 0.8 = 0.125 and 0.3 * 0.75 / 0.25 = 0.9, so 0.125 / 1.025 and 0.9 / 1.025.
    theta, z = torch.tensor([[0.5, 0.3, 0.2]]), torch.tensor([[0.8, 0.25, 0.5]])
    found = posterior(theta.log(), z.logit(), torch.tensor([[True, True, False]]))
    torch.testing.assert_close(found, torch.tensor([[0.121951, 0.878049, 0.0]]))


def test_the_loss_of_what_joined_by_hand():
    # -(0.25 ln 0.8 + 0.75 ln 0.2) - ln(1 - 0.5)
    joining = torch.tensor([[0.8, 0.5]]).logit()
    found = joining_losses(joining, torch.tensor([[0.25, 0.0]]))
    assert found.item() == pytest.approx(0.25 * 0.223144 + 0.75 * 1.609438 + 0.693147, abs=1e-5)


def test_the_networks_tell_each_other_only_after_the_warm_up():
    images = make_images()
    for epoch, is_alone in ((1, True), (2, False)):
        losses = []
        for weight in (0.0, 1.0):
            method = make_method("idgp", make_setup(), warm_up_epochs=2, posterior=weight)
            method.begin_epoch(epoch)
            losses.append(method.step(make_batch(method, images)).loss.item())
        assert (losses[0] == losses[1]) == is_alone


def test_both_networks_learn_and_no_truth_is_read():
    method = make_method("idgp", make_setup(), warm_up_epochs=0)
    method.begin_epoch(0)
    method.train()
    method.step(make_batch(method, make_images())).loss.backward()
    for network in (method.network, method.joining):
        assert network.fc.weight.grad.abs().sum() > 0
    assert not method.joined[~method.candidates].any()
