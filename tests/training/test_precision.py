"""Where bf16 is taken, and where it is not even tried."""

import pytest
import torch
from torch import nn

from cad_studio.core.errors import SettingError
from cad_studio.core.progress import Silent
from cad_studio.models.device import choose_device
from cad_studio.models.network import make_network
from cad_studio.training import precision
from cad_studio.training.model_file import load_model
from cad_studio.training.precision import choose_precision
from cad_studio.training.trainer import MODEL_FILE, Trainer
from tests.training.runs import small_images, small_plan

INPUTS = torch.rand(4, 3, 20, 20)


class Untouchable(nn.Module):
    """A network of many weights that must not be run."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2_000_000))

    def forward(self, inputs):
        raise AssertionError("tried")


def test_a_small_network_stays_float32_on_a_cpu():
    network = make_network("resnet8", 4, image_px=20)
    assert choose_precision("auto", network, INPUTS) == "float32"
    assert choose_precision("bf16", network, INPUTS) == "bf16"


def test_a_cpu_without_bf16_is_not_tried(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    assert choose_precision("auto", Untouchable(), INPUTS) == "float32"


def test_a_cpu_with_bf16_is_tried_with_a_large_network(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    with pytest.raises(AssertionError, match="tried"):
        choose_precision("auto", Untouchable(), INPUTS)


def test_a_trial_leaves_the_network_as_it_was(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.setattr(precision, "_LARGE_ON_CPU", 0)
    network = make_network("resnet8", 4, image_px=20)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert choose_precision("auto", network, INPUTS) in ("float32", "bf16")
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(weight.grad is None for weight in network.parameters())


@pytest.mark.long
@pytest.mark.parametrize("method", ["proden", "cad-cam"])
def test_a_run_in_bf16_learns_and_its_model_is_float32(tmp_path, method):
    plan = small_plan(method, epochs=8, learning_rate=0.05, precision="bf16")
    result = Trainer(small_images(), plan, tmp_path).fit(Silent())
    assert result.last.oracle["test_accuracy"] > 0.6
    network, _ = load_model(tmp_path / MODEL_FILE)
    assert all(value.dtype != torch.bfloat16 for value in network.state_dict().values())


def test_an_unknown_device_is_refused_with_what_there_is():
    with pytest.raises(SettingError, match="Allowed: auto, cpu, cuda"):
        choose_device("tpu")
    with pytest.raises(SettingError, match=r"this machine has \d+ CUDA devices"):
        choose_device("cuda:97")
