import torch

from cad_studio.algorithms._contrast import Columns, contrast_losses
from cad_studio.algorithms.able import group_weights
from tests.algorithms.small import make_batch, make_images, make_method, make_setup
from tests.vectors import assert_near


def test_weights_agree_with_a_loop_over_anchors_candidates_and_groups():
    generator = torch.Generator().manual_seed(0)
    belief = torch.rand((7, 4), generator=generator)
    predicted = torch.tensor([0, 1, 1, 3, 0, 1, 3])
    expected = torch.zeros(7, 7)
    for anchor in range(7):
        for label in range(4):
            group = [j for j in range(7) if j != anchor and predicted[j] == label]
            for j in group:
                expected[anchor, j] = belief[anchor, label] / len(group)
    assert_near(group_weights(belief, predicted), expected)


def test_the_belief_is_looked_up_by_row_of_the_dataset():
    """By position in the batch, rows in another order would get another sample's belief."""
    images = make_images()
    found = []
    for rows in (torch.tensor([2, 5]), torch.tensor([5, 2])):
        method = make_method("able", make_setup())
        method.belief[5] = torch.tensor([0.0, 0.9, 0.1, 0.0])
        batch = make_batch(method, images, rows=rows)
        order = rows.argsort()
        views = {name: torch.stack([images[r] for r in rows]) for name in batch.views}
        method.begin_epoch(1)
        result = method.step(type(batch)(row=rows, candidates=method.candidates[rows], views=views))
        found.append((result.loss.detach(), method.belief[rows[order]]))
    assert_near(found[0][0], found[1][0])
    assert_near(found[0][1], found[1][1])


def test_the_contrast_is_within_the_batch_over_two_views():
    method = make_method("able", make_setup(), tau=0.2)
    method.begin_epoch(1)
    batch = make_batch(method, make_images())
    start = method.belief.clone()
    method.eval()
    found = method.step(batch).parts["contrast"]
    views = torch.cat([batch.views["weak"], batch.views["strong"]])
    queries = method.network.project(method.network.features(views))
    predicted = method.belief.argmax(dim=1).repeat(2)
    weights = group_weights(start.repeat(2, 1), predicted)
    columns = Columns(queries, queries[:0], torch.ones(16, dtype=torch.bool))
    assert_near(found, contrast_losses(columns, weights, 0.2).mean().detach())
