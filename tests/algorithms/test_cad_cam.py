import dataclasses

import pytest
import torch

from cad_studio.algorithms._cad_paper import PAPER
from cad_studio.algorithms.cad_cam import CadCamConfig, choose_class_views
from tests.algorithms.small import (
    ALL_VIEWS,
    make_batch,
    make_candidates,
    make_images,
    make_method,
    make_setup,
    train,
)
from tests.vectors import assert_near

ROWS = torch.arange(8)


def make_cad_cam(epochs=100, **settings):
    settings = {**ALL_VIEWS, "queue_size": 64, **settings}
    return make_method("cad-cam", make_setup(epochs=epochs), **settings).train()


def edit_all(method, images):
    source, guide = method.choose_class_views(ROWS)
    return method.edit(images, ROWS, source, guide), images[source]


def test_the_papers_settings_can_be_had():
    config = CadCamConfig(**PAPER)
    assert (config.beta, config.tau, config.tau_d) == (1.5, 0.12, 0.1)
    assert (config.momentum, config.queue_size) == (0.99, 4096)
    assert (config.con_reduction, config.cam, config.fill) == ("per_augmentation", "plain", "zero")
    assert (config.max_class_views, config.scores_from, config.anchor) == (0, "cls", 0.0)
    assert (config.teacher_start, config.teacher_mode) == ("random", "train")
    assert (config.separate_passes, config.queue_start, config.warm_up_epochs) == (
        True, "random", 1,
    )  # fmt: skip
    assert all(getattr(CadCamConfig(), name) != value for name, value in PAPER.items())


def test_there_is_one_class_view_per_candidate():
    source, guide = make_cad_cam().choose_class_views(ROWS)
    found = torch.zeros((8, 4), dtype=torch.bool)
    found[source, guide] = True
    assert len(source) == make_candidates().sum()
    assert torch.equal(found, make_candidates())
    assert (source.diff() >= 0).all()


def test_a_limit_takes_the_most_believed_and_one_more_at_random():
    candidates = torch.tensor([[True, True, True, True, False], [True, False, False, False, True]])
    belief = torch.tensor([[0.1, 0.2, 0.4, 0.3, 0.0], [0.9, 0.0, 0.0, 0.0, 0.1]])
    extra = set()
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        source, guide = choose_class_views(candidates, belief, 2, 1.0, generator)
        first, second = guide[source == 0].tolist(), guide[source == 1].tolist()
        assert second == [0, 4]
        assert {2, 3} < set(first)
        assert len(first) == 3
        extra |= set(first) - {2, 3}
    assert extra == {0, 1}


def test_a_share_takes_the_samples_that_are_hardest_to_tell():
    candidates = torch.ones((4, 3), dtype=torch.bool)
    belief = torch.tensor([[0.9, 0.1, 0.0], [0.45, 0.4, 0.15], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4]])
    chance = torch.Generator().manual_seed(0)
    # Between the two highest lie 0.8, 0.05, 0.5 and 0.1.
    source, guide = choose_class_views(candidates, belief, 0, 0.5, chance)
    assert source.tolist() == [1, 1, 1, 3, 3, 3]
    assert guide.tolist() == [0, 1, 2, 0, 1, 2]
    source, _ = choose_class_views(candidates, belief, 0, 0.0, chance)
    assert source.tolist() == [1, 1, 1]


def test_one_class_leaves_nothing_to_choose():
    source, guide = choose_class_views(
        torch.ones(4, 1, dtype=torch.bool), torch.ones(4, 1), 1, 0.25, torch.Generator()
    )
    assert source.tolist() == [0, 1, 2, 3]
    assert guide.tolist() == [0] * 4


@pytest.mark.parametrize(("epochs", "first"), [(10, 5), (500, 10)])
def test_warm_up_is_five_epochs_or_two_percent(epochs, first):
    method = make_cad_cam(epochs)
    images = make_images()
    for epoch in (0, first - 1):
        method.begin_epoch(epoch)
        edited, plain = edit_all(method, images)
        assert torch.equal(edited, plain)
    method.begin_epoch(first)
    edited, plain = edit_all(method, images)
    assert (edited <= plain).all()
    assert (edited < plain).any()


def test_the_maps_take_effect_step_by_step():
    method = make_cad_cam(refresh_epochs=1000)
    images = make_images()
    lost = []
    for epoch in (5, 6, 9, 20):
        method.begin_epoch(epoch)
        edited, plain = edit_all(method, images)
        lost.append((plain - edited).sum().item())
    # One, two, five and five fifths of the same maps.
    assert lost == pytest.approx([lost[2] / 5, 2 * lost[2] / 5, lost[2], lost[2]], rel=1e-4)
    certain, _ = edit_all(method, images)
    source, _ = method.choose_class_views(ROWS)
    assert torch.equal(certain[source == 1], images[1:2]), "one candidate: nothing to dim"


def test_maps_are_computed_anew_every_few_epochs_only():
    method = make_cad_cam()
    changes = []
    for epoch in range(5, 17):
        before = method.cam.cache.maps.clone()
        with torch.no_grad():
            method.teacher.fc.weight.add_(torch.randn_like(method.teacher.fc.weight))
        method.begin_epoch(epoch)
        if not torch.equal(before, method.cam.cache.maps):
            changes.append(epoch)
    assert changes == [5, 10, 15]


@pytest.mark.parametrize(("side", "expected"), [(8, 0.5), (96, 0.3)])
def test_epsilon_follows_the_size_of_the_image_unless_it_is_given(side, expected):
    for epsilon, left in ((None, expected), (0.7, 0.7)):
        method = make_cad_cam(epsilon=epsilon, ramp_epochs=1)
        method.begin_epoch(5)
        method.cam.cache.maps.zero_()
        edited = method.edit(
            torch.ones((1, 3, side, side)), ROWS[:1], torch.tensor([0]), torch.tensor([0])
        )
        assert_near(edited, torch.full_like(edited, left))


def test_contrast_is_by_image_in_warm_up_and_by_class_after():
    """In warm-up, with an empty queue, there is no negative: the contrast is zero."""
    images = make_images()
    for epoch, is_zero in ((0, True), (4, True), (5, False)):
        method = make_cad_cam()
        method.begin_epoch(epoch)
        parts = method.step(make_batch(method, images)).parts
        assert (parts["contrast"] == 0) == is_zero


def test_the_loss_is_made_of_its_parts():
    method = make_cad_cam(beta=2.5)
    method.begin_epoch(7)
    result = method.step(make_batch(method, make_images()))
    parts = result.parts
    assert_near(result.loss.detach(), parts["classification"] + 2.5 * parts["contrast"])


def test_weights_come_from_the_slow_copy_on_the_same_view():
    method = make_cad_cam()
    method.begin_epoch(0)
    with torch.no_grad():
        method.network.fc.weight.add_(1.0)
    batch = make_batch(method, make_images())
    method.step(batch)
    with torch.no_grad():
        taught = method.teacher(batch.views["cls"])
    expected = taught.masked_fill(~batch.candidates, -torch.inf).softmax(dim=1)
    assert_near(method.belief, expected)


def test_without_adjustment_the_weights_are_those_of_plain_self_training():
    """The paper's ablation: PRODEN's weights and loss, step by step, not uniform for ever."""
    images = make_images()
    method = make_cad_cam(without_ca=True, without_rl=True)
    proden = make_method("proden", make_setup(epochs=100)).train()
    assert train(method, images, 3) == train(proden, images, 3)
    assert torch.equal(method.belief, proden.belief)
    with_adjustment = make_cad_cam(without_rl=True)
    train(with_adjustment, images, 3)
    assert not torch.equal(with_adjustment.belief, proden.belief)


def test_without_contrast_there_are_no_class_views_and_no_queue():
    method = make_cad_cam(without_rl=True)
    assert method.class_view_names == ()
    assert type(method).class_view_names
    for epoch in (0, 5):
        method.begin_epoch(epoch)
        result = method.step(make_batch(method, make_images()))
        assert set(result.parts) == {"classification"}
    assert method.queue.filled == 0
    assert method.network.projection[0].weight.grad is None


@pytest.mark.parametrize("adopted", [False, True])
def test_a_propagated_belief_stays_a_factor_of_the_methods_own(adopted):
    candidates, images = make_candidates(), make_images()
    told = candidates * torch.rand(candidates.shape, generator=torch.Generator().manual_seed(3))
    told = told / told.sum(dim=1, keepdim=True)
    setup = make_setup(start=None if adopted else told)
    method = make_method("cad-cam", setup, queue_size=64, anchor=0.5).train()
    method.begin_epoch(0)
    if adopted:
        method.adopt(told)
    batch = make_batch(method, images)
    with torch.no_grad():
        taught = method.teacher(batch.views["cls"]).softmax(dim=1)
    method.step(batch)
    expected = taught * told**0.5
    expected = expected / expected.sum(dim=1, keepdim=True)
    # Candidates that were hardly believed are floored.
    believed = (told > 1e-4).sum(dim=1) == candidates.sum(dim=1)
    assert_near(method.belief[believed], expected[believed])


def test_scores_may_come_from_the_view_of_the_key():
    method = make_cad_cam(scores_from="key")
    assert method.class_view_names == ("weak", "strong")
    method.begin_epoch(0)
    batch = make_batch(method, make_images())
    assert torch.isfinite(method.step(batch).loss)
    queue, n_views = method.queue, len(batch.source)
    with torch.no_grad():
        slow = method.teacher.features(batch.class_views["weak"])
    assert_near(queue.scores[:n_views], method.teacher.classify(slow))
    assert_near(queue.features[:n_views], method.teacher.project(slow))


def test_the_authors_slow_copy_is_random_and_takes_the_statistics_of_each_batch():
    method = make_cad_cam(teacher_start="random", teacher_mode="train", separate_passes=True)
    ours = torch.cat([weight.flatten() for weight in method.network.parameters()])
    theirs = torch.cat([weight.flatten() for weight in method.teacher.parameters()])
    assert (ours != theirs).float().mean() > 0.9
    batch = make_batch(method, make_images())
    statistics = method.teacher.backbone.layers[1].running_mean.clone()
    method.begin_epoch(0)
    with torch.no_grad():
        # Far from the running statistics: in evaluation mode the logits would differ.
        taught = method.teacher(batch.views["cls"])
    method.step(batch)
    assert not torch.equal(method.teacher.backbone.layers[1].running_mean, statistics)
    assert_near(method.belief, taught.masked_fill(~batch.candidates, -torch.inf).softmax(dim=1))
    method.network.backbone.layers[1].running_mean.fill_(7.0)
    method.after_step()
    assert not (method.teacher.backbone.layers[1].running_mean == 7.0).any()
    assert all(not weight.requires_grad for weight in method.teacher.parameters())


def test_separate_passes_keep_class_views_out_of_the_statistics_of_the_images():
    images = make_images()
    logits = {}
    for separate in (False, True):
        method = make_cad_cam(separate_passes=separate)
        batch = make_batch(method, images)
        method.begin_epoch(0)
        with torch.no_grad():
            plain = method.network(batch.views["cls"])
            logits[separate] = method._look(batch)[0]
    assert_near(logits[True], plain)
    assert not torch.allclose(logits[False], plain, atol=1e-3)


def test_the_authors_queue_begins_full_of_rows_of_no_class():
    method = make_cad_cam(queue_start="random")
    assert method.queue.filled == 64
    assert (method.queue.label == -1).all()
    # Scaled along the queue: each column, not each row, has unit length.
    assert_near(method.queue.features.norm(dim=0), torch.ones(8))


def test_the_queue_holds_keys_scores_and_guides_of_the_class_views():
    method = make_cad_cam()
    batch = make_batch(method, make_images())
    method.step(batch)
    n_views = len(batch.guide)
    assert method.queue.filled == n_views
    assert torch.equal(method.queue.label[:n_views], batch.guide)
    with torch.no_grad():
        teacher = method.teacher
        keys = teacher.project(teacher.features(batch.class_views["weak"]))
    assert_near(method.queue.features[:n_views], keys)


def test_instances_may_be_weighed_equally():
    images = make_images()
    found = []
    for reduction in ("per_augmentation", "per_instance"):
        method = make_cad_cam(con_reduction=reduction)
        method.begin_epoch(6)
        found.append(method.step(make_batch(method, images)).parts["contrast"].item())
    assert found[0] != pytest.approx(found[1], rel=1e-4)


def test_maps_need_the_images():
    setup = dataclasses.replace(make_setup(epochs=100), batches=None)
    method = make_method("cad-cam", setup)
    with pytest.raises(ValueError, match=r"Setup\.batches"):
        method.begin_epoch(5)


def test_an_image_is_dimmed_alike_in_whatever_batch_it_comes():
    method = make_cad_cam(ramp_epochs=1)
    images = make_images()
    method.begin_epoch(5)
    every, _ = edit_all(method, images)
    source, _ = method.choose_class_views(ROWS)
    rows = torch.tensor([6, 0, 2])
    chosen = method.choose_class_views(rows)
    found = method.edit(images[rows], rows, *chosen)
    assert_near(found, torch.cat([every[source == row] for row in rows]))
