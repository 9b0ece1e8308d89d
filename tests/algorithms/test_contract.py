import dataclasses

import pytest
import torch

from cad_studio.algorithms._base import ALGORITHMS, make_algorithm
from cad_studio.core.errors import SettingError
from cad_studio.core.settings import settings_from_json, settings_to_json
from tests.algorithms.small import (
    N_CLASSES,
    make_batch,
    make_candidates,
    make_images,
    make_method,
    make_setup,
    normalise,
    small_settings,
    train,
)

METHODS = ALGORITHMS.names()


def make_small(name, **changes):
    return make_method(name, make_setup(**changes), **small_settings(name)).train()


def predict(method, images):
    """int64 (N,). With the statistics of these images: those collected so far lag behind."""
    with torch.no_grad():
        return method.inference_network.train()(normalise(images)).argmax(dim=1)


def test_the_methods_are_those_promised():
    promised = (
        "able abs-gce cad cad-cam cavl cc cel crdpll dirk-ref idgp lws pico pop proden supervised"
    )
    assert promised.split() == METHODS
    assert [name for name in METHODS if ALGORITHMS.get(name).uses_truth] == ["supervised"]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("epoch", [0, 9])
def test_the_loss_is_a_finite_scalar_with_gradient(name, epoch):
    method = make_small(name)
    method.begin_epoch(epoch)
    method.train()
    result = method.step(make_batch(method, make_images()))
    assert result.loss.shape == ()
    assert result.loss.isfinite()
    result.loss.backward()
    gradients = [weight.grad for weight in method.trainable_parameters() if weight.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert method.network.fc.weight.grad.abs().sum() > 0
    assert result.parts
    assert not any(part.requires_grad for part in result.parts.values())
    assert all(part.shape == () and part.isfinite() for part in result.parts.values())


@pytest.mark.parametrize("name", METHODS)
def test_a_restored_method_takes_the_same_next_steps(name):
    images = make_images()
    method = make_small(name)
    train(method, images, 3)
    state = {key: value.clone() for key, value in method.state_dict().items()}
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    # Another seed: everything that matters has to come from the state.
    other = make_small(name, seed=1)
    other.load_state_dict(state)
    for each in (method, other):
        each.generator.manual_seed(5)
    # The optimiser starts anew on both sides. The first step is in the middle of an epoch.
    first, second = method.step(make_batch(method, images)), other.step(make_batch(other, images))
    assert torch.equal(first.loss, second.loss)
    assert train(method, images, 4, first_epoch=3) == train(other, images, 4, first_epoch=3)
    for key, value in method.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key


@pytest.mark.parametrize("name", METHODS)
def test_eight_samples_are_learned(name):
    """The classification loss alone is held to fall: contrast changes its kind after warm-up."""
    images = make_images()
    method = make_small(name, epochs=40)
    optimiser = torch.optim.SGD(method.trainable_parameters(), 0.1, momentum=0.9)
    losses = []
    for epoch in range(40):
        method.begin_epoch(epoch)
        result = method.step(make_batch(method, images, seed=epoch))
        losses.append(result.parts["classification"].item())
        optimiser.zero_grad()
        result.loss.backward()
        optimiser.step()
        method.after_step()
        method.end_epoch()
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    predicted = predict(method, images)
    assert method.candidates[torch.arange(8), predicted].float().mean() >= 6 / 8


@pytest.mark.parametrize("name", METHODS)
def test_no_gradient_reaches_a_slow_copy_and_it_stays_in_evaluation_mode(name):
    images = make_images()
    method = make_small(name)
    method.train()
    copies = [module for module in method.modules() if getattr(module, "frozen", False)]
    before = [copy.fc.weight.clone() for copy in copies]
    train(method, images, 2)
    for copy, weight in zip(copies, before, strict=True):
        assert all(not part.training for part in copy.modules())
        assert all(w.grad is None and not w.requires_grad for w in copy.parameters())
        assert not torch.equal(copy.fc.weight, weight), "the copy did not follow"
    ours = {id(weight) for weight in method.trainable_parameters()}
    assert not ours & {id(weight) for copy in copies for weight in copy.parameters()}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", ["all", "one"])
def test_sets_of_all_classes_and_of_one_are_learned_from(name, kind):
    candidates = torch.ones((8, N_CLASSES), dtype=torch.bool)
    if kind == "one":
        candidates = torch.eye(N_CLASSES, dtype=torch.bool).repeat(2, 1)
    method = make_small(name, candidates=candidates)
    losses = train(method, make_images(), 8)
    assert all(loss == loss and abs(loss) < 1e4 for loss in losses)
    belief = method.confidence()
    if belief is not None:
        torch.testing.assert_close(belief.sum(dim=1), torch.ones(8))
        assert not belief[~candidates].any()


@pytest.mark.parametrize("name", METHODS)
def test_a_batch_of_one_gives_a_finite_loss(name):
    method = make_small(name)
    images = make_images()
    for epoch in (0, 6):
        method.begin_epoch(epoch)
        result = method.step(make_batch(method, images, rows=torch.tensor([2])))
        assert result.loss.isfinite()
        result.loss.backward()


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_very_confident_logits_give_no_nan(name, sign):
    """Logits of 1e4 for one class, which is a candidate of some samples and not of others."""
    method = make_small(name)
    copies = [m for m in method.modules() if getattr(m, "frozen", False)]
    with torch.no_grad():
        for network in [method.network, *copies]:
            network.fc.bias.copy_(sign * torch.tensor([1e4, 0.0, 0.0, 0.0]))
    images = make_images()
    losses = train(method, images, 7, learning_rate=1e-9)
    assert all(abs(loss) < 1e6 for loss in losses)
    assert all(weight.isfinite().all() for weight in method.parameters())
    assert method.belief.isfinite().all()


@pytest.mark.parametrize("name", METHODS)
def test_in_half_precision_the_loss_is_nearly_the_same_and_beliefs_stay_exact(name):
    images, losses = make_images(), []
    for is_half in (False, True):
        method = make_small(name)
        for epoch in (0, 6):
            method.begin_epoch(epoch)
            method.train()
            with torch.autocast("cpu", torch.bfloat16, enabled=is_half):
                result = method.step(make_batch(method, images))
        assert result.loss.dtype == torch.float32
        result.loss.backward()
        assert all(
            value.dtype != torch.bfloat16 for value in [*method.buffers(), *method.parameters()]
        )
        torch.testing.assert_close(method.belief.sum(dim=1), torch.ones(8))
        losses.append(result.loss.item())
    assert losses[1] == pytest.approx(losses[0], rel=0.1, abs=0.05)


@pytest.mark.parametrize("name", METHODS)
def test_belief_stays_on_the_candidates_and_only_the_batch_changes(name):
    method = make_small(name)
    images, rows = make_images(), torch.tensor([6, 2, 3])
    start = method.belief.clone()
    method.begin_epoch(6)
    method.step(make_batch(method, images, rows=rows))
    untouched = torch.tensor([0, 1, 4, 5, 7])
    assert torch.equal(method.belief[untouched], start[untouched])
    torch.testing.assert_close(method.belief.sum(dim=1), torch.ones(8))
    assert not method.belief[~method.candidates].any()
    if method.confidence() is not None and name != "supervised":
        assert not torch.equal(method.belief[rows], start[rows])


@pytest.mark.parametrize("name", [name for name in METHODS if name != "supervised"])
def test_a_given_start_is_learned_and_held_as_long_as_said(name):
    """A start that points to the second candidate must decide what is predicted."""
    images = make_images()
    start = 0.1 * make_candidates()
    start[torch.arange(8), (torch.arange(8) + 1) % N_CLASSES] = 1.0
    start[1] = torch.eye(N_CLASSES)[1]
    start /= start.sum(dim=1, keepdim=True)
    method = make_small(name, start=start, epochs=130, start_epochs=100)
    train(method, images, 100, learning_rate=0.02)
    assert torch.equal(method.belief, start)
    predicted = predict(method, images)
    assert (predicted == start.argmax(dim=1)).float().mean() >= 6 / 8
    train(method, images, 1, first_epoch=100)
    assert method.confidence() is None or not torch.equal(method.belief, start)
    method.adopt(start)
    assert method.is_held
    train(method, images, 2, first_epoch=100)
    torch.testing.assert_close(method.belief, start)


@pytest.mark.parametrize("name", METHODS)
def test_settings_are_described_and_survive_json(name):
    member = ALGORITHMS.get(name)
    config = member.config_type()
    assert settings_from_json(member.config_type, settings_to_json(config)) == config
    for field in dataclasses.fields(config):
        assert field.metadata["help"].endswith(".")
        if isinstance(field.default, (int, float)) and not isinstance(field.default, bool):
            assert "minimum" in field.metadata
    assert member.title
    assert "http" in member.paper or member.uses_truth


def test_a_misspelt_method_gets_a_suggestion():
    with pytest.raises(SettingError, match="'prodenn' is not a known method"):
        make_algorithm("prodenn", make_setup())


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("cad-cam", {"epsilon": 1.5}, "epsilon is 1.5; the most is 1.0"),
        ("cad", {"con_reduction": "mean"}, "con_reduction is 'mean'"),
        ("abs-gce", {"loss": "mea"}, "loss is 'mea'"),
        ("pico", {"tau": 0.0}, "tau is 0.0; the least is 0.001"),
    ],
)
def test_settings_out_of_range_are_named(name, settings, message):
    with pytest.raises(SettingError, match=message):
        ALGORITHMS.get(name).config_type(**settings)
