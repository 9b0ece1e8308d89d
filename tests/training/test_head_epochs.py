"""New heads on a network with weights from elsewhere learn alone at first."""

import pytest
import torch

from cad_studio.core.errors import JobCancelled, SettingError
from cad_studio.core.progress import Silent
from cad_studio.models.network import make_network
from cad_studio.training.checkpoint import Checkpoints
from cad_studio.training.estimate import estimate
from cad_studio.training.model_file import load_model
from cad_studio.training.plan import Plan
from cad_studio.training.settings import TrainConfig
from cad_studio.training.trainer import MODEL_FILE, Trainer
from tests.models.test_hf import save_tiny
from tests.training.runs import StopsAfter, small_images, small_plan


@pytest.fixture
def backbone(tmp_path):
    return f"hf:{save_tiny(tmp_path / 'network', 'ResNet')}"  # it has BatchNorm


def plan_of(backbone, method="proden", **changes):
    plan = small_plan(method, judged_average=0.0, **changes)
    return Plan(method, backbone, plan.config, plan.settings, plan.projection_width)


def weights(folder):
    return {
        name.removeprefix("method.network."): value
        for name, value in Checkpoints(folder / "checkpoints").load().tensors.items()
        if name.startswith("method.network.")
    }


def first_weights(plan):
    network = make_network(
        plan.backbone, 4, image_px=20, projection_width=plan.projection_width, seed=plan.config.seed
    )
    return network.state_dict()


def changed(now, before):
    """Names of the weights and statistics that differ: of the backbone, and of the heads."""
    names = [name for name in before if not torch.equal(now[name], before[name])]
    own = [name for name in names if name.startswith("backbone.")]
    return own, [name for name in names if name not in own]


@pytest.mark.parametrize("method", ["proden", "cad-cam"])
def test_the_backbone_stays_as_it_came_while_the_heads_learn(tmp_path, backbone, method):
    data, plan = small_images(), plan_of(backbone, method, epochs=3, head_epochs="2")
    with pytest.raises(JobCancelled):
        Trainer(data, plan, tmp_path / "parts").fit(StopsAfter(1, lambda m: "Epoch 3" in m))
    own, heads = changed(weights(tmp_path / "parts"), first_weights(plan))
    assert own == []
    assert {"fc.weight", "fc.bias"} <= set(heads)
    Trainer(data, plan, tmp_path / "parts").fit(Silent())
    end = weights(tmp_path / "parts")
    own, _ = changed(end, first_weights(plan))
    assert any("running_mean" in name for name in own)
    assert len(own) > 40
    Trainer(data, plan, tmp_path / "whole").fit(Silent())
    assert changed(end, weights(tmp_path / "whole")) == ([], [])


def test_a_run_goes_on_where_its_first_weights_are_gone(tmp_path, backbone):
    data, plan = small_images(), plan_of(backbone, head_epochs="1")
    Trainer(data, plan, tmp_path / "whole").fit(Silent())
    with pytest.raises(JobCancelled):
        Trainer(data, plan, tmp_path / "parts").fit(StopsAfter(1, lambda m: "Epoch 2" in m))
    (tmp_path / "network").rename(tmp_path / "gone")
    Trainer(data, plan, tmp_path / "parts").fit(Silent())
    assert changed(weights(tmp_path / "parts"), weights(tmp_path / "whole")) == ([], [])


def test_its_model_is_read_where_the_network_is_not(tmp_path, backbone):
    data = small_images()
    Trainer(data, plan_of(backbone, epochs=1, head_epochs="1"), tmp_path / "run").fit(Silent())
    (tmp_path / "network").rename(tmp_path / "gone")
    network, views = load_model(tmp_path / "run" / MODEL_FILE)
    assert network(views.plain(views.unit(torch.zeros(2, 20, 20, 1, dtype=torch.uint8)))).shape == (
        2,
        4,
    )


def test_drawn_weights_have_nothing_that_heads_could_learn_from(tmp_path):
    plan = small_plan(head_epochs="20%")
    for attempt in (lambda: Trainer(small_images(), plan, tmp_path).fit(Silent()),
                    lambda: estimate(small_images(), plan)):  # fmt: skip
        with pytest.raises(SettingError, match=r"'20%'.* weights of resnet8 are drawn.*0, or"):
            attempt()


@pytest.mark.parametrize(
    ("word", "epochs", "found"),
    [("0", 10, 0), ("0%", 10, 0), ("20%", 10, 2), ("1%", 10, 1), ("10", 10, 10), (" 0.5 ", 4, 2)],
)
def test_a_share_of_a_run_is_an_epoch_at_least(word, epochs, found):
    assert TrainConfig(epochs=epochs, head_epochs=word).epochs_of_heads() == found


@pytest.mark.parametrize("word", ["11", "two", "120%", "-1", "nan", ""])
def test_what_is_no_part_of_a_run_is_refused(word):
    with pytest.raises(SettingError, match="head_epochs"):
        TrainConfig(epochs=10, head_epochs=word)
