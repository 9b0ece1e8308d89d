"""The in-domain editor: whatever the image, and the same edit in any batch."""

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from cad_studio.augment._base import ClassText
from cad_studio.augment.in_domain import InDomainConfig, InDomainEditor
from cad_studio.core.errors import ResourceError, SettingError
from cad_studio.models.denoiser import DenoiserCard, make_denoiser
from cad_studio.services.edits.editing import Batcher

NAMES = ["a", "b", "c"]
TEXTS = [ClassText(name, name) for name in NAMES]


@pytest.fixture(scope="module", params=[1, 3])
def model(request, tmp_path_factory):
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("editor") / f"editor-{request.param}.safetensors"
    make_denoiser(DenoiserCard(NAMES, 20, request.param, [8, 16])).save(file)
    return file


def editor(model, **settings):
    made = InDomainEditor(InDomainConfig(model=str(model), device="cpu", steps=3, **settings))
    made.load(TEXTS)
    return made


def images():
    chance = np.random.default_rng(0)
    shapes = ((20, 20, 1), (20, 20, 3), (1, 1, 3), (90, 50, 1), (300, 200, 3))
    return [chance.integers(0, 256, shape, np.uint8) for shape in shapes]


@pytest.mark.long
def test_every_size_and_colour_keeps_its_shape(model):
    sources = images()
    made = editor(model).edit(sources, np.array([0, 1, 2, 0, 1]), np.arange(5))
    assert [one.shape for one in made] == [one.shape for one in sources]
    assert all(one.dtype == np.uint8 for one in made)


def test_an_edit_does_not_depend_on_its_batch(model):
    sources, guide, seeds = images(), np.array([0, 1, 2, 0, 1]), np.arange(5)
    made = editor(model).edit(sources, guide, seeds)
    for place in range(5):
        part = slice(place, place + 1)
        (alone,) = editor(model).edit(sources[part], guide[part], seeds[part])
        assert np.abs(alone.astype(int) - made[place].astype(int)).max() <= 1


def test_without_strength_a_large_image_is_left_alone(model):
    source = images()[4]
    (made,) = editor(model, strength=0.0).edit([source], np.array([0]), np.array([0]))
    assert np.abs(made.astype(int) - source.astype(int)).max() <= 1


def test_broken_numbers_give_no_edit_whatever_the_size(model, tmp_path):
    weights = load_file(model)
    broken = tmp_path / "broken.safetensors"
    with safe_open(model, "pt") as file:
        save_file({k: v * torch.nan for k, v in weights.items()}, broken, file.metadata())
    made = editor(broken).edit(images(), np.array([0, 1, 2, 0, 1]), np.arange(5))
    assert made == [None] * 5


def test_no_editor_or_one_of_other_classes_is_told_in_words(model):
    with pytest.raises(ResourceError, match="edit-model DATASET"):
        InDomainEditor(InDomainConfig()).load(TEXTS)
    with pytest.raises(SettingError, match="does not know 'd'"):
        InDomainEditor(InDomainConfig(model=str(model))).load([*TEXTS, ClassText("d", "d")])


def test_the_key_knows_the_content_of_the_model_and_the_settings(model, tmp_path):
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(model.read_bytes())
    config = {"steps": 3, "device": "cpu"}
    first = InDomainEditor(InDomainConfig(model=str(model), **config)).key()
    assert InDomainEditor(InDomainConfig(model=str(copy), **config)).key() == first
    stronger = InDomainConfig(model=str(model), strength=0.9, **config)
    assert InDomainEditor(stronger).key() != first


def test_a_device_that_is_not_here_is_refused(model):
    for device in ("tpu", "cuda:97"):
        with pytest.raises(SettingError, match=f"device is '{device}'"):
            InDomainEditor(InDomainConfig(model=str(model), device=device)).load(TEXTS)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    ],
    ids=["gpu", "cpu"],
)
def test_a_batch_too_large_for_the_memory_is_halved(model, monkeypatch, error):
    """Either ended the work, and the edits of the batch were lost."""
    whole = InDomainEditor._edit

    def full(self, denoiser, images, guide, seeds):
        if len(images) > 2:
            raise error
        return whole(self, denoiser, images, guide, seeds)

    monkeypatch.setattr(InDomainEditor, "_edit", full)
    batcher = Batcher(editor(model))
    made = batcher.edit(images(), np.array([0, 1, 2, 0, 1]), np.arange(5))
    assert [one.shape for one in made] == [one.shape for one in images()]
    assert batcher.size == 2


def test_another_error_is_not_taken_for_a_want_of_memory(model, monkeypatch):
    def broken(*_):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(InDomainEditor, "_edit", broken)
    with pytest.raises(RuntimeError, match="mat1"):
        editor(model).edit(images(), np.array([0, 1, 2, 0, 1]), np.arange(5))
