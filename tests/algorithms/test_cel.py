import pytest
import torch

from cad_studio.algorithms.cel import association_losses, discrimination_losses
from tests.algorithms.small import make_batch, make_images, make_method, make_setup
from tests.vectors import assert_near


def test_association_by_hand():
    # Candidates along (1, 0) and (0.6, 0.8), the other along (0, 1). Among the candidates the
    # cosines are 1, 0.6, 0.6, 1: mean 0.8. Across: 0 and 0.8, mean 0.4. 1 - 0.8 + 2 * 0.4 = 1.
    embeddings = torch.tensor([[[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]])
    candidates = torch.tensor([[True, True, False]])
    assert_near(association_losses(embeddings, candidates, 2.0), [1.0])
    # With all three: (3 + 2 * (0.6 + 0 + 0.8)) / 9 = 0.644444.
    everything = torch.ones_like(candidates)
    assert_near(association_losses(embeddings, everything, 2.0), [1 - 0.644444])


def test_discrimination_by_hand():
    # The embedding of class 1 is (0.6, 0.8): cosine 0.8 to its prototype, 0.6 and 0 to the others.
    # 1 - 0.8 + 2 * 0.6 / 2 = 0.8.
    embeddings = torch.tensor([[[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]])
    prototypes = torch.tensor([[-1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    found = discrimination_losses(embeddings, prototypes, torch.tensor([1]), 2.0)
    assert_near(found, [0.8])


@pytest.mark.parametrize(("epoch", "is_part"), [(4, False), (5, True)])
def test_prototypes_tell_apart_from_half_of_the_training_on(epoch, is_part):
    method = make_method("cel", make_setup(epochs=10))
    method.begin_epoch(epoch)
    result = method.step(make_batch(method, make_images()))
    assert ("discrimination" in result.parts) == is_part


def test_decoder_follows_from_the_seed_and_leaves_torchs_own_chance_alone():
    before = torch.random.get_rng_state()
    first, second = make_method("cel", make_setup()), make_method("cel", make_setup())
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first.asked, second.asked)
    other = make_method("cel", make_setup(seed=1))
    assert not torch.equal(first.asked, other.asked)


def test_a_prototype_starts_at_the_first_mean_of_its_class():
    method = make_method("cel", make_setup())
    method.begin_epoch(0)
    method.step(make_batch(method, make_images()))
    seen = torch.bincount(make_setup().start.argmax(dim=1), minlength=4) > 0
    assert_near(method.prototypes.norm(dim=1), seen.float())
