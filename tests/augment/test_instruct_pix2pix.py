"""The text-driven editor with the real classes of diffusers, tiny and untrained."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cad_studio.augment import instruct_pix2pix
from cad_studio.augment._base import EDITORS, ClassText
from cad_studio.augment.instruct_pix2pix import InstructPix2Pix, InstructPix2PixConfig
from cad_studio.core.errors import ResourceError, SettingError
from tests.augment.tiny_pipeline import save_tiny_pipeline

TEXTS = [ClassText("coat", "a coat"), ClassText("shirt", "a shirt with buttons")]
SMALL = {"steps": 3, "size_px": 16, "device": "cpu"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny_pipeline(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def editor(folder):
    made = InstructPix2Pix(InstructPix2PixConfig(model=str(folder), **SMALL))
    made.load(TEXTS)
    return made


def images():
    chance = np.random.default_rng(0)
    return [chance.integers(0, 256, shape, np.uint8) for shape in ((28, 28, 1), (40, 20, 3))]


def test_both_editors_are_registered():
    assert EDITORS.names() == ["in-domain", "instruct-pix2pix"]


@pytest.mark.long
def test_edits_keep_shapes_and_depend_on_class_and_seed_alone(editor):
    sources, guide, seeds = images(), np.array([0, 1]), np.array([5, 6])
    made = editor.edit(sources, guide, seeds)
    assert [one.shape for one in made] == [one.shape for one in sources]
    assert all(one.dtype == np.uint8 for one in made)
    (alone,) = editor.edit(sources[1:], guide[1:], seeds[1:])
    assert np.abs(alone.astype(int) - made[1].astype(int)).max() <= 1
    (other_class,) = editor.edit(sources[1:], np.array([0]), seeds[1:])
    (other_seed,) = editor.edit(sources[1:], guide[1:], np.array([7]))
    assert (other_class != alone).any()
    assert (other_seed != alone).any()


def test_a_prompt_of_ten_thousand_characters_is_taken(folder):
    made = InstructPix2Pix(InstructPix2PixConfig(model=str(folder), **SMALL))
    made.load([ClassText("coat", "coat <b>" * 1250)])
    (edited,) = made.edit(images()[:1], np.array([0]), np.array([0]))
    assert edited.shape == (28, 28, 1)


def test_broken_numbers_give_no_edit(folder, tmp_path):
    broken = shutil.copytree(folder, tmp_path / "broken")
    file = broken / "unet" / "diffusion_pytorch_model.safetensors"
    weights = {name: weight * torch.nan for name, weight in load_file(file).items()}
    save_file(weights, file, {"format": "pt"})
    made = InstructPix2Pix(InstructPix2PixConfig(model=str(broken), **SMALL))
    made.load(TEXTS)
    assert made.edit(images(), np.array([0, 1]), np.array([5, 6])) == [None, None]


def refusal(model):
    with pytest.raises(ResourceError) as raised:
        InstructPix2Pix(InstructPix2PixConfig(model=str(model), **SMALL)).load(TEXTS)
    return str(raised.value)


def test_an_incomplete_folder_pickled_weights_and_no_network_are_told_in_words(folder, tmp_path):
    incomplete = shutil.copytree(folder, tmp_path / "incomplete")
    shutil.rmtree(incomplete / "vae")
    assert "no complete pipeline" in refusal(incomplete)
    pickled = shutil.copytree(folder, tmp_path / "pickled")
    (pickled / "unet" / "diffusion_pytorch_model.safetensors").rename(
        pickled / "unet" / "diffusion_pytorch_model.bin"
    )
    assert "safetensors" in refusal(pickled)
    told = refusal("nobody/no-such-model")
    assert "hf download nobody/no-such-model" in told
    assert "in-domain" in told


def test_the_key_knows_model_and_settings(folder):
    keys = {
        InstructPix2Pix(InstructPix2PixConfig(model=str(folder), **{**SMALL, **change})).key()
        for change in ({}, {"steps": 4}, {"guidance": 6.0}, {"image_guidance": 2.0})
    }
    assert len(keys) == 4


def test_the_key_knows_the_content_of_the_model_and_not_where_it_lies(folder, tmp_path):
    """Weights that took the place of others were taken for the same model."""

    def key(model):
        return InstructPix2Pix(InstructPix2PixConfig(model=str(model), **SMALL)).key()

    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / ".cache").mkdir()
    (copy / ".cache" / "downloaded").write_text("today")
    assert key(copy) == key(folder) == key(f"{folder}/")
    file = copy / "unet" / "diffusion_pytorch_model.safetensors"
    weights = {name: weight + 1 for name, weight in load_file(file).items()}
    save_file(weights, file, {"format": "pt"})
    assert key(copy) != key(folder)


def test_a_model_of_the_hub_is_known_by_its_commit(folder, monkeypatch):
    keys = set()
    for commit in ("aaa", "bbb"):
        found = f"/cache/snapshots/{commit}/model_index.json"
        monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, at=found: at)
        keys.add(InstructPix2Pix(InstructPix2PixConfig(**SMALL)).key())
    assert len(keys) == 2


def test_packages_that_are_missing_are_told_and_nothing_is_raised(monkeypatch):
    """One that is not installed broke every preview."""
    monkeypatch.setattr(instruct_pix2pix, "is_installed", lambda name: False)
    told = InstructPix2Pix(InstructPix2PixConfig()).missing()
    assert "pip install diffusers transformers huggingface_hub" in told
    assert "hf download timbrooks/instruct-pix2pix" in told


def test_a_device_that_is_not_here_is_refused(folder):
    for device in ("tpu", "cuda:97"):
        config = InstructPix2PixConfig(model=str(folder), **{**SMALL, "device": device})
        with pytest.raises(SettingError, match=f"device is '{device}'"):
            InstructPix2Pix(config).load(TEXTS)


def test_a_model_the_memory_does_not_hold_is_told_in_words(folder, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(instruct_pix2pix, "_place", full)
    assert "does not hold the model. Choose memory=offload" in refusal(folder)


def test_memory_that_runs_out_asks_for_a_smaller_batch(folder, editor, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9")

    monkeypatch.setattr(editor, "_pipeline", full)
    with pytest.raises(MemoryError):
        editor.edit(images(), np.array([0, 1]), np.array([5, 6]))


def test_a_pipeline_that_only_draws_and_does_not_edit_is_refused(folder, tmp_path):
    """Text-to-image pipelines load without complaint; their network takes no source image."""
    from cad_studio.core.optional import require

    diffusers = require("diffusers", "diffusers", "The test")
    other = shutil.copytree(folder, tmp_path / "other")
    network = diffusers.UNet2DConditionModel.from_pretrained(other, subfolder="unet")
    config = {**network.config, "in_channels": 4}
    diffusers.UNet2DConditionModel.from_config(config).save_pretrained(other / "unet")
    assert "not made to edit images" in refusal(other)
    (other / "model_index.json").unlink()
    assert "no complete pipeline" in refusal(other)
