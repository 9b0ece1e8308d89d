import pytest
import torch

from cad_studio.algorithms._losses import (
    log_not,
    negative_cross_entropy,
    restricted_softmax,
    soft_cross_entropy,
    uniform_on,
)
from tests.vectors import assert_near


def test_restricted_softmax_by_hand():
    # e^1 / (e^1 + e^0) = 0.731059.
    logits = torch.tensor([[1.0, 0.0, 5.0], [2.0, 2.0, 2.0], [1.0, 2.0, 3.0]])
    allowed = torch.tensor([[True, True, False], [True, True, True], [False, False, False]])
    expected = [[0.731059, 0.268941, 0], [1 / 3, 1 / 3, 1 / 3], [0, 0, 0]]
    assert_near(restricted_softmax(logits, allowed), expected)


def test_restricted_softmax_where_all_that_is_allowed_vanishes():
    logits = torch.tensor([[1e4, 0.0, 0.0]])
    allowed = torch.tensor([[False, True, True]])
    assert_near(restricted_softmax(logits, allowed), [[0.0, 0.5, 0.5]])


def test_log_not_is_the_logarithm_of_one_minus_the_softmax():
    logits = 3 * torch.randn((50, 6), generator=torch.Generator().manual_seed(0))
    expected = (1 - logits.double().softmax(dim=1)).log()
    assert_near(log_not(logits), expected.float())


@pytest.mark.parametrize("size", [20.0, 1e4])
def test_log_not_stays_exact_where_the_softmax_rounds_to_one(size):
    # p_0 = 1 - 3 e^-size, so log(1 - p_0) = log 3 - size; log(1 - p_1) is about 0.
    logits = torch.tensor([[size, 0.0, 0.0, 0.0]], requires_grad=True)
    found = log_not(logits)
    assert_near(found[0].detach(), [1.098612 - size, 0.0, 0.0, 0.0])
    found.sum().backward()
    assert_near(logits.grad, [[-1.0, 1 / 3, 1 / 3, 1 / 3]])


def test_ties_and_two_classes_are_no_special_case():
    # Softmax 1/2 each: log(1/2) = -0.693147.
    assert_near(log_not(torch.zeros(1, 2)), [[-0.693147, -0.693147]])


def test_a_single_class_costs_nothing_as_long_as_it_is_not_excluded():
    logits = torch.tensor([[3.0]], requires_grad=True)
    loss = negative_cross_entropy(logits, torch.tensor([[0.0]])).sum()
    loss.backward()
    assert loss == 0
    assert logits.grad.isfinite().all()


def test_negative_cross_entropy_weighs_each_excluded_class():
    # -0.5 * log(1/2) and, both excluded as a bool, -2 * log(1/2).
    logits = torch.zeros(1, 2)
    assert_near(negative_cross_entropy(logits, torch.tensor([[0.5, 0.0]])), [0.346574])
    assert_near(negative_cross_entropy(logits, torch.tensor([[True, True]])), [1.386294])


def test_soft_cross_entropy_and_uniform_by_hand():
    # -(0.5 log 0.5 + 0.5 log 0.5) = 0.693147.
    assert_near(soft_cross_entropy(torch.zeros(1, 2), torch.tensor([[0.5, 0.5]])), [0.693147])
    found = uniform_on(torch.tensor([[True, True, False], [False, False, False]]))
    assert_near(found, [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
