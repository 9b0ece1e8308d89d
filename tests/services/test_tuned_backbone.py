"""A run that trains the last layers of a network with weights from elsewhere."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cad_studio import Studio
from cad_studio.core.errors import CadStudioError
from tests.extractors.tiny_models import use_random_resnet
from tests.models.test_hf import save_tiny
from tests.services.small import noise, save, sets, store

N_SAMPLES = 48


def shades(folder):
    truth = np.arange(N_SAMPLES) % 3
    pixels = noise(N_SAMPLES, 64, 64, seed=1) // 2 + (truth * 40).astype(np.uint8)[:, None, None]
    split = np.array(["test" if row % 8 == 7 else "train" for row in range(N_SAMPLES)])
    return save(
        folder / "shades.npz", images=pixels, candidates=sets(N_SAMPLES, 3, truth, seed=2),
        labels=truth, split=split,
    )  # fmt: skip


@pytest.mark.long
def test_a_model_of_transformers_is_tuned_and_used_without_its_folder(tmp_path):
    folder = save_tiny(tmp_path / "network", "Dinov2")
    with Studio(tmp_path / "project") as studio:
        store(studio.services, shades(tmp_path), "shades")
        data = studio.dataset("shades")
        spec = f"hf:{folder}:top"
        run = data.train("cad-cam", backbone=spec, epochs=3, head_epochs="1").wait()
        assert run.describe()["backbone"] == spec
        folder.rename(tmp_path / "gone")
        assert len(run.predictions("all")) == N_SAMPLES
        assert data.features(f"run:{run.id}").shape[0] == N_SAMPLES
        with pytest.raises(CadStudioError, match=f"The transformers model '{folder}' cannot"):
            data.train("proden", backbone=spec, epochs=1).wait()


@pytest.mark.long
def test_what_is_kept_is_in_its_model_as_it_came(tmp_path, monkeypatch):
    came = use_random_resnet(tmp_path, monkeypatch)
    file = shades(tmp_path)
    with Studio(tmp_path / "project") as studio:
        store(studio.services, file, "shades")
        data = studio.dataset("shades")
        run = data.train("cad-cam", backbone="torchvision:resnet18:pretrained-top", epochs=1).wait()
        model = load_file(run.model_path())
        assert len(run.predictions("all")) == N_SAMPLES
    equal = {
        name: torch.equal(value, model[f"backbone.layers.{name}"])
        for name, value in came.items()
        if f"backbone.layers.{name}" in model
    }
    assert all(same for name, same in equal.items() if not name.startswith("layer4"))
    assert not all(equal.values())
