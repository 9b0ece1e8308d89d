import math

import pytest
import torch

from cad_studio.algorithms._base import ALGORITHMS
from cad_studio.algorithms._set_model import PRIOR_SAMPLES, SetModel
from cad_studio.algorithms.cc import set_losses
from tests.algorithms.small import (
    make_batch,
    make_images,
    make_method,
    make_setup,
    small_settings,
    train,
)
from tests.vectors import assert_near

CANDIDATES = torch.tensor(
    [[True, True, False], [True, False, True], [True, False, False], [False, True, True]]
)
CONFIDENCE = torch.tensor([[0.5, 0.5, 0.0], [0.8, 0.0, 0.2], [1.0, 0.0, 0.0], [0.0, 0.7, 0.3]])


def table_by_loops(confidence, candidates):
    n_samples, n_classes = candidates.shape
    table = [[0.0] * n_classes for _ in range(n_classes)]
    for j in range(n_classes):
        for k in range(n_classes):
            rate = sum(float(candidates[i, k]) for i in range(n_samples)) / n_samples
            seen = sum(float(confidence[i, j]) * float(candidates[i, k]) for i in range(n_samples))
            mass = sum(float(confidence[i, j]) for i in range(n_samples))
            share = (seen + PRIOR_SAMPLES * rate) / (mass + PRIOR_SAMPLES)
            table[j][k] = 0.999 if j == k else min(max(share, 0.001), 0.999)
    return torch.tensor(table)


def test_the_table_is_the_counts_of_the_confidence():
    found = SetModel(CONFIDENCE, CANDIDATES).table()
    assert_near(found, table_by_loops(CONFIDENCE, CANDIDATES))
    # By hand, j = 0 and k = 1: seen .5 of 2.3, rate .5, 10 samples beforehand.
    assert float(found[0, 1]) == pytest.approx((0.5 + 10 * 0.5) / (2.3 + 10), abs=1e-6)


def test_the_likelihood_agrees_with_a_loop():
    model = SetModel(CONFIDENCE, CANDIDATES)
    table = model.table()
    expected = [
        [
            sum(math.log(table[j, k] if in_set[k] else 1.0 - table[j, k]) for k in range(3))
            for j in range(3)
        ]
        for in_set in CANDIDATES.tolist()
    ]
    assert_near(model.log_likelihood(CANDIDATES), torch.tensor(expected))


def test_moving_some_samples_is_counting_anew():
    model = SetModel(CONFIDENCE, CANDIDATES)
    rows = torch.tensor([3, 0])
    moved = CONFIDENCE.clone()
    moved[rows] = torch.tensor([[0.0, 0.1, 0.9], [0.9, 0.1, 0.0]])
    model.move(moved[rows] - CONFIDENCE[rows], CANDIDATES[rows])
    assert_near(model.table(), SetModel(moved, CANDIDATES).table())
    model.recount(CONFIDENCE, CANDIDATES)
    assert_near(model.table(), SetModel(CONFIDENCE, CANDIDATES).table())


def test_in_a_bf16_run_the_sets_are_counted_in_full():
    """Counts of thousands with changes far below one, and sums over a thousand classes."""
    generator = torch.Generator().manual_seed(3)
    candidates = torch.rand((64, 1000), generator=generator) < 0.2
    candidates[:, 0] = True
    before, after = (
        torch.rand((64, 1000), generator=generator).masked_fill(~candidates, 0.0) for _ in range(2)
    )
    found = []
    for is_half in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=is_half):
            model = SetModel(before / before.sum(dim=1, keepdim=True), candidates)
            model.move(after / after.sum(dim=1, keepdim=True) - 1e-3, candidates)
            found.append([model.together.clone(), model.log_likelihood(candidates)])
            model.recount(before, candidates)
            found[-1].append(model.together)
    for full, half in zip(*found, strict=True):
        assert torch.equal(full, half)


def test_a_class_of_which_nothing_is_known_says_nothing():
    """Many classes and few samples: its row is the share of all sets, whatever they are."""
    candidates = torch.zeros((6, 50), dtype=torch.bool)
    candidates[:, :2] = True
    model = SetModel(candidates / 2, candidates)
    table = model.table()
    off = ~torch.eye(50, dtype=torch.bool)
    unknown = table[2:][off[2:]].view(48, 49)
    expected = torch.cat([torch.tensor([0.999, 0.999]), torch.full((47,), 0.001)])
    assert_near(unknown, expected.expand(48, -1))


def make_sets(n_samples=3000, seed=0):
    """Sets of three look-alikes; class 0 carries 1 in 9 of 10, 1 carries 0 in 6 of 10."""
    generator = torch.Generator().manual_seed(seed)
    rates = torch.tensor([[1.0, 0.9, 0.2], [0.6, 1.0, 0.3], [0.1, 0.5, 1.0]])
    truth = torch.randint(3, (n_samples,), generator=generator)
    drawn = torch.rand((n_samples, 3), generator=generator)
    return rates, truth, drawn < rates[truth]


def test_repeated_it_finds_which_class_is_mistaken_for_which():
    """From a network that is right a little more often than chance to the table that made it."""
    rates, truth, candidates = make_sets()
    noise = torch.randn((len(truth), 3), generator=torch.Generator().manual_seed(1))
    logits = noise + torch.nn.functional.one_hot(truth, 3)
    alone = logits.masked_fill(~candidates, -torch.inf).softmax(dim=1)
    model = SetModel(alone, candidates)
    for _ in range(30):
        evidence = logits + model.log_likelihood(candidates)
        weights = evidence.masked_fill(~candidates, -torch.inf).softmax(dim=1)
        model.recount(weights, candidates)
    off = ~torch.eye(3, dtype=torch.bool)
    assert (model.table() - rates)[off].abs().max() < 0.12
    right = [(each.argmax(dim=1) == truth).float().mean() for each in (alone, weights)]
    assert right[1] > right[0] + 0.02


WITH_SETS = [name for name in ALGORITHMS.names() if name not in ("supervised", "abs-gce")]


@pytest.mark.parametrize("name", WITH_SETS)
def test_the_methods_updates_follow_the_sets(name):
    """The set model stays equal to the counts of what the method believes."""
    setup = make_setup(set_model=1.0, confidence_momentum=0.5)
    method = make_method(name, setup, **small_settings(name)).train()
    images = make_images()
    for epoch in range(6, 9):
        method.begin_epoch(epoch)
        method.step(make_batch(method, images, rows=torch.tensor([6, 2, 3, 1])))
        method.end_epoch()
    assert_near(method.sets.table(), SetModel(method.belief, method.candidates).table())
    torch.testing.assert_close(method.belief.sum(dim=1), torch.ones(8))
    assert not method.belief[~method.candidates].any()


@pytest.mark.parametrize("name", [name for name in WITH_SETS if name != "cavl"])
def test_what_the_sets_say_changes_what_is_believed(name):
    """CAVL chooses one candidate outright; for all others evidence is a factor."""
    images, found = make_images(), []
    for strength in (0.0, 5.0):
        setup = make_setup(set_model=strength)
        method = make_method(name, setup, **small_settings(name)).train()
        method.begin_epoch(6)
        if strength:
            # Sets that hold class 3 speak for class 0.
            method.sets.together[0, 3] = method.sets.mass[0] + 100.0
            method.sets.mass[0] += 100.0
        method.step(make_batch(method, images))
        found.append(method.belief.clone())
    rows = torch.tensor([3, 7])
    assert (method.candidates[rows] == torch.tensor([True, False, False, True])).all()
    if name == "pico":
        assert (found[1][rows, 0] >= found[0][rows, 0]).all()
    else:
        assert (found[1][rows, 0] > found[0][rows, 0]).all()


def test_momentum_averages_a_samples_confidence_over_its_visits():
    method = make_method("proden", make_setup(confidence_momentum=0.75))
    row, old = torch.tensor([2]), make_method("proden", make_setup()).belief[2:3]
    new = method.candidates[2:3] * torch.tensor([[0.0, 0.0, 0.9, 0.1]])
    method.remember(row, new)
    assert_near(method.belief[2:3], 0.75 * old + 0.25 * new)


def test_a_held_start_is_not_moved_and_the_method_says_how_sure_it_is():
    method = make_method("proden", make_setup(set_model=1.0, start_epochs=2))
    start = method.belief.clone()
    method.begin_epoch(1)
    method.step(make_batch(method, make_images()))
    assert torch.equal(method.belief, start)
    assert 0.25 < float(method.sureness) <= 1.0
    method.begin_epoch(2)
    method.step(make_batch(method, make_images()))
    assert not torch.equal(method.belief, start)


def test_cc_weighs_the_candidates_by_the_likelihood_of_the_set():
    logits = torch.tensor([[1.0, 2.0, 0.5]])
    candidates = torch.tensor([[True, True, False]])
    evidence = torch.tensor([[-0.3, -1.0, 0.0]])
    p = logits.softmax(dim=1)[0]
    by_hand = -math.log(p[0] * math.exp(-0.3) + p[1] * math.exp(-1.0))
    assert float(set_losses(logits, candidates, evidence)) == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize("kind", ["all classes", "one class empty", "one candidate"])
@pytest.mark.parametrize("name", WITH_SETS)
def test_sets_that_say_nothing_and_classes_nobody_believes_in_stay_finite(name, kind):
    candidates = torch.ones((8, 4), dtype=torch.bool)
    belief = candidates / 4
    if kind == "one class empty":
        belief = torch.tensor([0.5, 0.25, 0.25, 0.0]).repeat(8, 1)
    if kind == "one candidate":
        candidates = torch.eye(4, dtype=torch.bool).repeat(2, 1)
        belief = candidates.float()
    setup = make_setup(candidates=candidates, set_model=1.0, confidence_momentum=0.5)
    method = make_method(name, setup, **small_settings(name)).train()
    method.begin_epoch(0)
    method.adopt(belief)
    losses = train(method, make_images(), 4, first_epoch=1)
    assert all(math.isfinite(loss) for loss in losses)
    assert method.belief.isfinite().all()
    torch.testing.assert_close(method.belief.sum(dim=1), torch.ones(8))
