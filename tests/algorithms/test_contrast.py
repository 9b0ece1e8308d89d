import pytest
import torch

from cad_studio.algorithms._contrast import (
    BASE_TEMPERATURE,
    Columns,
    RingBuffer,
    attention,
    contrast_losses,
    equal_weights,
    moco_losses,
)
from tests.vectors import assert_near, mask, read_vectors, tensor


def read_v2():
    """Columns, logits of anchors and columns, and the mask of equal labels."""
    vector = read_vectors("V2_wcl")
    given = vector["in"]
    queries = tensor(given["feat_s"]).requires_grad_()
    columns = Columns.build(
        queries, tensor(given["key"]), tensor(given["queue_feat"]), torch.ones(4).bool()
    )
    scores = tensor(given["dist_keys(raw logits; same rows used for anchors)"])
    all_scores = torch.cat([scores, scores, tensor(given["queue_dist"])])
    labels = tensor(given["labels"])
    everyone = torch.cat([labels, labels, tensor(given["queue_labels"])])
    return vector, queries, columns, scores, all_scores, labels[:, None] == everyone


@pytest.mark.parametrize("case", ["default_tau0.12_td0.1", "alt_tau0.07_td0.4"])
def test_weighted_contrast_of_v2(case):
    vector, queries, columns, scores, all_scores, equal = read_v2()
    assert torch.equal(equal, mask(vector["mask_rows_before_selfmask"]))
    expected = vector["out"][case]
    positive = equal & columns.comparable()
    weights = attention(scores, all_scores, positive, expected["tau_dist"])
    assert_near(weights, expected["weights"])
    losses = contrast_losses(columns, weights, expected["tau"])
    assert_near(losses.detach(), expected["loss_per_anchor"])
    assert_near(losses.mean().detach(), expected["loss_weighted"])
    losses.mean().backward()
    assert_near(queries.grad, expected["dloss_dfeat_s"])


@pytest.mark.parametrize("case", ["default_tau0.12_td0.1", "alt_tau0.07_td0.4"])
def test_moco_and_unweighted_contrast_of_v2(case):
    vector, _, columns, _, _, equal = read_v2()
    expected = vector["out"][case]
    found = moco_losses(columns, expected["tau"]).mean().detach()
    assert_near(found, expected["loss_warmup_moco_epoch0"])
    weights = equal_weights(equal & columns.comparable())
    found = contrast_losses(columns, weights, expected["tau"]).mean().detach()
    # The reference leaves the factor out of this one.
    factor = expected["tau"] / BASE_TEMPERATURE
    assert_near(found, factor * expected["loss_unweighted_ConLoss"])


def test_base_temperature_gives_the_factor_of_v8():
    assert (
        pytest.approx(read_vectors("V8_factor")["tau/base for tau=0.12"], abs=1e-5)
        == 0.12 / BASE_TEMPERATURE
    )


def test_contrast_agrees_with_a_loop_over_anchors_and_columns():
    generator = torch.Generator().manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn((9, 5), generator=generator), dim=1)
    usable = torch.tensor([True, False, True])
    columns = Columns.build(rows[:3], rows[3:6], rows[6:], usable)
    weights = torch.rand((3, 9), generator=generator) * columns.comparable()
    expected = []
    for a in range(3):
        others = [c for c in range(9) if c not in (a, 7)]
        total = sum(torch.exp(rows[a] @ rows[c] / 0.2) for c in others).log()
        share = sum(weights[a, c] * (rows[a] @ rows[c] / 0.2 - total) for c in others)
        expected.append(-0.2 / 0.07 * share)
    assert_near(contrast_losses(columns, weights, 0.2), torch.stack(expected))


def test_empty_slots_of_the_queue_change_nothing():
    """What a slot holds before it is filled must not be compared with."""
    rows = torch.nn.functional.normalize(
        torch.randn((4, 5), generator=torch.Generator().manual_seed(0)), dim=1
    )
    junk = 100 * torch.ones((3, 5))
    with_slots = Columns.build(rows[:2], rows[2:], junk, torch.zeros(3).bool())
    without = Columns.build(rows[:2], rows[2:], junk[:0], torch.zeros(0).bool())
    weights = equal_weights(without.comparable())
    padded = torch.nn.functional.pad(weights, (0, 3))
    assert_near(contrast_losses(with_slots, padded, 0.1), contrast_losses(without, weights, 0.1))
    assert_near(moco_losses(with_slots, 0.1), [0.0, 0.0])


def test_an_anchor_without_positives_weighs_nothing():
    scores = torch.ones((2, 3))
    positive = torch.tensor([[False, True], [False, False]])
    assert_near(attention(scores, scores, positive, 0.1), [[0.0, 1.0], [0.0, 0.0]])
    assert_near(equal_weights(positive), [[0.0, 1.0], [0.0, 0.0]])


def test_ring_buffer_wraps_as_in_v11():
    vector = read_vectors("V11_ring")
    names = {"old": 0, "a": 1, "b": 2, "c": 3, "d": 4}
    queue = RingBuffer(vector["in"]["Q"], label=torch.empty(0, dtype=torch.int64))
    queue.pointer.fill_(vector["in"]["ptr"])
    queue.push(label=torch.tensor([names[name] for name in vector["in"]["insert"]]))
    assert queue.label.tolist() == [names[name] for name in vector["out"]["slots"]]
    assert queue.pointer.item() == vector["out"]["ptr"]


def test_ring_buffer_agrees_with_a_list_that_drops_its_head():
    queue = RingBuffer(4, label=torch.empty(0, dtype=torch.int64), pair=torch.empty((0, 2)))
    latest, pushed = [], 0
    for size in (1, 2, 4, 3, 9, 1):
        rows = torch.arange(pushed, pushed + size)
        queue.push(label=rows, pair=rows[:, None].expand(-1, 2).float())
        latest, pushed = [*latest, *rows.tolist()][-4:], pushed + size
        assert sorted(queue.label[queue.usable].tolist()) == latest
        assert torch.equal(queue.pair[queue.usable][:, 1].long(), queue.label[queue.usable])


def test_ring_buffer_holds_no_gradient():
    queue = RingBuffer(2, features=torch.empty((0, 3)))
    queue.push(features=torch.ones((1, 3), requires_grad=True) * 2)
    assert not queue.features.requires_grad
