import torch

from cad_studio.algorithms.pop import find_unlikely
from tests.algorithms.small import make_candidates, make_images, make_method, make_setup, train
from tests.vectors import assert_near


def test_unlikely_is_below_a_share_of_the_highest():
    belief = torch.tensor([[0.8, 0.1, 0.1 - 1e-4], [0.5, 0.5, 0.0]])
    # 0.8 / 8 = 0.1 is not below.
    expected = [[False, False, True], [False, False, True]]
    assert find_unlikely(belief, 0.125).tolist() == expected


def make_pop(**settings):
    method = make_method("pop", make_setup(), **settings)
    method.begin_epoch(0)
    return method


def end_epochs(method, beliefs, first=0):
    for epoch, belief in enumerate(beliefs, first):
        method.begin_epoch(epoch)
        method.belief[4] = torch.tensor(belief)
        method.end_epoch()


def test_a_candidate_that_stays_unlikely_is_struck_out_for_good():
    method = make_pop(warm_up_epochs=5, bar=0.1)
    end_epochs(method, [[0.99, 0.01, 0.0, 0.0]] * 5)
    assert torch.equal(method.kept, make_candidates()), "still warming up"
    end_epochs(method, [[0.99, 0.01, 0.0, 0.0]], first=5)
    assert method.kept[4].tolist() == [True, False, False, False]
    assert_near(method.belief[4], [1.0, 0.0, 0.0, 0.0])
    train(method, make_images(), 2, first_epoch=6)
    assert_near(method.belief[4], [1.0, 0.0, 0.0, 0.0])
    method.adopt(make_setup().start)
    assert_near(method.belief[4], [1.0, 0.0, 0.0, 0.0])
    assert method.kept[4].tolist() == [True, False, False, False]


def test_the_mean_of_five_epochs_decides():
    # One epoch at 0.4 lifts the mean to (4 * 0.01 + 0.4) / 5 = 0.088, a share of 0.0965.
    method = make_pop(warm_up_epochs=5, bar=0.09)
    unlikely, likely = [0.99, 0.01, 0.0, 0.0], [0.6, 0.4, 0.0, 0.0]
    end_epochs(method, [unlikely, unlikely, likely, unlikely, unlikely, unlikely])
    assert method.kept[4].tolist() == [True, True, False, False]
    end_epochs(method, [unlikely, unlikely], first=6)
    assert method.kept[4].tolist() == [True, False, False, False]
