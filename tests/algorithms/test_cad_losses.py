import pytest
import torch

from cad_studio.algorithms._cad_losses import (
    adjusted_losses,
    confidence_weights,
    reduce_contrast,
)
from tests.vectors import assert_near, mask, read_vectors, tensor


def test_weights_and_classification_loss_of_v1():
    vector = read_vectors("V1_wpl")
    given, expected = vector["in"], vector["out"]
    candidates = mask(given["Y"])
    weights = confidence_weights(tensor(given["teacher_logits"]), candidates)
    assert_near(weights, expected["omega"])
    logits = tensor(given["student_logits"]).requires_grad_()
    losses = adjusted_losses(logits, candidates, weights)
    assert_near(losses.detach(), expected["loss_per_sample"])
    assert_near(losses.mean().detach(), expected["loss_mean"])
    losses.mean().backward()
    assert_near(logits.grad, expected["dloss_dstudent_logits"])


def test_confident_logits_of_v9_give_neither_nan_nor_huge_gradients():
    vector = read_vectors("V9_nan")
    weights = confidence_weights(tensor(vector["in"]["teacher_logits"]), mask(vector["in"]["Y"]))
    assert_near(weights, [vector["robust_omega"]])

    case = vector["grad_case"]
    logits = tensor(case["student_logits"]).requires_grad_()
    loss = adjusted_losses(logits, mask(case["Y"]), tensor(case["omega"])).sum()
    loss.backward()
    assert_near(loss.detach(), case["stable_loss"])
    assert_near(logits.grad, [case["stable_grad"]])


def test_where_all_classes_are_candidates_nothing_is_penalised():
    logits = torch.tensor([[2.0, 0.0]])
    candidates = torch.tensor([[True, True]])
    weights = confidence_weights(logits, candidates)
    # Cross-entropy of softmax(2, 0) = (0.880797, 0.119203) with itself: 0.365334.
    assert_near(adjusted_losses(logits, candidates, weights), [0.365334])


@pytest.mark.parametrize(
    ("reduction", "expected"),
    # Sample 0 has losses 1, 2, 3, sample 2 has 10: 16 / 4, and (2 + 10) / 2.
    [("per_augmentation", 4.0), ("per_instance", 6.0)],
)
def test_contrast_is_averaged_by_class_view_or_by_sample(reduction, expected):
    losses, source = torch.tensor([1.0, 2.0, 3.0, 10.0]), torch.tensor([0, 0, 0, 2])
    assert_near(reduce_contrast(losses, source, 3, reduction), expected)
