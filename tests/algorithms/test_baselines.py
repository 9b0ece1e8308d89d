"""The formulas of the methods without a test file of their own, against V4, V5 and V10."""

import pytest
import torch

from cad_studio.algorithms._losses import (
    negative_cross_entropy,
    restricted_softmax,
    soft_cross_entropy,
    uniform_on,
)
from cad_studio.algorithms.abs_gce import robust_losses
from cad_studio.algorithms.cavl import choose_by_activation
from cad_studio.algorithms.cc import set_losses
from cad_studio.algorithms.crdpll import agree_on, divergences
from cad_studio.algorithms.dirk_ref import rectify
from cad_studio.algorithms.lws import leveraged_losses
from tests.algorithms.small import make_batch, make_images, make_method, make_setup
from tests.vectors import assert_near, mask, read_vectors, tensor

V5 = read_vectors("V5_baselines")
WEAK, STRONG = tensor(V5["in"]["logits(zs)"]), tensor(V5["in"]["logits_strong(zt)"])
CANDIDATES = mask(V5["in"]["Y"])
EXPECTED = V5["out"]


def test_proden():
    found = soft_cross_entropy(WEAK, uniform_on(CANDIDATES)).mean()
    assert_near(found, EXPECTED["PRODEN_loss_uniform_conf"])
    assert_near(restricted_softmax(WEAK, CANDIDATES), EXPECTED["PRODEN_conf_after"])


def test_cc():
    assert_near(set_losses(WEAK, CANDIDATES, torch.zeros_like(WEAK)).mean(), EXPECTED["CC_loss"])


def test_lws():
    quarter = torch.full((4, 4), 0.25)
    found = leveraged_losses(WEAK, CANDIDATES, quarter, 2.0).mean()
    assert_near(found, EXPECTED["LWS_loss_init(w=1/K, lw_weight=2)"])
    after = restricted_softmax(WEAK, CANDIDATES) + restricted_softmax(WEAK, ~CANDIDATES)
    assert_near(after, EXPECTED["LWS_weights_after"])
    found = leveraged_losses(WEAK, CANDIDATES, after, 2.0).mean()
    assert_near(found, EXPECTED["LWS_loss_after_update"])


def test_cavl_chooses_a_candidate_even_when_all_values_are_negative():
    chosen = torch.nn.functional.one_hot(choose_by_activation(WEAK, CANDIDATES), 4)
    assert_near(chosen, EXPECTED["CAVL_onehot_after"])
    v10 = read_vectors("V10_cavl_masking")
    found = choose_by_activation(tensor(v10["in"]["logits"]), mask(v10["in"]["Y"]))
    assert found.tolist() == [v10["fixed_argmax(mask -inf)"]]


@pytest.mark.parametrize(("kind", "key"), [("mae", "ABS_MAE"), ("gce", "ABS_GCE_q0.7")])
def test_abs(kind, key):
    assert_near(robust_losses(WEAK, uniform_on(CANDIDATES), kind).mean(), EXPECTED[key])


def test_abs_gce_has_a_finite_gradient_where_a_candidate_vanishes():
    """p^0.7 written as such has gradient infinity times zero at p = 0."""
    logits = torch.tensor([[1e4, 0.0]], requires_grad=True)
    robust_losses(logits, torch.tensor([[0.0, 1.0]]), "gce").sum().backward()
    assert logits.grad.isfinite().all()


def test_crdpll():
    start = uniform_on(CANDIDATES)
    penalty = negative_cross_entropy(WEAK, ~CANDIDATES).mean()
    agreement = divergences([WEAK, STRONG], start).mean()
    expected = EXPECTED["CRDPLL_loss(weak=zs,strong=zt,uniform conf,iter100/max1000 -> lam=0.2)"]
    assert_near(penalty + 0.2 * agreement, expected)
    assert_near(agree_on([WEAK, STRONG], CANDIDATES), EXPECTED["CRDPLL_conf_after(geometric mean)"])


def test_crdpll_reaches_its_weight_after_half_of_the_training():
    """Epoch 100 of 1000 is 0.2, as in the authors' code; half of them and more is 1."""
    found = []
    for epoch in (0, 100, 500, 900):
        method = make_method("crdpll", make_setup(epochs=1000))
        method.begin_epoch(epoch)
        result = method.step(make_batch(method, make_images()))
        rest = result.loss.detach() - result.parts["classification"]
        found.append((rest / result.parts["consistency"]).item())
    assert found == pytest.approx([0.0, 0.2, 1.0, 1.0], abs=1e-5)


def test_dirk_rectifies_as_in_v4():
    vector = read_vectors("V4_dirk_rectify")
    logits, candidates = tensor(vector["in"]["teacher_logits"]), mask(vector["in"]["Y"])
    found = rectify(logits, candidates, restricted_softmax(logits, candidates))
    assert_near(found, vector["out"]["target"])
    assert_near(found.sum(dim=1), vector["out"]["row_sum"])
    assert found.argmax(dim=1).tolist() == vector["out"]["row_max_index"]


def test_dirk_puts_every_candidate_before_all_others_also_when_all_candidates_vanish():
    generator = torch.Generator().manual_seed(0)
    logits = torch.cat([6 * torch.randn((200, 5), generator=generator), torch.zeros(1, 5)])
    logits[-1, 0] = 1e4
    candidates = torch.rand((201, 5), generator=generator) < 0.4
    candidates[torch.arange(201), torch.arange(201) % 5] = True
    candidates[-1] = torch.tensor([False, True, True, False, False])
    found = rectify(logits, candidates, restricted_softmax(logits, candidates))
    assert_near(found.sum(dim=1), torch.ones(201))
    least = found.masked_fill(~candidates, torch.inf).amin(dim=1)
    assert (least >= found.masked_fill(candidates, 0.0).amax(dim=1) - 1e-7).all()
